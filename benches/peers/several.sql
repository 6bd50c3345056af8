-- About 1 GiB in twelve tables of like size: prices by symbol and hour, and trades with an index for each foreign key.
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -200000;
CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, opened TEXT NOT NULL);
CREATE TABLE symbols (id INTEGER PRIMARY KEY, ticker TEXT NOT NULL UNIQUE, sector TEXT NOT NULL);
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO accounts SELECT i, printf('account %d of %s', i, lower(hex(randomblob(4)))), date('2015-01-01', i || ' days') FROM n;
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO symbols SELECT i, upper(hex(randomblob(2))) || i, 'sector ' || (i % 11) FROM n;
