-- Who may sign in, for whom, and every sign-in.
-- section: schema
CREATE TABLE accounts (
  account_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  login text NOT NULL UNIQUE CHECK (login = lower(login)),
  tenant text NOT NULL,
  active boolean NOT NULL DEFAULT true);
CREATE TABLE roles (
  role_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE);
CREATE TABLE memberships (
  account_id integer NOT NULL REFERENCES accounts,
  role_id integer NOT NULL REFERENCES roles,
  PRIMARY KEY (account_id, role_id));
CREATE TABLE sign_ins (
  sign_in_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id integer NOT NULL REFERENCES accounts,
  result text NOT NULL CHECK (result IN ('ok', 'refused')),
  signed_in_at timestamptz NOT NULL);
-- section: seed
INSERT INTO accounts (login, tenant)
SELECT 'user' || i || '@example.test', (ARRAY['corner-shops', 'campus-supply', 'harbour-retail'])[1 + i % 3]
FROM generate_series(1, greatest(:rows / 100, 50)) i;
INSERT INTO roles (name) VALUES ('buyer'), ('approver'), ('warehouse'), ('finance'), ('admin');
INSERT INTO memberships SELECT account_id, 1 + account_id % 5 FROM accounts;
INSERT INTO sign_ins (account_id, result, signed_in_at)
SELECT 1 + (i * 31) % greatest(:rows / 100, 50), CASE WHEN i % 41 = 0 THEN 'refused' ELSE 'ok' END,
       :now - (:rows / 20 - i + 1) * interval '20 seconds' FROM generate_series(1, :rows / 20) i;
-- section: keys
CREATE INDEX sign_ins_at ON sign_ins (signed_in_at);
-- section: beat
INSERT INTO sign_ins (account_id, result, signed_in_at) VALUES (1 + extract(epoch FROM now())::integer % 50, 'ok', now());
