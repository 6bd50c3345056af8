-- A look-alike of rrr's data: tables and rows of a bot that trades around the clock. Always the same.
PRAGMA journal_mode = WAL;
PRAGMA foreign_keys = ON;
CREATE TABLE positions (
    id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, side TEXT NOT NULL CHECK (side IN ('long', 'short')),
    quantity REAL NOT NULL, entry_price REAL NOT NULL, leverage INTEGER NOT NULL DEFAULT 1,
    status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed', 'liquidated')), changed_at TEXT NOT NULL
);
CREATE INDEX positions_open ON positions (symbol) WHERE status = 'open';
CREATE TABLE trades (
    id INTEGER PRIMARY KEY, position_id INTEGER NOT NULL REFERENCES positions (id), side TEXT NOT NULL,
    quantity REAL NOT NULL, price REAL NOT NULL, fee REAL NOT NULL, profit REAL, executed_at TEXT NOT NULL
);
CREATE INDEX trades_by_position ON trades (position_id);
CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, position_id INTEGER NOT NULL REFERENCES positions (id),
    action TEXT NOT NULL CHECK (action IN ('opened', 'closed', 'reduced', 'liquidated')), old_values TEXT, new_values TEXT
);
CREATE TABLE account_snapshots (at TEXT PRIMARY KEY, equity REAL NOT NULL, margin REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE candles (
    symbol TEXT, opened_at TEXT, open REAL, high REAL, low REAL, close REAL, volume REAL, PRIMARY KEY (symbol, opened_at)
) WITHOUT ROWID;
CREATE TABLE alerts (id INTEGER PRIMARY KEY, at TEXT, text TEXT);
-- Where the scripts before it noted each backup.
CREATE TABLE backup_metadata (
    id INTEGER PRIMARY KEY, path TEXT, at TEXT, trade_count INTEGER, position_count INTEGER, size_bytes INTEGER, verified BOOLEAN
);

CREATE TRIGGER position_opened AFTER INSERT ON positions BEGIN
    INSERT INTO audit_log (at, position_id, action, new_values)
    VALUES (NEW.changed_at, NEW.id, 'opened', json_object('quantity', NEW.quantity, 'price', NEW.entry_price));
END;
CREATE TRIGGER position_changed AFTER UPDATE OF quantity, status ON positions BEGIN
    INSERT INTO audit_log (at, position_id, action, old_values, new_values)
    VALUES (
        NEW.changed_at, NEW.id, CASE NEW.status WHEN 'open' THEN 'reduced' ELSE NEW.status END,
        json_object('quantity', OLD.quantity, 'status', OLD.status), json_object('quantity', NEW.quantity, 'status', NEW.status)
    );
END;

BEGIN;
INSERT INTO settings VALUES ('symbols', '["BTC", "ETH", "SOL"]'), ('max_leverage', 5), ('stop_loss', 0.02), ('größe', 'klein');
-- Six hundred positions, of which the last twelve are open; every seventh was reduced first, every fiftieth liquidated.
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
INSERT INTO positions (id, symbol, side, quantity, entry_price, leverage, changed_at)
SELECT i, CASE i % 3 WHEN 0 THEN 'BTC' WHEN 1 THEN 'ETH' ELSE 'SOL' END, CASE i % 2 WHEN 0 THEN 'long' ELSE 'short' END,
       1 + i % 9 / 4.0, 100 + i * 7 % 50, 1 + i % 5, datetime('2025-12-01', i || ' hours') FROM n;
INSERT INTO trades (position_id, side, quantity, price, fee, executed_at)
SELECT id, side, quantity, entry_price, quantity * entry_price / 2000, changed_at FROM positions;
UPDATE positions SET quantity = quantity / 2, changed_at = datetime(changed_at, '10 minutes') WHERE id % 7 = 0;
INSERT INTO trades (position_id, side, quantity, price, fee, profit, executed_at)
SELECT id, 'reduce', quantity, entry_price + 1, 0.125, quantity - 0.125, changed_at FROM positions WHERE id % 7 = 0;
UPDATE positions
SET status = CASE WHEN id % 50 = 0 THEN 'liquidated' ELSE 'closed' END, quantity = 0, changed_at = datetime(changed_at, '40 minutes')
WHERE id <= 588;
INSERT INTO trades (position_id, side, quantity, price, fee, profit, executed_at)
SELECT id, 'close', 1, entry_price + id % 11 - 4, 0.25, id % 11 - 4.75, changed_at FROM positions WHERE status <> 'open';
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 839)
INSERT INTO account_snapshots SELECT datetime('2025-12-01', i || ' hours'), 10000 + i * 17 % 400 / 4.0, i % 80 * 12.5 FROM n;
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2519)
INSERT INTO candles
SELECT CASE i % 3 WHEN 0 THEN 'BTC' WHEN 1 THEN 'ETH' ELSE 'SOL' END, datetime('2025-12-01', (i / 3) || ' hours'), 100 + i % 50, 104 + i % 50,
       97 + i % 50, 101 + i % 50, i * 37 % 9000 FROM n;
INSERT INTO alerts (at, text) VALUES ('2025-12-20 04:00:00', 'margin ≤ 20 %'), ('2025-12-24 10:00:00', 'backup failed');
INSERT INTO backup_metadata (path, at, trade_count, position_count, size_bytes, verified)
SELECT 'backups/trading_' || at || '.db.gz', at, 1250, 600, 40960, 1 FROM account_snapshots WHERE at >= '2026-01-04';
COMMIT;
