//! The longest time between two fires, from which a job's `rpo` follows.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    Expression,
    zone::{Instants, bounded, wall},
};

/// Five years hold a leap day and every clock change of a zone.
const DAYS: u32 = 5 * 366;
/// Two leap days may lie eight years apart.
const DAYS_AT_MOST: u32 = 17 * 366;

/// The longest time between consecutive fires, as far as seen.
struct Longest {
    last: Option<DateTime<Utc>>,
    gap: Option<TimeDelta>,
}

impl Longest {
    fn see(&mut self, at: DateTime<Utc>) {
        if let Some(last) = self.last {
            self.gap = self.gap.max(Some(at - last));
        }
        self.last = Some(at);
    }
}

impl Expression {
    /// The longest time between two fires in the five years from an instant, or between the next two if they lie farther apart.
    ///
    /// Days without a clock change are alike and are not counted through, so the cost does not grow with the number of fires.
    /// Where no two fires are left before the end of 2100 it is the time looked at.
    pub fn longest_gap(&self, zone: Tz, from: DateTime<Utc>) -> TimeDelta {
        let within_a_day = self.times_of_day();
        let mut longest = Longest { last: None, gap: None };
        let start = wall(bounded(from), zone).date();
        let days = start.iter_days().take(DAYS_AT_MOST as usize).zip(0..DAYS_AT_MOST);
        for (date, passed) in days {
            if passed > DAYS && longest.gap.is_some() {
                break;
            }
            let has = |date: Option<NaiveDate>| date.is_some_and(|date| self.sets().has_date(date));
            // A clock change near midnight moves a fire into a neighbouring day.
            if !has(Some(date)) && !has(date.pred_opt()) && !has(date.succ_opt()) {
                continue;
            }
            let [begin, end] = [date, date + Days::new(1)].map(|date| Instants::of(midnight(date), zone));
            let day = [begin.first().max(from), end.first()];
            if begin.first() >= from && is_plain(begin, end, zone) {
                let Some((first, last, gap)) = within_a_day.filter(|_| has(Some(date))) else { continue };
                longest.see(begin.first() + first);
                longest.gap = longest.gap.max(gap);
                longest.last = Some(begin.first() + last);
            } else {
                let before = day[0] - TimeDelta::seconds(1);
                self.fires_after(before, zone)
                    .take_while(|fire| fire.utc < day[1])
                    .for_each(|fire| longest.see(fire.utc));
            }
        }
        longest.gap.unwrap_or(TimeDelta::days(i64::from(DAYS_AT_MOST)))
    }

    /// The first and last time of a day and the longest gap between.
    fn times_of_day(&self) -> Option<(TimeDelta, TimeDelta, Option<TimeDelta>)> {
        let sets = self.sets();
        let times =
            sets.hour.numbers().flat_map(|hour| sets.minute.numbers().map(move |minute| hour * 60 + minute));
        let times: Vec<_> = times.map(|minutes| TimeDelta::minutes(i64::from(minutes))).collect();
        let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        Some((*times.first()?, *times.last()?, gap))
    }
}

const fn midnight(date: NaiveDate) -> NaiveDateTime {
    NaiveDateTime::new(date, NaiveTime::MIN)
}

/// Whether no clock change touches the day or either of its ends.
fn is_plain(begin: Instants, end: Instants, zone: Tz) -> bool {
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local() - at.naive_utc();
    match (begin, end) {
        (Instants::Once(begin), Instants::Once(end)) => {
            end - begin == TimeDelta::days(1) && offset(begin - TimeDelta::seconds(1)) == offset(end)
        }
        _ => false,
    }
}
