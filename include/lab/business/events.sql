-- Numbered events of one business object each, as trackers, portals and feeds record them. :rows events.
-- section: schema
CREATE TABLE subjects (
  subject_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  reference text NOT NULL UNIQUE);
CREATE TABLE events (
  event_id bigint GENERATED ALWAYS AS IDENTITY,
  subject_id integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('created', 'changed', 'confirmed')),
  happened_at timestamptz NOT NULL);
-- section: seed
INSERT INTO subjects (tenant, reference)
SELECT (ARRAY['corner-shops', 'campus-supply', 'harbour-retail'])[1 + i % 3], 'REF-' || lpad(i::text, 7, '0')
FROM generate_series(1, greatest(:rows / 40, 10)) i;
INSERT INTO events (subject_id, kind, happened_at)
SELECT 1 + i % greatest(:rows / 40, 10), (ARRAY['created', 'changed', 'confirmed'])[1 + i % 3], :now - (:rows - i) * interval '20 seconds'
FROM generate_series(1, :rows) i;
-- section: keys
ALTER TABLE events ADD PRIMARY KEY (event_id);
ALTER TABLE events ADD FOREIGN KEY (subject_id) REFERENCES subjects;
CREATE INDEX events_happened_at ON events (happened_at);
-- section: beat
INSERT INTO events (subject_id, kind, happened_at) VALUES (1, 'changed', now());
