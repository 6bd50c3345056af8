//! Times as people type them: whole, or as the policy's zone understands them. Pure.

use super::error::CliError;
use crate::policy::Policy;
use chrono::{DateTime, Duration, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// A time given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// One that says its offset.
    Exact(DateTime<Utc>),
    /// A day: to its last second.
    Day(NaiveDate),
    /// The time of a clock.
    Local(NaiveDateTime),
}

impl Moment {
    /// Reads `2026-01-05`, `2026-01-05 07:00`, with seconds or without, with `T` or a blank, with an offset or without.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let local = |text: &str| {
            let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
            formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        };
        let exact = |text: &str| {
            let formats = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
            formats.iter().find_map(|format| DateTime::parse_from_str(text, format).ok())
        };
        // One spelling for the formats: the date is ten bytes long, what follows is a `T` or blanks.
        let spelled = match (text.get(..10), text.get(10..)) {
            (Some(day), Some("")) => day.to_owned(),
            (Some(day), Some(rest)) => {
                format!("{day}T{}", rest.trim_start_matches(['T', 't', ' ']).replace(' ', "").to_uppercase())
            }
            _ => String::new(),
        };
        let day = NaiveDate::parse_from_str(&spelled, "%Y-%m-%d").ok();
        let found = day.filter(|_| spelled.len() == 10).map(Self::Day);
        let found = found.or_else(|| local(&spelled).map(Self::Local));
        let found = found.or_else(|| exact(&spelled).map(|time| Self::Exact(time.to_utc())));
        found.ok_or_else(|| {
            "it is no date or time; write 2026-01-05 (to the end of that day) or \"2026-01-05 07:00\", both by the \
             policy's time zone, or 2026-01-05T07:00:00Z"
                .to_owned()
        })
    }

    /// The instant that it is in a zone. A time that a clock shows twice is the later one, but a day ends where the next
    /// first begins; a time that is skipped is as long after the last that was shown as the clock would have gone on.
    pub fn within(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Exact(time) => time,
            Self::Local(local) => instant(zone, local, MappedLocalTime::latest),
            Self::Day(day) => {
                let next = day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN);
                instant(zone, next, MappedLocalTime::earliest) - Duration::seconds(1)
            }
        }
    }
}

/// The instant of a clock's time, the one that is wanted of two.
fn instant(
    zone: Tz,
    local: NaiveDateTime,
    wanted: impl Fn(MappedLocalTime<DateTime<Tz>>) -> Option<DateTime<Tz>>,
) -> DateTime<Utc> {
    let shown = |local| wanted(zone.from_local_datetime(&local)).map(|time| time.to_utc());
    let day = Duration::days(1);
    let skipped = || shown(local - day).map(|time| time + day);
    shown(local).or_else(skipped).unwrap_or(local.and_utc())
}

/// The instant that is meant where these policies are at hand; without any, times without offset are UTC.
pub(crate) fn resolve(moment: Moment, policies: &[Policy]) -> Result<DateTime<Utc>, CliError> {
    let mut zones: Vec<Tz> = policies.iter().map(Policy::timezone).collect();
    zones.dedup();
    match (moment, zones.as_slice()) {
        (Moment::Exact(time), _) => Ok(time),
        (_, []) => Ok(moment.within(Tz::UTC)),
        (_, [zone]) => Ok(moment.within(*zone)),
        (_, [one, other, ..]) => {
            Err(CliError::ambiguous(format!("`--at` names no zone, and the policies have {one} and {other}"))
                .help("write the offset, as 2026-01-05T07:00Z, or name one policy with `--policy FILE`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{America::New_York, UTC};
    use rstest::rstest;

    #[rstest]
    #[case("2026-01-05", "2026-01-06T04:59:59Z", "2026-01-05T23:59:59Z")]
    #[case("2026-01-05 07:00", "2026-01-05T12:00:00Z", "2026-01-05T07:00:00Z")]
    #[case("2026-01-05T07:00:30", "2026-01-05T12:00:30Z", "2026-01-05T07:00:30Z")]
    // An offset says it, whatever the policy's zone.
    #[case("2026-01-05T07:00Z", "2026-01-05T07:00:00Z", "2026-01-05T07:00:00Z")]
    #[case("2026-01-05 07:00z", "2026-01-05T07:00:00Z", "2026-01-05T07:00:00Z")]
    #[case("2026-01-05T07:00:00+01:00", "2026-01-05T06:00:00Z", "2026-01-05T06:00:00Z")]
    #[case("2026-01-05 07:00 +01:00", "2026-01-05T06:00:00Z", "2026-01-05T06:00:00Z")]
    #[case("2026-01-05T07:00:00.25Z", "2026-01-05T07:00:00.25Z", "2026-01-05T07:00:00.25Z")]
    // The clock skips from two to three on 8 March, and shows one to two twice on 1 November.
    #[case("2026-03-08 02:30", "2026-03-08T07:30:00Z", "2026-03-08T02:30:00Z")]
    #[case("2026-11-01 01:30", "2026-11-01T06:30:00Z", "2026-11-01T01:30:00Z")]
    #[case("2026-11-01", "2026-11-02T04:59:59Z", "2026-11-01T23:59:59Z")]
    fn what_people_type_is_read_in_the_policys_zone(
        #[case] text: &str,
        #[case] new_york: &str,
        #[case] utc: &str,
    ) {
        let moment = Moment::parse(text).unwrap();
        assert_eq!(moment.within(New_York), new_york.parse::<DateTime<Utc>>().unwrap());
        assert_eq!(moment.within(UTC), utc.parse::<DateTime<Utc>>().unwrap());
    }

    // Cuba's clocks go from one back to midnight on 1 November 2026: the day before ends at the first of the two.
    #[test]
    fn a_day_ends_with_the_first_midnight_that_is_shown() {
        let day = Moment::parse("2026-10-31").unwrap().within(chrono_tz::America::Havana);
        assert_eq!(day, "2026-11-01T03:59:59Z".parse::<DateTime<Utc>>().unwrap());
        let next = Moment::parse("2026-11-01").unwrap().within(chrono_tz::America::Havana);
        assert_eq!(next, "2026-11-02T04:59:59Z".parse::<DateTime<Utc>>().unwrap());
        // Beirut skips midnight on 29 March 2026.
        let skipped = Moment::parse("2026-03-28").unwrap().within(chrono_tz::Asia::Beirut);
        assert_eq!(skipped, "2026-03-28T21:59:59Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn what_is_no_time_says_what_to_write() {
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-01-05 25:00",
            "2026-01-05 7",
            "05.01.2026",
            "2026-01-05x",
            "é26-01-05é",
        ] {
            assert!(Moment::parse(bad).unwrap_err().contains("2026-01-05 07:00"), "{bad}");
        }
        for far in ["0000-01-01", "9999-12-31", "0000-01-01 00:00", "9999-12-31 23:59:60"] {
            Moment::parse(far).unwrap().within(New_York);
        }
    }
}
