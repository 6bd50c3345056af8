//! Makes the look-alike of ai-backtest's data: one database and the folder of generated scripts. Always the same bytes.
//!
//! How its notes are read: "37 tables, 175,995 rows: `ohlcv_data` 160,066 five-minute bars and 15,929 daily bars". The two
//! sums of bars add up to the total to the row, so the total is that of the market data: `ohlcv_data` holds both, told
//! apart by `timeframe`, and the other tables are not in the count. So the data is made in two layers. [`market_data`]
//! is the sheet to the letter: 37 tables that hold 175,995 rows in all. [`own_rows`] adds what the sheet does not
//! count, and what a backup is for: the universe, agents, trades, conversations, thumbnails.

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, TimeDelta, Weekday};
use rusqlite::{Connection, params};
use std::{fmt::Write as _, fs, path::Path};

pub(super) const TABLES: usize = 37;
pub(super) const FIVE_MINUTE_BARS: usize = 160_066;
pub(super) const DAILY_BARS: usize = 15_929;
pub(super) const SCRIPTS: usize = 47;

/// The universe "Tech Sector": five-minute bars of the first 62, daily bars of the first 64.
const STOCKS: [&str; 65] = [
    "AAPL", "MSFT", "NVDA", "GOOGL", "AMZN", "META", "AVGO", "TSLA", "ORCL", "CRM", "ADBE", "AMD", "CSCO",
    "ACN", "INTC", "IBM", "QCOM", "TXN", "INTU", "NOW", "AMAT", "MU", "LRCX", "ADI", "KLAC", "SNPS", "CDNS",
    "PANW", "CRWD", "FTNT", "MRVL", "NXPI", "MCHP", "ON", "SWKS", "QRVO", "TER", "ENTG", "MPWR", "DELL",
    "HPQ", "HPE", "NTAP", "WDC", "STX", "SMCI", "ANET", "FFIV", "JNPR", "SNOW", "DDOG", "NET", "ZS", "OKTA",
    "MDB", "TEAM", "WDAY", "SHOP", "SQ", "PYPL", "UBER", "SAP", "SONY", "ASML", "TSM",
];

/// Makes the whole look-alike at a place, in write-ahead mode.
pub(super) fn database(path: &Path) -> Connection {
    let mut connection = market_data(path);
    own_rows(&mut connection);
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "normal").unwrap();
    connection
}

/// The 37 tables with the bars alone: what the sheet counts.
pub(super) fn market_data(path: &Path) -> Connection {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut connection = Connection::open(path).unwrap();
    // Nothing to keep if this process dies.
    connection.execute_batch("PRAGMA synchronous = off; PRAGMA journal_mode = memory;").unwrap();
    connection.execute_batch(include_str!("schema.sql")).unwrap();
    let month =
        days(NaiveDate::from_ymd_opt(2025, 12, 2).unwrap(), NaiveDate::from_ymd_opt(2026, 1, 2).unwrap());
    let year =
        days(NaiveDate::from_ymd_opt(2025, 1, 2).unwrap(), NaiveDate::from_ymd_opt(2026, 1, 2).unwrap());
    // Extended hours, 4:00 to 20:00 in New York: 192 bars a day, of which thinly traded ones are missing.
    let slots: Vec<NaiveDateTime> = month
        .iter()
        .flat_map(|day| (0..192).map(|slot| day.and_hms_opt(9, 0, 0).unwrap() + TimeDelta::minutes(slot * 5)))
        .collect();
    let closes: Vec<NaiveDateTime> = year.iter().map(|day| day.and_hms_opt(21, 0, 0).unwrap()).collect();
    let transaction = connection.transaction().unwrap();
    bars(&transaction, "5min", &STOCKS[..62], &slots, FIVE_MINUTE_BARS);
    bars(&transaction, "1day", &STOCKS[..64], &closes, DAILY_BARS);
    transaction.commit().unwrap();
    connection
}

/// The project's own rows.
pub(super) fn own_rows(connection: &mut Connection) {
    let transaction = connection.transaction().unwrap();
    transaction.execute_batch(include_str!("own.sql")).unwrap();
    for stock in STOCKS {
        let row = params![stock, format!("{stock} Inc."), "2025-11-30 18:00:00"];
        transaction.execute("INSERT INTO universe_stocks VALUES (1, ?1, ?2, ?3)", row).unwrap();
    }
    let mut random = Random(7);
    for id in 1..=220 {
        // Most as a PNG of 8 to 24 KiB, so that they spill over many pages; one missing, one of no bytes.
        let image = match id {
            13 => None,
            14 => Some(Vec::new()),
            _ => {
                let size = 8_192 + random.below(16_384);
                Some(random.bytes(size))
            }
        };
        let row = params![id, 1 + id % 150, "image/png", image, 320, 200];
        transaction.execute("INSERT INTO chart_thumbnails VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row).unwrap();
    }
    transaction.commit().unwrap();
}

/// The folder of scripts that agents wrote.
pub(super) fn scripts(folder: &Path) {
    let mut random = Random(47);
    for n in 0..SCRIPTS {
        let name = match n {
            0 => "größte-gewinner.ts".to_owned(),
            1 => "archiv/2025/開場レンジ.py".to_owned(),
            _ if n % 6 == 0 => format!("archiv/opening-range-{n:02}.py"),
            _ => format!("backtest-strategy-{n:02}.ts"),
        };
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut text = format!("// Script {n}, written on request.\n");
        for line in 0..20 + random.below(200) {
            writeln!(text, "const v{line} = {};", random.next()).unwrap();
        }
        fs::write(path, text).unwrap();
    }
}

/// The working days from one day to another, both included.
fn days(first: NaiveDate, last: NaiveDate) -> Vec<NaiveDate> {
    let all = (0..).map(|n| first + Days::new(n)).take_while(|day| *day <= last);
    all.filter(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)).collect()
}

/// Inserts exactly `total` bars, spread over tickers and times, by time as a feed brings them.
fn bars(connection: &Connection, timeframe: &str, tickers: &[&str], times: &[NaiveDateTime], total: usize) {
    let mut insert = connection
        .prepare(
            "INSERT INTO ohlcv_data (ticker, timestamp, timeframe, open, high, low, close, volume, vwap, trades, source, \
             created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'polygon', ?11, ?11)",
        )
        .unwrap();
    let mut random = Random(total as u64);
    let mut prices: Vec<u64> = (0..tickers.len()).map(|n| 5_000 + 900 * n as u64).collect();
    for (n, time) in times.iter().enumerate() {
        let at = time.format("%Y-%m-%d %H:%M:%S").to_string();
        let fetched = (*time + TimeDelta::hours(30)).format("%Y-%m-%d %H:%M:%S").to_string();
        for (t, ticker) in tickers.iter().enumerate() {
            // This ticker's share, as evenly over the times as whole numbers go; the last time is always among them.
            let share = total / tickers.len() + usize::from(t < total % tickers.len());
            if (n + 1) * share / times.len() == n * share / times.len() {
                continue;
            }
            let open = prices[t];
            let close = (open + random.below(200) as u64).saturating_sub(100).max(100);
            let high = open.max(close) + random.below(60) as u64;
            let low = open.min(close) - random.below(60) as u64;
            prices[t] = close;
            let dollars = |cents: u64| f64::from(u32::try_from(cents).unwrap()) / 100.0;
            let volume = i64::try_from(random.below(2_000_000)).unwrap();
            let vwap = (volume % 50 != 0).then(|| dollars(u64::midpoint(high, low)));
            let trades = i64::try_from(random.below(9_000)).unwrap();
            insert
                .execute(params![
                    ticker,
                    at,
                    timeframe,
                    dollars(open),
                    dollars(high),
                    dollars(low),
                    dollars(close),
                    volume,
                    vwap,
                    trades,
                    fetched
                ])
                .unwrap();
        }
    }
}

/// Splitmix64: small, and the same everywhere and for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u32) -> usize {
        usize::try_from(self.next() % u64::from(limit)).unwrap()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.next().to_le_bytes()).take(count.div_ceil(8));
        words.flatten().take(count).collect()
    }
}
