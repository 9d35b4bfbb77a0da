-- Scans from the warehouses: late, doubled and out of order on the way in, once each in here.
-- section: schema
CREATE TABLE devices (
  device_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  serial text NOT NULL UNIQUE,
  warehouse text NOT NULL);
CREATE TABLE scans (
  scan_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  device_id integer NOT NULL REFERENCES devices,
  event_key text NOT NULL UNIQUE,
  kind text NOT NULL CHECK (kind IN ('pick', 'pack', 'load', 'receive')),
  quantity integer NOT NULL CHECK (quantity > 0),
  scanned_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  CHECK (received_at >= scanned_at));
-- section: seed
INSERT INTO devices (serial, warehouse) SELECT 'SCN-' || lpad(i::text, 4, '0'), 'WH-0' || 1 + i % 4 FROM generate_series(1, 60) i;
INSERT INTO scans (device_id, event_key, kind, quantity, scanned_at, received_at)
SELECT 1 + i % 60, 'seed-' || i, (ARRAY['pick', 'pack', 'load', 'receive'])[1 + i % 4], 1 + i % 9,
       :now - (:rows / 15 - i + 1) * interval '15 seconds' - (i % 20) * interval '1 second',
       :now - (:rows / 15 - i + 1) * interval '15 seconds'
FROM generate_series(1, :rows / 15) i;
-- section: keys
CREATE INDEX scans_received_at ON scans (received_at);
-- section: beat
INSERT INTO scans (device_id, event_key, kind, quantity, scanned_at, received_at)
SELECT n, 'live-' || n || '-' || extract(epoch FROM clock_timestamp())::text, 'pick', n, now() - interval '1 second', now()
FROM generate_series(1, 3) n;
