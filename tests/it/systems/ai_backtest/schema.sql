-- The look-alike's 37 tables. 29 are named by the project's own notes; the last eight are in their spirit.
PRAGMA page_size = 4096;
PRAGMA encoding = 'UTF-8';
PRAGMA application_id = 1095322708;
PRAGMA user_version = 37;

-- What agents and people made.
CREATE TABLE trading_agents (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, persona TEXT, risk_limit REAL NOT NULL, status TEXT NOT NULL,
    config TEXT, created_at TEXT NOT NULL, CHECK (status IN ('active', 'paused', 'retired')));
CREATE TABLE agent_knowledge (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES trading_agents (id) ON DELETE CASCADE,
    topic TEXT NOT NULL, insight TEXT NOT NULL, confidence REAL, embedding BLOB, learned_at TEXT NOT NULL);
CREATE TABLE agent_iterations (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES trading_agents (id), number INTEGER NOT NULL,
    prompt TEXT, outcome TEXT, score REAL, UNIQUE (agent_id, number));
CREATE TABLE agent_strategies (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES trading_agents (id), name TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1, code TEXT NOT NULL, parameters TEXT, UNIQUE (agent_id, name, version));
CREATE TABLE strategies (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT, script TEXT, created_at TEXT NOT NULL);
CREATE TABLE backtest_sets (
    id INTEGER PRIMARY KEY, label TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE backtests (
    id INTEGER PRIMARY KEY, set_id INTEGER REFERENCES backtest_sets (id), strategy_id INTEGER NOT NULL REFERENCES strategies (id),
    ticker TEXT NOT NULL, from_day TEXT NOT NULL, to_day TEXT NOT NULL, return_pct REAL, sharpe REAL, drawdown REAL);
CREATE TABLE trades (
    id INTEGER PRIMARY KEY, backtest_id INTEGER NOT NULL REFERENCES backtests (id) ON DELETE CASCADE, side TEXT NOT NULL,
    entered_at TEXT NOT NULL, left_at TEXT, entry REAL NOT NULL, exit REAL, pnl REAL);
CREATE TABLE executed_trades (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES trading_agents (id), ticker TEXT NOT NULL,
    side TEXT NOT NULL, quantity INTEGER NOT NULL, price REAL NOT NULL, pnl REAL, executed_at TEXT NOT NULL, note TEXT);
CREATE INDEX executed_trades_by_agent ON executed_trades (agent_id, executed_at);
CREATE TABLE trade_recommendations (
    id INTEGER PRIMARY KEY, agent_id INTEGER REFERENCES trading_agents (id), ticker TEXT NOT NULL, action TEXT NOT NULL,
    reasoning TEXT, confidence REAL, trade_id INTEGER REFERENCES executed_trades (id), made_at TEXT NOT NULL);
CREATE TABLE portfolio_state (
    id INTEGER PRIMARY KEY, agent_id INTEGER NOT NULL REFERENCES trading_agents (id), taken_at TEXT NOT NULL,
    cash REAL NOT NULL, equity REAL NOT NULL, positions TEXT NOT NULL);
CREATE TABLE risk_metrics (
    agent_id INTEGER NOT NULL REFERENCES trading_agents (id), day TEXT NOT NULL, value_at_risk REAL, exposure REAL,
    PRIMARY KEY (agent_id, day)) WITHOUT ROWID;
CREATE TABLE tradestation_orders (
    order_id TEXT PRIMARY KEY, trade_id INTEGER REFERENCES executed_trades (id), status TEXT NOT NULL, raw TEXT NOT NULL);
CREATE TABLE agent_activity_log (
    id INTEGER PRIMARY KEY, agent_id INTEGER REFERENCES trading_agents (id), at TEXT NOT NULL, kind TEXT NOT NULL,
    message TEXT, details ANY);
CREATE INDEX agent_activity_log_by_time ON agent_activity_log (at DESC) WHERE kind <> 'tick';
CREATE TABLE scan_results (
    id INTEGER PRIMARY KEY, scan TEXT NOT NULL, ticker TEXT NOT NULL, score REAL, found_at TEXT NOT NULL);
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY, title TEXT, messages TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE claude_analyses (
    id INTEGER PRIMARY KEY, conversation_id INTEGER REFERENCES conversations (id), ticker TEXT, analysis TEXT NOT NULL,
    tokens INTEGER, made_at TEXT NOT NULL);
CREATE TABLE chart_thumbnails (
    id INTEGER PRIMARY KEY, analysis_id INTEGER REFERENCES claude_analyses (id), mime TEXT NOT NULL, image BLOB,
    width INTEGER, height INTEGER);
CREATE TABLE strategy_recommendations (
    id INTEGER PRIMARY KEY, strategy_id INTEGER REFERENCES strategies (id), ticker TEXT NOT NULL, reason TEXT, rank INTEGER);
CREATE TABLE batch_backtest_results (
    id INTEGER PRIMARY KEY, set_id INTEGER NOT NULL REFERENCES backtest_sets (id), ticker TEXT NOT NULL, result TEXT NOT NULL);
CREATE TABLE batch_strategy_performance (
    id INTEGER PRIMARY KEY, set_id INTEGER NOT NULL REFERENCES backtest_sets (id),
    strategy_id INTEGER NOT NULL REFERENCES strategies (id), wins INTEGER, losses INTEGER, total_pnl REAL,
    win_rate REAL GENERATED ALWAYS AS (CAST(wins AS REAL) / (wins + losses)) STORED);

-- What scripts fetch anew.
CREATE TABLE universe (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT);
CREATE TABLE universe_stocks (
    universe_id INTEGER NOT NULL REFERENCES universe (id), ticker TEXT NOT NULL, company TEXT, added_at TEXT NOT NULL,
    PRIMARY KEY (universe_id, ticker));
CREATE TABLE ohlcv_data (
    id INTEGER PRIMARY KEY, ticker TEXT NOT NULL, timestamp TEXT NOT NULL, timeframe TEXT NOT NULL, open REAL NOT NULL,
    high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL, volume INTEGER NOT NULL, vwap REAL, trades INTEGER,
    source TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT, UNIQUE (ticker, timeframe, timestamp));
CREATE INDEX ohlcv_data_by_time ON ohlcv_data (timestamp);
CREATE TABLE daily_metrics (
    ticker TEXT NOT NULL, day TEXT NOT NULL, atr REAL, rsi REAL, relative_volume REAL, PRIMARY KEY (ticker, day));

-- What can be fetched again in part.
CREATE TABLE earnings_events (
    id INTEGER PRIMARY KEY, ticker TEXT NOT NULL, day TEXT NOT NULL, estimate REAL, actual REAL, UNIQUE (ticker, day));
CREATE TABLE support_resistance_levels (
    id INTEGER PRIMARY KEY, ticker TEXT NOT NULL, price REAL NOT NULL, strength INTEGER, kind TEXT);
CREATE TABLE news_events (
    id INTEGER PRIMARY KEY, ticker TEXT, headline TEXT NOT NULL, url TEXT, sentiment REAL, published_at TEXT NOT NULL);
CREATE TABLE market_regime (day TEXT PRIMARY KEY, regime TEXT NOT NULL, vix REAL);

-- In their spirit: what such a project grows besides.
CREATE TABLE options_contracts (
    symbol TEXT PRIMARY KEY, underlying TEXT NOT NULL, expiry TEXT NOT NULL, strike REAL NOT NULL, kind TEXT NOT NULL);
CREATE TABLE options_bars (
    symbol TEXT NOT NULL REFERENCES options_contracts (symbol), timestamp TEXT NOT NULL, close REAL, open_interest INTEGER,
    PRIMARY KEY (symbol, timestamp));
CREATE TABLE watchlists (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE watchlist_stocks (
    watchlist_id INTEGER NOT NULL REFERENCES watchlists (id), ticker TEXT NOT NULL, PRIMARY KEY (watchlist_id, ticker));
CREATE TABLE price_alerts (
    id INTEGER PRIMARY KEY, ticker TEXT NOT NULL, above REAL, below REAL, seen_at TEXT);
CREATE TABLE scan_presets (id INTEGER PRIMARY KEY, name TEXT NOT NULL, filter TEXT NOT NULL);
CREATE TABLE app_settings (key TEXT PRIMARY KEY, value ANY);
CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL);

CREATE VIEW open_recommendations AS
    SELECT r.id, a.name AS agent, r.ticker, r.action FROM trade_recommendations AS r
    JOIN trading_agents AS a ON a.id = r.agent_id WHERE r.trade_id IS NULL;
CREATE TRIGGER executed_trades_are_logged AFTER INSERT ON executed_trades BEGIN
    INSERT INTO agent_activity_log (agent_id, at, kind, message, details)
    VALUES (new.agent_id, new.executed_at, 'trade', new.side || ' ' || new.ticker, new.quantity);
END;
