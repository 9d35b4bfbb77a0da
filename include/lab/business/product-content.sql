-- Texts and pictures of products, in each language once.
-- section: schema
CREATE TABLE products (
  product_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sku text NOT NULL UNIQUE,
  gtin text NOT NULL CHECK (length(gtin) = 13));
CREATE TABLE texts (
  text_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  product_id integer NOT NULL REFERENCES products,
  language char(2) NOT NULL,
  title text NOT NULL CHECK (title <> ''),
  edited_at timestamptz NOT NULL,
  UNIQUE (product_id, language));
CREATE TABLE edits (
  edit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  text_id integer NOT NULL REFERENCES texts,
  editor text NOT NULL,
  edited_at timestamptz NOT NULL);
-- section: seed
INSERT INTO products (sku, gtin)
SELECT 'SKU-' || lpad(i::text, 5, '0'), (5000000000000 + i)::text FROM generate_series(1, greatest(:rows / 200, 50)) i;
INSERT INTO texts (product_id, language, title, edited_at)
SELECT product_id, language, sku || ' (' || language || ')', :now - product_id * interval '1 hour'
FROM products, unnest(ARRAY['de', 'nl', 'da', 'en']) language;
INSERT INTO edits (text_id, editor, edited_at) SELECT text_id, 'import', edited_at FROM texts;
-- section: keys
CREATE INDEX edits_at ON edits (edited_at);
-- section: beat
INSERT INTO edits (text_id, editor, edited_at) VALUES (1 + extract(epoch FROM now())::integer % 200, 'editor', now());
