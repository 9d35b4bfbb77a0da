-- Daily figures for the business, and the loads that brought them.
-- section: schema
CREATE TABLE loads (
  load_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  loaded_at timestamptz NOT NULL);
CREATE TABLE daily_sales (
  sold_on date NOT NULL,
  tenant text NOT NULL,
  orders integer NOT NULL CHECK (orders >= 0),
  revenue numeric(14, 2) NOT NULL CHECK (revenue >= 0),
  load_id bigint NOT NULL REFERENCES loads,
  PRIMARY KEY (sold_on, tenant));
-- section: seed
INSERT INTO loads (source, loaded_at)
SELECT 'nightly', :now - (401 - i) * interval '1 day' FROM generate_series(1, 400) i;
INSERT INTO daily_sales (sold_on, tenant, orders, revenue, load_id)
SELECT (:now)::date - (401 - load_id)::integer, tenant, 100 + (load_id * 37) % 900, ((load_id * 7919) % 100000) / 1.0, load_id
FROM loads, unnest(ARRAY['corner-shops', 'campus-supply', 'harbour-retail', 'medisure']) tenant;
-- section: keys
CREATE INDEX loads_at ON loads (loaded_at);
-- section: beat
INSERT INTO loads (source, loaded_at) VALUES ('stream', now());
