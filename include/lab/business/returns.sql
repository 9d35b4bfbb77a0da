-- Goods that come back: each return names its lines, and no line refunds less than nothing.
-- section: schema
CREATE TABLE goods_returns (
  return_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id bigint NOT NULL,
  announced_at timestamptz NOT NULL);
CREATE TABLE return_lines (
  return_line_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  return_id integer NOT NULL REFERENCES goods_returns,
  sku text NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  refund numeric(10, 2) NOT NULL CHECK (refund >= 0));
CREATE TABLE inspections (
  inspection_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  return_id integer NOT NULL REFERENCES goods_returns,
  grade text NOT NULL CHECK (grade IN ('A', 'B', 'scrap')),
  inspected_at timestamptz NOT NULL);
-- section: seed
INSERT INTO goods_returns (order_id, announced_at)
SELECT i * 13, :now - (:rows / 100 - i + 1) * interval '200 seconds' FROM generate_series(1, :rows / 100) i;
INSERT INTO return_lines (return_id, sku, quantity, refund)
SELECT 1 + (i - 1) / 2, 'SKU-' || lpad((1 + (i * 104729) % 5000)::text, 5, '0'), 1 + i % 3, (100 + i % 900) / 10.0
FROM generate_series(1, :rows / 100 * 2) i;
INSERT INTO inspections (return_id, grade, inspected_at)
SELECT return_id, (ARRAY['A', 'A', 'B', 'scrap'])[1 + return_id % 4], announced_at + interval '30 seconds' FROM goods_returns;
-- section: keys
CREATE INDEX inspections_at ON inspections (inspected_at);
-- section: beat
INSERT INTO inspections (return_id, grade, inspected_at) VALUES (1 + extract(epoch FROM now())::integer % 20, 'A', now());
