-- Invoices and the shipments they charge for: an invoice's lines add up to it, and a shipment is charged once.
-- section: schema
CREATE TABLE shipments (
  shipment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id bigint NOT NULL,
  charge numeric(12, 2) NOT NULL CHECK (charge > 0),
  shipped_at timestamptz NOT NULL);
CREATE TABLE invoices (
  invoice_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  invoice_no text NOT NULL UNIQUE,
  tenant text NOT NULL,
  total numeric(12, 2) NOT NULL CHECK (total >= 0),
  issued_at timestamptz NOT NULL);
CREATE TABLE invoice_lines (
  invoice_line_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  invoice_id bigint NOT NULL REFERENCES invoices,
  shipment_id bigint NOT NULL UNIQUE REFERENCES shipments,
  amount numeric(12, 2) NOT NULL CHECK (amount > 0));
-- section: seed
INSERT INTO shipments (order_id, charge, shipped_at)
SELECT i, (500 + i % 9500) / 100.0, :now - (:rows / 25 - i + 1) * interval '50 seconds' FROM generate_series(1, :rows / 25) i;
INSERT INTO invoices (invoice_no, tenant, total, issued_at)
SELECT 'INV-' || lpad(i::text, 8, '0'), (ARRAY['corner-shops', 'harbour-retail', 'medisure'])[1 + i % 3],
       (SELECT sum(charge) FROM shipments WHERE shipment_id IN (2 * i - 1, 2 * i)),
       :now - (:rows / 50 - i + 1) * interval '100 seconds' FROM generate_series(1, :rows / 50) i;
INSERT INTO invoice_lines (invoice_id, shipment_id, amount)
SELECT (shipment_id + 1) / 2, shipment_id, charge FROM shipments WHERE shipment_id <= :rows / 50 * 2;
-- section: keys
CREATE INDEX invoice_lines_invoice ON invoice_lines (invoice_id);
CREATE INDEX invoices_issued_at ON invoices (issued_at);
-- section: beat
WITH shipped AS (
  INSERT INTO shipments (order_id, charge, shipped_at) VALUES (extract(epoch FROM now())::bigint, 12.50, now())
  RETURNING shipment_id, charge
), issued AS (
  INSERT INTO invoices (invoice_no, tenant, total, issued_at)
  SELECT 'LIVE-' || extract(epoch FROM clock_timestamp())::text, 'corner-shops', charge, now() FROM shipped RETURNING invoice_id
)
INSERT INTO invoice_lines (invoice_id, shipment_id, amount) SELECT invoice_id, shipment_id, charge FROM issued, shipped;
