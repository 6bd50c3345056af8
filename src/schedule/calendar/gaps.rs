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
    /// The longest time between two fires in the five years from an instant, or between the next two if they lie
    /// farther apart.
    ///
    /// Days without a clock change are alike and are not counted through, so the cost does not grow with the number
    /// of fires.
    pub fn longest_gap(&self, zone: Tz, from: DateTime<Utc>) -> TimeDelta {
        let within_a_day = self.times_of_day();
        let mut longest = Longest { last: None, gap: None };
        let from = bounded(from);
        let start = wall(from, zone).date();
        // A rolling pair: each midnight is looked up once.
        let [mut previous, mut begin] =
            [start - Days::new(1), start].map(|date| Instants::of(midnight(date), zone));
        for (date, passed) in start.iter_days().zip(0..DAYS_AT_MOST) {
            if passed > DAYS && longest.gap.is_some() {
                break;
            }
            let end = Instants::of(midnight(date + Days::new(1)), zone);
            let day = Day { date, previous, begin, end };
            (previous, begin) = (begin, end);
            let has = |date: Option<NaiveDate>| date.is_some_and(|date| self.sets().has_date(date));
            // A clock change near midnight moves a fire into a neighbouring day.
            if !has(Some(date)) && !has(date.pred_opt()) && !has(date.succ_opt()) {
                continue;
            }
            let starts = day.begin.first();
            if starts >= from && day.is_plain(zone) {
                let Some((first, last, gap)) = within_a_day.filter(|_| has(Some(date))) else { continue };
                longest.see(starts + first);
                longest.gap = longest.gap.max(gap);
                longest.last = Some(starts + last);
            } else {
                let fires = self.fires_after(starts.max(from) - TimeDelta::seconds(1), zone);
                fires.take_while(|fire| fire.utc < day.end.first()).for_each(|fire| longest.see(fire.utc));
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

/// A day between its midnights, and the midnight before.
struct Day {
    date: NaiveDate,
    previous: Instants,
    begin: Instants,
    end: Instants,
}

impl Day {
    /// Whether no clock change moves a fire within the day, into it or out of it.
    fn is_plain(&self, zone: Tz) -> bool {
        let day = TimeDelta::days(1);
        // A gap that ends at midnight hands its slots to this day.
        let inherits = || {
            self.begin.first() - self.previous.first() < day
                && matches!(
                    Instants::of(midnight(self.date) - TimeDelta::seconds(1), zone),
                    Instants::Never(_)
                )
        };
        match (self.begin, self.end) {
            (Instants::Once(begin), Instants::Once(end)) => end - begin == day && !inherits(),
            _ => false,
        }
    }
}
