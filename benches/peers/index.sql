-- About 1 GiB in one table, with an index in random order: its integrity pass takes longer than all else.
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -400000;
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO accounts SELECT i, 'account ' || i FROM n;
CREATE TABLE events (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts (id), token TEXT NOT NULL, kind TEXT NOT NULL, amount REAL, at TEXT NOT NULL, note TEXT);
WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 7299999)
INSERT INTO events
SELECT i, 1 + abs(random() % 2000), lower(hex(randomblob(12))), CASE random() & 3 WHEN 0 THEN 'click' WHEN 1 THEN 'order' WHEN 2 THEN 'view' ELSE 'pay' END, abs(random() % 90000) / 100.0, datetime('2018-01-01', i || ' seconds'), 'event of ' || (i % 37)
FROM n;
CREATE INDEX events_token ON events (token);
