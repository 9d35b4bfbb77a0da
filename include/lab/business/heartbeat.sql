-- A heartbeat beside a product's own tables: it tells how much a restore would lose even when nothing else was written.
-- section: schema
CREATE TABLE recovery_heartbeat (
  beat_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL CHECK (source <> ''),
  beat_at timestamptz NOT NULL);
-- section: seed
INSERT INTO recovery_heartbeat (source, beat_at)
SELECT 'lab', :now - (601 - i) * interval '1 second' FROM generate_series(1, 600) i;
-- section: keys
CREATE INDEX recovery_heartbeat_at ON recovery_heartbeat (beat_at);
-- section: beat
INSERT INTO recovery_heartbeat (source, beat_at) VALUES ('lab', now());
