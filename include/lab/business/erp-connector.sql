-- Documents posted to the ERP. A posting's idempotency key makes a replay harmless: nothing is posted twice.
-- section: schema
CREATE TABLE ledger_accounts (
  account_no integer PRIMARY KEY CHECK (account_no BETWEEN 1000 AND 9999),
  name text NOT NULL);
CREATE TABLE documents (
  document_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('invoice', 'credit', 'goods-issue')),
  idempotency_key text NOT NULL UNIQUE,
  posted_at timestamptz NOT NULL);
CREATE TABLE postings (
  posting_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  document_id bigint NOT NULL REFERENCES documents,
  account_no integer NOT NULL REFERENCES ledger_accounts,
  amount numeric(12, 2) NOT NULL CHECK (amount <> 0));
-- section: seed
INSERT INTO ledger_accounts SELECT 1000 + i * 100, 'Account ' || i FROM generate_series(0, 19) i;
INSERT INTO documents (kind, idempotency_key, posted_at)
SELECT (ARRAY['invoice', 'goods-issue', 'credit'])[1 + i % 3], 'seed-' || i, :now - (:rows / 40 - i + 1) * interval '45 seconds'
FROM generate_series(1, :rows / 40) i;
INSERT INTO postings (document_id, account_no, amount)
SELECT i, 1000 + (i % 20) * 100, (100 + i % 9000) / 10.0 FROM generate_series(1, :rows / 40) i
UNION ALL
SELECT i, 1000 + ((i + 7) % 20) * 100, -(100 + i % 9000) / 10.0 FROM generate_series(1, :rows / 40) i;
-- section: keys
CREATE INDEX postings_document ON postings (document_id);
CREATE INDEX documents_posted_at ON documents (posted_at);
-- section: beat
WITH posted AS (
  INSERT INTO documents (kind, idempotency_key, posted_at)
  VALUES ('invoice', 'live-' || extract(epoch FROM clock_timestamp())::text, now()) RETURNING document_id
)
INSERT INTO postings (document_id, account_no, amount)
SELECT document_id, account_no, amount FROM posted, (VALUES (1000, 25.00), (1700, -25.00)) AS v (account_no, amount);
