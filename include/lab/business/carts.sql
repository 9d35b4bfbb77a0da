-- What customers put into their carts on the web. :rows items, a quarter as many carts.
-- section: schema
CREATE TABLE carts (
  cart_id bigint GENERATED ALWAYS AS IDENTITY,
  tenant text NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'ordered', 'abandoned')),
  touched_at timestamptz NOT NULL);
CREATE TABLE cart_items (
  cart_id bigint NOT NULL,
  sku text NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  unit_price numeric(10, 2) NOT NULL CHECK (unit_price >= 0));
-- section: seed
INSERT INTO carts (tenant, state, touched_at)
SELECT (ARRAY['corner-shops', 'campus-supply', 'harbour-retail'])[1 + i % 3], (ARRAY['ordered', 'ordered', 'abandoned', 'open'])[1 + i % 4],
       :now - (:rows / 4 - i) * interval '30 seconds'
FROM generate_series(1::bigint, :rows / 4) i;
INSERT INTO cart_items (cart_id, sku, quantity, unit_price)
SELECT 1 + (i - 1) / 4, 'SKU-' || lpad((1 + (i * 104729) % 5000)::text, 5, '0') || '-' || i % 4, 1 + i % 6, (199 + (i * 31) % 9800) / 100.0
FROM generate_series(1::bigint, :rows / 4 * 4) i;
-- section: keys
ALTER TABLE carts ADD PRIMARY KEY (cart_id);
ALTER TABLE cart_items ADD PRIMARY KEY (cart_id, sku);
ALTER TABLE cart_items ADD FOREIGN KEY (cart_id) REFERENCES carts;
-- section: beat
WITH opened AS (INSERT INTO carts (tenant, state, touched_at) VALUES ('corner-shops', 'open', now()) RETURNING cart_id)
INSERT INTO cart_items (cart_id, sku, quantity, unit_price) SELECT cart_id, 'SKU-00001-0', 1, 9.90 FROM opened;
