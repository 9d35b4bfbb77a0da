-- Messages to customers, and what became of them.
-- section: schema
CREATE TABLE templates (
  template_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE);
CREATE TABLE notices (
  notice_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  template_id integer NOT NULL REFERENCES templates,
  recipient text NOT NULL,
  state text NOT NULL CHECK (state IN ('queued', 'sent', 'bounced')),
  queued_at timestamptz NOT NULL);
-- section: seed
INSERT INTO templates (name) VALUES ('order-accepted'), ('order-shipped'), ('invoice-issued'), ('password-reset');
INSERT INTO notices (template_id, recipient, state, queued_at)
SELECT 1 + i % 4, 'user' || i % 5000 || '@example.test', CASE WHEN i % 50 = 0 THEN 'bounced' ELSE 'sent' END,
       :now - (:rows / 40 - i + 1) * interval '40 seconds' FROM generate_series(1, :rows / 40) i;
-- section: keys
CREATE INDEX notices_at ON notices (queued_at);
-- section: beat
INSERT INTO notices (template_id, recipient, state, queued_at) VALUES (1, 'user1@example.test', 'queued', now());
