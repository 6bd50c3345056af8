//! What is an expression, and what is said of what is none.

use super::{super::Invalid, Expression, expression};

fn lists(text: &str) -> [String; 5] {
    expression(text).sets().all().map(|set| if set.is_full() { "*".to_owned() } else { set.list() })
}

/// The text with what is wrong in brackets, and what is said of it.
fn refused(text: &str) -> (String, String, String) {
    let Invalid { at, message, help } = Expression::parse(text).expect_err(text).remove(0);
    (format!("{}[{}]{}", &text[..at.start], &text[at.clone()], &text[at.end..]), message, help)
}

#[test]
fn fields_are_lists_of_numbers_names_ranges_and_steps() {
    assert_eq!(
        lists("*/15 9-17/4,23 1,15 jan-Mar,DEC *"),
        ["0,15,30,45", "9,13,17,23", "1,15", "1,2,3,12", "*"]
    );
    assert_eq!(lists("5 4 * * mon-fri/2"), ["5", "4", "*", "*", "1,3,5"]);
    assert_eq!(lists("  0\t02   1 * *  "), ["0", "2", "1", "*", "*"]);
    assert_eq!(lists("*/90 * * * *"), ["0", "*", "*", "*", "*"]);
}

#[test]
fn every_field_that_is_wrong_is_told() {
    let wrong = Expression::parse("61 25 * foo 9").unwrap_err();
    let places: Vec<_> = wrong.iter().map(|invalid| &"61 25 * foo 9"[invalid.at.clone()]).collect();
    assert_eq!(places, ["61", "25", "foo", "9"]);
}

#[test]
fn seven_is_sunday() {
    for (text, list) in [
        ("7", "0"),
        ("0,7", "0"),
        ("5-7", "0,5,6"),
        ("1-7", "*"),
        ("sun", "0"),
        ("*/7", "0"),
        ("6-7/1", "0,6"),
    ] {
        assert_eq!(lists(&format!("0 0 * * {text}"))[4], list, "{text}");
    }
}

#[test]
fn a_macro_is_its_five_fields() {
    for (text, fields) in [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        (" @midnight ", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ] {
        assert_eq!(expression(text).sets(), expression(fields).sets());
        assert_eq!(
            (expression(text).as_written(), expression(text).five_fields().as_str()),
            (text.trim(), fields)
        );
    }
}

#[test]
fn how_it_was_written_decides_what_is_fixed_and_which_days_match() {
    assert!(expression("0-59 0-23 * * *").is_fixed() && !expression("0-59 0-23 * * *").hour_is_star());
    assert!(!expression("*/30 1 * * *").is_fixed() && !expression("*/30 1 * * *").hour_is_star());
    assert!(!expression("0 */2 * * *").is_fixed() && expression("0 */2 * * *").hour_is_star());
    assert!(expression("0 0 13 * 5").sets().either_day());
    assert!(expression("0 0 1-31 * 0-6").sets().either_day());
    assert!(!expression("0 0 13 * *").sets().either_day());
    assert_eq!(expression("0 0  1-31/2 * MON").five_fields(), "0 0 1-31/2 * MON");
}

#[test]
fn what_is_wrong_is_shown_in_its_place() {
    for (text, shown) in [
        ("", "[]"),
        ("  ", "[  ]"),
        ("0 2 * *", "[0 2 * *]"),
        ("0 2 * * * /bin/true", "0 2 * * * [/bin/true]"),
        ("0 0 2 * * *", "[0] 0 2 * * *"),
        ("0 0 2 * * * 2027", "[0 0 2 * * * 2027]"),
        ("0 2 * * 1 2", "[0 2 * * 1 2]"),
        ("TZ=UTC 0 2 * * *", "[TZ=UTC] 0 2 * * *"),
        ("14h 2 * * *", "[14h] 2 * * *"),
        ("60 2 * * *", "[60] 2 * * *"),
        ("0 24 * * *", "0 [24] * * *"),
        ("0 2 0 * *", "0 2 [0] * *"),
        ("0 2 * 13 *", "0 2 * [13] *"),
        ("0 2 * * 8", "0 2 * * [8]"),
        ("0 2 * * 1-8", "0 2 * * 1-[8]"),
        ("99999999999999999999999 2 * * *", "[99999999999999999999999] 2 * * *"),
        ("0 1,,2 * * *", "0 [1,,2] * * *"),
        ("0 , * * *", "0 [,] * * *"),
        ("0 1,22-4 * * *", "0 1,[22-4] * * *"),
        ("*/0 * * * *", "[*/0] * * * *"),
        ("5/15 * * * *", "[5/15] * * * *"),
        ("*/ * * * *", "[*/] * * * *"),
        ("*/2/3 * * * *", "[*/2/3] * * * *"),
        ("1-2-3 * * * *", "[1-2-3] * * * *"),
        ("1- * * * *", "[1-] * * * *"),
        ("-1 * * * *", "[-1] * * * *"),
        ("** * * * *", "[**] * * * *"),
        ("*-5 * * * *", "[*]-5 * * * *"),
        ("0 2 ? * *", "0 2 [?] * *"),
        ("0 2 L * *", "0 2 [L] * *"),
        ("0 2 15W * *", "0 2 [15W] * *"),
        ("0 2 * * 1#2", "0 2 * * [1#2]"),
        ("0~30 2 * * *", "[0~30] 2 * * *"),
        ("H 2 * * *", "[H] 2 * * *"),
        ("0 2 * mon *", "0 2 * [mon] *"),
        ("0 jan * * *", "0 [jan] * * *"),
        ("0 2 * * Monday", "0 2 * * [Monday]"),
        ("0 2 * * möö", "0 2 * * [möö]"),
        ("0 2 30 2 *", "0 2 [30 2] *"),
        ("0 2 31 4,6,9,11 *", "0 2 [31 4,6,9,11] *"),
        ("0 2 */2 * 1", "0 2 [*/2] * 1"),
        ("0 2 1 * */2", "0 2 1 * [*/2]"),
        ("0 2 */2 * */3", "0 2 [*/2] * */3"),
        ("0 2 *,3 * 1", "0 2 [*,3] * 1"),
        ("@Daily", "[@Daily]"),
        ("@dayly", "[@dayly]"),
        ("@reboot", "[@reboot]"),
        ("@every 1h", "[@every 1h]"),
        ("@daily /bin/true", "@daily[ /bin/true]"),
        ("0 2 * *\n*", "0 2 * *[\n]*"),
        ("0 2 * * *\u{a0}", "0 2 * * [*\u{a0}]"),
    ] {
        assert_eq!(refused(text).0, shown, "{text}");
    }
}

#[test]
fn what_never_falls_on_a_date_is_refused_and_what_rarely_does_is_not() {
    for text in ["0 2 29 2 *", "0 2 30 2 0-6", "0 2 31 4 1", "0 2 30,28 2 *", "0 2 31 */3 *"] {
        expression(text);
    }
}

#[test]
fn the_help_is_what_to_write() {
    let help = |text: &str| refused(text).2;
    for (text, write) in [
        ("0 0 2 * * *", "write `0 2 * * *`; a schedule counts in minutes"),
        ("0 2 * * * root /bin/true", "write `0 2 * * *`; a user or command has its own key"),
        ("0 2 * * 1 2", "write `0 2 * * 1`; or, if the first counted seconds, `2 * * 1 2`"),
        ("TZ=UTC 0 2 * * *", "write `0 2 * * *`, and the zone at the top of the policy: `timezone: UTC`"),
        ("2am", "write `0 2 * * *`"),
        ("12:30 pm", "write `30 12 * * *`"),
        ("14h", "write `0 14 * * *`"),
        ("2:30", "write `30 2 * * *`"),
        ("14:30:00", "write `30 14 * * *`"),
        ("0 0 * * 7-1", "write `0-1`"),
        ("0 22-4 * * *", "write `22-23,0-4`"),
        ("0 0 * * fri-mon", "write `5-6,0-1`"),
        ("0 0 * * fri-sun", "write `5-7`"),
        ("0 0 25-1 * *", "write `25-31,1`"),
        ("5/15 * * * *", "write `5-59/15`, or `5` alone"),
        ("0 2 * * Monday", "write `mon`"),
        ("0 2 * SEPTEMBER *", "write `sep`"),
        ("0 2 ? * *", "write `*` for any day of the month"),
        ("@Daily", "write `@daily`"),
        ("@dayly", "write `@daily`"),
        (
            "0 2 */2 * 1",
            "write `0 2 1-31/2 * 1` to run on days that match either, or `0 2 */2 * *` to leave the choice to one field",
        ),
        (
            "0 2 1 * */1",
            "write `0 2 1 * 0-6/1` to run on days that match either, or `0 2 1 * *` to leave the choice to one field",
        ),
    ] {
        assert_eq!(help(text), write, "{text}");
    }
    for text in ["0 22-4 * * *", "0 0 * * fri-mon", "5/15 * * * *", "0 2 */2 * 1"] {
        let advice = help(text);
        let fields = advice.split('`').nth(1).unwrap();
        let fields = if fields.contains(' ') {
            fields.to_owned()
        } else {
            let (before, after) = (refused(text).0, refused(text).0);
            format!("{}{fields}{}", before.split('[').next().unwrap(), after.split(']').next_back().unwrap())
        };
        expression(&fields);
    }
}
