-- Price lists and every change of a price. A price is changed once per change key: a replay doubles nothing.
-- section: schema
CREATE TABLE price_lists (
  price_list_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  currency char(3) NOT NULL);
CREATE TABLE prices (
  price_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  price_list_id integer NOT NULL REFERENCES price_lists,
  sku text NOT NULL,
  amount numeric(10, 2) NOT NULL CHECK (amount > 0),
  UNIQUE (price_list_id, sku));
CREATE TABLE price_changes (
  price_change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  price_id integer NOT NULL REFERENCES prices,
  change_key text NOT NULL UNIQUE,
  amount numeric(10, 2) NOT NULL CHECK (amount > 0),
  changed_at timestamptz NOT NULL);
-- section: seed
INSERT INTO price_lists (name, currency) VALUES ('retail', 'EUR'), ('wholesale', 'EUR'), ('campus', 'EUR'), ('north', 'DKK');
INSERT INTO prices (price_list_id, sku, amount)
SELECT 1 + i % 4, 'SKU-' || lpad((1 + i / 4)::text, 5, '0'), (199 + (i * 31) % 9800) / 100.0
FROM generate_series(0, greatest(:rows / 50, 400) - 1) i;
INSERT INTO price_changes (price_id, change_key, amount, changed_at)
SELECT 1 + (i * 17) % greatest(:rows / 50, 400), 'seed-' || i, (199 + i % 9800) / 100.0,
       :now - (:rows / 30 - i + 1) * interval '60 seconds' FROM generate_series(1, :rows / 30) i;
-- section: keys
CREATE INDEX prices_sku ON prices (sku);
CREATE INDEX price_changes_at ON price_changes (changed_at);
-- section: beat
INSERT INTO price_changes (price_id, change_key, amount, changed_at)
VALUES (1 + extract(epoch FROM now())::integer % 400, 'live-' || extract(epoch FROM clock_timestamp())::text, 19.90, now());
