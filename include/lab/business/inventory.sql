-- What lies where, and every movement that made it so: on_hand is the sum of a stock item's movements.
-- section: schema
CREATE TABLE warehouses (
  warehouse_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code text NOT NULL UNIQUE);
CREATE TABLE stock (
  stock_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  warehouse_id integer NOT NULL REFERENCES warehouses,
  sku text NOT NULL,
  on_hand integer NOT NULL CHECK (on_hand >= 0),
  reserved integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  UNIQUE (warehouse_id, sku));
CREATE TABLE movements (
  movement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stock_id integer NOT NULL REFERENCES stock,
  quantity integer NOT NULL CHECK (quantity <> 0),
  reason text NOT NULL CHECK (reason IN ('receipt', 'pick', 'count', 'return')),
  moved_at timestamptz NOT NULL);
-- What order intake publishes: filled by logical replication.
CREATE TABLE order_events (
  event_id bigint PRIMARY KEY,
  order_id bigint NOT NULL,
  kind text NOT NULL,
  happened_at timestamptz NOT NULL);
-- section: seed
INSERT INTO warehouses (code) SELECT 'WH-' || lpad(i::text, 2, '0') FROM generate_series(1, 4) i;
INSERT INTO stock (warehouse_id, sku, on_hand)
SELECT 1 + i % 4, 'SKU-' || lpad(i::text, 5, '0'), 0 FROM generate_series(1, greatest(:rows / 200, 20)) i;
INSERT INTO movements (stock_id, quantity, reason, moved_at)
SELECT 1 + i % greatest(:rows / 200, 20), CASE WHEN i % 3 = 2 THEN -(1 + i % 7) ELSE 20 + i % 50 END,
       CASE WHEN i % 3 = 2 THEN 'pick' ELSE 'receipt' END, :now - (:rows / 10 - i + 1) * interval '30 seconds'
FROM generate_series(1, :rows / 10) i;
UPDATE stock s SET on_hand = m.total
FROM (SELECT stock_id, sum(quantity) AS total FROM movements GROUP BY stock_id) m WHERE m.stock_id = s.stock_id AND m.total >= 0;
INSERT INTO movements (stock_id, quantity, reason, moved_at)
SELECT m.stock_id, -m.total, 'count', :now - interval '1 minute'
FROM (SELECT stock_id, sum(quantity) AS total FROM movements GROUP BY stock_id) m WHERE m.total < 0;
-- section: keys
CREATE INDEX movements_stock ON movements (stock_id);
CREATE INDEX movements_moved_at ON movements (moved_at);
-- section: beat
WITH moved AS (
  INSERT INTO movements (stock_id, quantity, reason, moved_at)
  SELECT 1 + (extract(epoch FROM now())::integer % 20), 5, 'receipt', now() RETURNING stock_id, quantity
)
UPDATE stock s SET on_hand = on_hand + moved.quantity FROM moved WHERE s.stock_id = moved.stock_id;
