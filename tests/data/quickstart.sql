-- The database that policies/quickstart.yaml backs up. After a change here, make it anew:
--     rm policies/quickstart.db && sqlite3 policies/quickstart.db < tests/data/quickstart.sql
-- tests/it/examples.rs compares the two.
PRAGMA page_size = 4096;
PRAGMA user_version = 3;

CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers (id),
    placed TEXT NOT NULL,
    cents INTEGER NOT NULL CHECK (cents > 0)
);
CREATE INDEX orders_by_customer ON orders (customer);
CREATE TABLE price_cache (
    sku TEXT PRIMARY KEY,
    cents INTEGER NOT NULL,
    picture BLOB
) WITHOUT ROWID;

INSERT INTO customers (id, name, email) VALUES
    (1, 'Zoë Brontë', 'zoe@example.org'),
    (2, 'Øyvind Ås', 'oyvind@example.org'),
    (3, '山田 花子', 'hanako@example.org');
INSERT INTO orders (id, customer, placed, cents) VALUES
    (1, 1, '2026-01-04T09:12:00Z', 1999),
    (2, 3, '2026-01-04T17:40:31Z', 45000),
    (3, 1, '2026-01-05T08:03:59Z', 350);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO price_cache (sku, cents, picture)
SELECT printf('sku-%04d', i), i * 25, zeroblob(64) FROM n;
