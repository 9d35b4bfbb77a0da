-- Parcels and what the carriers tell about them.
-- section: schema
CREATE TABLE carriers (
  carrier_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE);
CREATE TABLE parcels (
  parcel_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  carrier_id integer NOT NULL REFERENCES carriers,
  tracking_no text NOT NULL UNIQUE,
  weight_g integer NOT NULL CHECK (weight_g > 0));
CREATE TABLE tracking_events (
  tracking_event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parcel_id bigint NOT NULL REFERENCES parcels,
  status text NOT NULL CHECK (status IN ('labelled', 'collected', 'in-transit', 'delivered')),
  happened_at timestamptz NOT NULL);
-- section: seed
INSERT INTO carriers (name) VALUES ('Northline'), ('Parcelway'), ('Quickcargo');
INSERT INTO parcels (carrier_id, tracking_no, weight_g)
SELECT 1 + i % 3, 'TRK' || lpad(i::text, 9, '0'), 100 + (i * 37) % 25000 FROM generate_series(1, greatest(:rows / 60, 100)) i;
INSERT INTO tracking_events (parcel_id, status, happened_at)
SELECT 1 + (i - 1) % greatest(:rows / 60, 100), (ARRAY['labelled', 'collected', 'in-transit', 'delivered'])[1 + i % 4],
       :now - (:rows / 30 - i + 1) * interval '55 seconds' FROM generate_series(1, :rows / 30) i;
-- section: keys
CREATE INDEX tracking_events_parcel ON tracking_events (parcel_id);
CREATE INDEX tracking_events_at ON tracking_events (happened_at);
-- section: beat
INSERT INTO tracking_events (parcel_id, status, happened_at)
VALUES (1 + extract(epoch FROM now())::integer % 100, 'in-transit', now());
