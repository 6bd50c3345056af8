-- About 1 GiB of trades and bars as DuckDB keeps them: several tables, types and an index.
CREATE TABLE trades AS SELECT range AS id, ['AAPL','MSFT','NVDA','AMZN'][(1 + hash(range) % 4)::BIGINT] AS symbol,
    (hash(range, 1) % 4000000) / 10000.0 AS price, (hash(range, 2) % 500)::INTEGER AS quantity,
    TIMESTAMP '2020-01-01' + to_seconds(range * 3) AS done, md5(range::VARCHAR) AS tag FROM range(31000000);
CREATE TABLE bars AS SELECT range AS id, (hash(range, 3) % 1000000) / 100.0 AS open, (hash(range, 4) % 1000000) / 100.0 AS close,
    hash(range, 5) AS volume FROM range(15000000);
CREATE TABLE notes AS SELECT range AS id, repeat(md5(range::VARCHAR), 1 + (hash(range) % 6)::INTEGER) AS text FROM range(2600000);
