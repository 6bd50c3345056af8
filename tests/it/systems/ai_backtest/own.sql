-- The project's own rows, beside the market data: few, and the ones that nothing makes again.
INSERT INTO schema_migrations VALUES
    (1, 'create', '2025-01-02 10:00:00'), (36, 'agents', '2025-09-01 08:30:00'), (37, 'options', '2025-11-20 19:45:00');
INSERT INTO app_settings VALUES ('theme', 'dark'), ('refresh_seconds', 30), ('slippage', 0.0005), ('logo', x'89504e470d0a1a0a'),
    ('last_sync', NULL), ('größte Position', '25 %'), ('空', '');

WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO trading_agents SELECT i,
    CASE i WHEN 1 THEN 'Zoë — momentum' WHEN 2 THEN '逆張り (contrarian)' WHEN 3 THEN 'Ночной скальпер' WHEN 4 THEN 'earnings 🚀'
        ELSE printf('agent-%02d', i) END,
    CASE WHEN i % 3 = 0 THEN NULL ELSE 'patient, quick to cut a loss' END, i * 250.5,
    CASE i % 4 WHEN 0 THEN 'retired' WHEN 3 THEN 'paused' ELSE 'active' END,
    printf('{"lookback": %d, "stop": %.2f}', 5 + i, i / 10.0), printf('2025-09-%02d 14:30:00', i) FROM n;
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO agent_knowledge SELECT i, 1 + i % 12, printf('topic %d', i % 17), printf('seen %d times: gaps at the open fill by noon', i * 7 % 50),
    CASE WHEN i % 5 THEN (i % 100) / 100.0 END, CASE WHEN i % 9 = 0 THEN zeroblob(i % 64) END,
    datetime('2025-09-15 00:00:00', printf('+%d hours', i * 3)) FROM n;
WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 119)
INSERT INTO agent_iterations SELECT i + 1, 1 + i % 12, 1 + i / 12, 'improve the exit', CASE WHEN i % 4 THEN 'kept' END, i / 7.0 FROM n;
WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 35)
INSERT INTO agent_strategies SELECT i + 1, 1 + i % 12, printf('strategy-%d', i / 12), 1 + i % 2,
    printf('export const entry = (bar) => bar.close > bar.open * %.3f;', 1 + i / 1000.0), NULL FROM n;
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20)
INSERT INTO strategies SELECT i, printf('opening range %d min', i * 5), 'Ausbruch über die Spanne', printf('orb-%d.ts', i), '2025-10-01 09:30:00' FROM n;
INSERT INTO backtest_sets VALUES (1, 'tech, one month', '2025-12-01 12:00:00'), (2, 'tech, größer', '2025-12-15 12:00:00');
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO backtests SELECT i, 1 + i % 2, 1 + i % 20, printf('T%03d', i % 65), '2025-12-01', '2025-12-31', (i % 41 - 20) / 3.0,
    CASE WHEN i % 11 THEN i / 97.0 END, -(i % 13) / 10.0 FROM n;
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO trades SELECT i, 1 + i % 300, CASE i % 2 WHEN 0 THEN 'long' ELSE 'short' END, datetime('2025-12-01 14:30:00', printf('+%d minutes', i * 5)),
    CASE WHEN i % 50 THEN datetime('2025-12-01 14:30:00', printf('+%d minutes', i * 5 + 25)) END, 100 + i / 8.0,
    CASE WHEN i % 50 THEN 100 + i / 8.0 + (i % 9 - 4) END, CASE WHEN i % 50 THEN (i % 9 - 4) * 1.0 END FROM n;
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO executed_trades SELECT i, 1 + i % 12, CASE i % 3 WHEN 0 THEN 'NVDA' WHEN 1 THEN 'AAPL' ELSE 'MSFT' END,
    CASE i % 2 WHEN 0 THEN 'buy' ELSE 'sell' END, 1 + i % 90, 150 + i / 16.0, CASE WHEN i % 2 THEN (i % 31 - 15) / 4.0 END,
    datetime('2025-12-01 14:30:00', printf('+%d minutes', i * 37)), CASE WHEN i % 10 = 0 THEN 'Teilausführung ½' END FROM n;
INSERT INTO trade_recommendations SELECT id, agent_id, ticker, side, 'volume above its mean', 0.5 + (id % 50) / 100.0,
    CASE WHEN id % 4 THEN id END, executed_at FROM executed_trades WHERE id <= 200;
INSERT INTO portfolio_state SELECT id, agent_id, executed_at, 10000 - id, 10000 + (id % 200), printf('{"%s": %d}', ticker, quantity)
    FROM executed_trades WHERE id % 2;
WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 371)
INSERT INTO risk_metrics SELECT 1 + i % 12, date('2025-12-01', printf('+%d days', i / 12)), i / 3.0, CASE WHEN i % 6 THEN i / 400.0 END FROM n;
INSERT INTO tradestation_orders SELECT printf('TS-%08d', id * 7919 % 100000000), id, 'filled',
    printf('{"symbol": "%s", "filled": %d}', ticker, quantity) FROM executed_trades WHERE id % 5 = 0;
INSERT INTO scan_results SELECT id, 'gap and go', ticker, return_pct, to_day FROM backtests WHERE id % 2;
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40)
INSERT INTO conversations SELECT i, CASE WHEN i % 8 THEN printf('Pourquoi ce trade n° %d ?', i) END,
    '[{"role": "user", "text": "' || replace(printf('%.*c', 300 + i * 40, 'x'), 'x', 'ab é ') || '"}]', '2025-12-20 20:00:00' FROM n;
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 150)
INSERT INTO claude_analyses SELECT i, 1 + i % 40, 'AMD', replace(printf('%.*c', 100 + i, 'x'), 'x', 'support at 180 → '), i * 31, '2025-12-22 21:05:00' FROM n;
INSERT INTO strategy_recommendations SELECT id, id, 'CRM', 'trend, über 200 Tage', id % 5 FROM strategies;
INSERT INTO batch_backtest_results SELECT id, set_id, ticker, printf('{"return": %.4f}', return_pct) FROM backtests;
INSERT INTO batch_strategy_performance (id, set_id, strategy_id, wins, losses, total_pnl)
    SELECT id, 1 + id % 2, id, id * 3, id + 1, id * 12.5 FROM strategies;

INSERT INTO universe VALUES (1, 'Tech Sector', 'the 65 largest');
INSERT INTO daily_metrics SELECT ticker, substr(timestamp, 1, 10), high - low, (id % 100) * 1.0, NULL
    FROM ohlcv_data WHERE timeframe = '1day' AND timestamp >= '2025-12-22';
INSERT INTO earnings_events (ticker, day, estimate) SELECT DISTINCT ticker, '2026-01-28', 1.25 FROM ohlcv_data WHERE timeframe = '1day';
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 130)
INSERT INTO support_resistance_levels SELECT i, printf('T%03d', i % 65), 90 + i / 4.0, i % 5, CASE i % 2 WHEN 0 THEN 'support' ELSE 'resistance' END FROM n;
INSERT INTO news_events VALUES
    (1, 'SAP', 'Quartalszahlen übertreffen Erwartungen', 'https://news.example.org/1', 0.7, '2025-12-19 06:00:00'),
    (2, 'SONY', 'ソニー、新しい画像センサーを発表', NULL, 0.4, '2025-12-18 02:00:00'),
    (3, NULL, 'Fed holds rates', 'https://news.example.org/3', NULL, '2025-12-17 19:00:00');
INSERT INTO market_regime SELECT DISTINCT substr(timestamp, 1, 10), 'calm', 14.5 FROM ohlcv_data WHERE timeframe = '1day' AND ticker = 'AAPL';
INSERT INTO watchlists VALUES (1, 'Favoriten'), (2, '注目');
INSERT INTO watchlist_stocks VALUES (1, 'AAPL'), (1, 'SAP'), (2, 'SONY');
INSERT INTO price_alerts VALUES (1, 'AAPL', 300.0, NULL, NULL), (2, 'NVDA', NULL, 120.0, '2025-12-30 15:00:00');
INSERT INTO scan_presets VALUES (1, 'gap', 'gap > 3% and volume > 1e6');
