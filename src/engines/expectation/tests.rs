//! Tables of answers against expectations.

use super::*;
use crate::policy::values::{Duration, Percent};
use rstest::rstest;

fn now() -> DateTime<Utc> {
    "2026-01-05T07:00:00Z".parse().unwrap()
}

fn holds(expectation: &Expectation, value: Value) -> bool {
    judge(expectation, &Answer::one(value), &Against { captured_at: now(), source: None, previous: None })
        .passed
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn a_number_is_compared_as_a_number() {
    use Expectation::{AtLeast, AtMost, Between, Equal, LessThan, MoreThan, NotEqual};
    let five = || Scalar::Number(5.0);
    for (expectation, value, expected) in [
        (Equal(five()), Value::Integer(5), true),
        (Equal(five()), Value::Real(5.0), true),
        (Equal(five()), text("5"), true),
        (Equal(five()), text("five"), false),
        (Equal(five()), Value::Real(5.000_001), false),
        (NotEqual(five()), Value::Integer(5), false),
        (NotEqual(five()), Value::Integer(6), true),
        (AtLeast(65.0), Value::Integer(65), true),
        (AtLeast(65.0), Value::Integer(64), false),
        (AtLeast(64.5), Value::Integer(64), false),
        (AtLeast(-2.5), Value::Integer(-2), true),
        (MoreThan(65.0), Value::Integer(65), false),
        (MoreThan(64.5), Value::Integer(65), true),
        (AtMost(65.0), Value::Integer(65), true),
        (LessThan(1000.0), Value::Integer(999), true),
        (LessThan(1000.0), Value::Real(1000.0), false),
        (Between(65.0, 70.0), Value::Integer(65), true),
        (Between(65.0, 70.0), Value::Integer(70), true),
        (Between(65.0, 70.0), Value::Integer(71), false),
        (AtLeast(0.0), text("many"), false),
        (AtLeast(0.0), Value::blob(b"5"), false),
        (LessThan(1e300), Value::Integer(i64::MAX), true),
        (MoreThan(-1e300), Value::Integer(i64::MIN), true),
    ] {
        assert_eq!(holds(&expectation, value.clone()), expected, "{expectation:?} {value:?}");
    }
}

#[test]
fn an_integer_beyond_2_to_the_53_is_not_rounded() {
    let exact = Expectation::Equal(Scalar::Number(9_007_199_254_740_992.0));
    assert!(holds(&exact, Value::Integer(9_007_199_254_740_992)));
    assert!(!holds(&exact, Value::Integer(9_007_199_254_740_993)));
    assert!(holds(&Expectation::MoreThan(9_007_199_254_740_992.0), Value::Integer(9_007_199_254_740_993)));
    let same = Against { captured_at: now(), source: None, previous: Some("9007199254740993") };
    let answer = Answer::one(Value::Integer(9_007_199_254_740_993));
    assert!(judge(&Expectation::MaxDrop(Percent::parse("0%").unwrap()), &answer, &same).passed);
}

#[test]
fn null_and_no_row_fail_unless_empty_is_expected() {
    let against = Against { captured_at: now(), source: Some("NULL"), previous: None };
    for answer in [Answer::default(), Answer::one(Value::Null)] {
        for expectation in [
            Expectation::AtLeast(0.0),
            Expectation::NotEqual(Scalar::Number(5.0)),
            Expectation::NotEmpty,
            Expectation::SameAsSource,
            Expectation::MaxAge(Duration::from_secs(60)),
            Expectation::MaxDrop(Percent::parse("100%").unwrap()),
            Expectation::MaxGrowth(Percent::parse("100%").unwrap()),
        ] {
            assert!(!judge(&expectation, &answer, &against).passed, "{expectation:?} {answer:?}");
        }
        assert!(judge(&Expectation::Empty, &answer, &against).passed);
    }
    assert!(!holds(&Expectation::Empty, Value::Integer(0)));
    let two_nulls = Answer { row: Some(vec![Value::Null]), more: true };
    assert!(!judge(&Expectation::Empty, &two_nulls, &against).passed);
}

#[rstest]
#[case(text("2026-01-05"), true)]
#[case(text("2026-01-04"), false)]
#[case(text("2026-01-04 06:59:59"), false)]
#[case(text("2026-01-04 07:00:00"), true)]
#[case(text("2026-01-04T07:00:00Z"), true)]
#[case(text("2026-01-04T07:00:00.123456Z"), true)]
#[case(text("2026-01-04T08:30:00+02:00"), false)]
#[case(text("2026-01-04 09:00:00+02:00"), true)]
#[case(text("2026-01-04 09:00:00+0200"), true)]
#[case(text("2026-01-04 09:00:00 +02:00"), true)]
#[case(text("2026-01-04T02:00:00-05"), true)]
#[case(text("2026-01-04T02:00-05:00"), true)]
#[case(text("2026-01-04T07:00"), true)]
#[case(text("2026-01-04 07:00:00 UTC"), true)]
#[case(text("20260104"), false)]
#[case(text("20260105"), true)]
#[case(Value::Integer(1_767_510_000), true)]
#[case(Value::Integer(1_767_509_999), false)]
#[case(Value::Integer(1_767_510_000_000), true)]
#[case(Value::Integer(1_767_509_999_000), false)]
#[case(Value::Integer(1_767_509_999_000_000), false)]
#[case(Value::Integer(1_767_509_999_000_000_000), false)]
#[case(Value::Real(1_767_510_000.5), true)]
#[case(text("1767510000"), true)]
#[case(text("yesterday"), false)]
#[case(text(""), false)]
#[case(Value::Real(f64::INFINITY), false)]
fn an_age_is_counted_from_the_capture(#[case] value: Value, #[case] expected: bool) {
    assert_eq!(holds(&Expectation::MaxAge(Duration::parse("1d").unwrap()), value), expected);
}

#[rstest]
#[case("100", 80, true)]
#[case("100", 79, false)]
#[case("10", 8, true)]
#[case("35", 28, true)]
#[case("0", 0, true)]
#[case("-10", -10, true)]
#[case("-10", -12, true)]
#[case("-10", -13, false)]
fn a_drop_is_measured_against_the_previous_answer(
    #[case] before: &str,
    #[case] now_: i64,
    #[case] expected: bool,
) {
    let against = Against { captured_at: now(), source: None, previous: Some(before) };
    let fifth = Expectation::MaxDrop(Percent::parse("20%").unwrap());
    let judgement = judge(&fifth, &Answer::one(Value::Integer(now_)), &against);
    assert_eq!(judgement.passed, expected);
    assert_eq!(judgement.expected, format!("max_drop: 20% (before: {before})"));
}

#[test]
fn seventy_percent_of_ten_is_three() {
    let against = Against { captured_at: now(), source: None, previous: Some("10") };
    let expectation = Expectation::MaxDrop(Percent::parse("70%").unwrap());
    assert!(judge(&expectation, &Answer::one(Value::Integer(3)), &against).passed);
    assert!(!judge(&expectation, &Answer::one(Value::Integer(2)), &against).passed);
}

#[test]
fn without_a_previous_backup_a_drop_holds_and_says_so() {
    let against = Against { captured_at: now(), source: None, previous: None };
    let judgement = judge(
        &Expectation::MaxDrop(Percent::parse("0%").unwrap()),
        &Answer::one(Value::Integer(1)),
        &against,
    );
    assert!(judgement.passed);
    assert_eq!(judgement.expected, "max_drop: 0% (no previous backup)");
}

#[test]
fn growth_is_measured_too() {
    let against = Against { captured_at: now(), source: None, previous: Some("100") };
    let half = Expectation::MaxGrowth(Percent::parse("50%").unwrap());
    assert!(judge(&half, &Answer::one(Value::Integer(150)), &against).passed);
    assert!(!judge(&half, &Answer::one(Value::Integer(151)), &against).passed);
}

#[test]
fn same_as_source_compares_the_whole_first_row() {
    let answer = Answer { row: Some(vec![Value::Integer(3), Value::Real(0.1), Value::Null]), more: false };
    let against = |source| Against { captured_at: now(), source, previous: None };
    let judged = |source| judge(&Expectation::SameAsSource, &answer, &against(source));
    assert!(judged(Some("3, 0.1, NULL")).passed);
    let other = judged(Some("4, 0.1, NULL"));
    assert!(!other.passed);
    assert_eq!(other.expected, "same_as_source (4, 0.1, NULL)");
    assert_eq!(other.actual.as_deref(), Some("3, 0.1, NULL"));
    assert!(!judged(None).passed);
}

#[test]
fn a_long_answer_is_told_apart_by_its_digest() {
    let long = |last: char| Answer::one(Value::Text("ä".repeat(500) + &last.to_string())).scalar().unwrap();
    assert!(long('a').chars().count() <= LONGEST_ANSWER);
    assert_ne!(long('a'), long('b'));
    assert_eq!(Answer::one(Value::blob(&[0, 255])).scalar().unwrap(), "x'00ff'");
}
