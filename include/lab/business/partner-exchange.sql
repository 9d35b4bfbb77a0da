-- Files exchanged with suppliers and partners: each message once, each for a known partner.
-- section: schema
CREATE TABLE partners (
  partner_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  gln text NOT NULL CONSTRAINT partners_gln_once UNIQUE);
CREATE TABLE messages (
  message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partner_id integer NOT NULL CONSTRAINT messages_partner_known REFERENCES partners,
  kind text NOT NULL CHECK (kind IN ('ORDERS', 'DESADV', 'INVOIC')),
  control_no text NOT NULL,
  received_at timestamptz NOT NULL,
  CONSTRAINT messages_once UNIQUE (partner_id, control_no));
-- section: seed
INSERT INTO partners (name, gln) SELECT 'Partner ' || i, (4000000000000 + i)::text FROM generate_series(1, 80) i;
INSERT INTO messages (partner_id, kind, control_no, received_at)
SELECT 1 + i % 80, (ARRAY['ORDERS', 'DESADV', 'INVOIC'])[1 + i % 3], 'seed-' || i, :now - (:rows / 50 - i + 1) * interval '90 seconds'
FROM generate_series(1, :rows / 50) i;
-- section: keys
CREATE INDEX messages_received_at ON messages (received_at);
-- section: beat
INSERT INTO messages (partner_id, kind, control_no, received_at)
VALUES (1 + extract(epoch FROM now())::integer % 80, 'ORDERS', 'live-' || extract(epoch FROM clock_timestamp())::text, now());
