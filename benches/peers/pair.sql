-- One pair of tables of `several.sql`; @N@ is its number.
CREATE TABLE bars_@N@ (symbol INTEGER NOT NULL REFERENCES symbols (id), at TEXT NOT NULL, open REAL, high REAL, low REAL, close REAL, volume INTEGER, PRIMARY KEY (symbol, at)) WITHOUT ROWID;
WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 839999)
INSERT INTO bars_@N@
SELECT 1 + i / 2100, datetime('2018-01-01', (i % 2100) || ' hours'), p, p + abs(random() % 300) / 100.0, p - abs(random() % 300) / 100.0, p + (random() % 200) / 100.0, abs(random() % 5000000)
FROM (SELECT i, 20 + (i / 2100) % 180 + abs(random() % 10000) / 100.0 AS p FROM n);
CREATE TABLE trades_@N@ (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts (id), symbol INTEGER NOT NULL REFERENCES symbols (id), side TEXT NOT NULL CHECK (side IN ('buy', 'sell')), quantity INTEGER NOT NULL, price REAL NOT NULL, at TEXT NOT NULL, note TEXT);
WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 779999)
INSERT INTO trades_@N@
SELECT i, 1 + abs(random() % 2000), 1 + abs(random() % 500), CASE random() & 1 WHEN 0 THEN 'buy' ELSE 'sell' END, 1 + abs(random() % 900), 10 + abs(random() % 90000) / 100.0, datetime('2018-01-01', i || ' minutes'), CASE WHEN i % 3 = 0 THEN 'signal ' || hex(randomblob(12)) || ' of agent ' || (i % 37) END
FROM n;
CREATE INDEX trades_@N@_at ON trades_@N@ (at);
CREATE INDEX trades_@N@_account ON trades_@N@ (account);
CREATE INDEX trades_@N@_symbol ON trades_@N@ (symbol, at);
