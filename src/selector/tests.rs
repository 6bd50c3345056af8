//! What selectors mean, case by case.

use super::*;
use rstest::rstest;

/// One line a copy: the id, `-` when unproven, `+` when dated in the future.
fn known(lines: &[&str]) -> Vec<Known> {
    let one = |line: &&str| Known {
        id: BackupId::parse(line.trim_end_matches(['-', '+'])).unwrap(),
        proven: !line.ends_with('-'),
        future: line.ends_with('+'),
    };
    lines.iter().map(one).collect()
}

fn some() -> Vec<Known> {
    known(&[
        "prod/nightly/app/2026-01-03T020000Z",
        "prod/nightly/app/2026-01-01T020000Z-",
        "prod/nightly/app/2026-01-05T020000Z-",
        "prod/nightly/app/2026-01-05T020000Z-2",
        "prod/nightly/app/2026-01-05T020000Z", // a copy in another store
        "prod/nightly/app/2026-01-06T020000Z-",
        "prod/nightly/app/2036-01-01T020000Z+",
        "prod/hourly/app/2026-01-04T120000Z",
        "prod/nightly/other_db/2026-01-03T020000Z-",
        "test/nightly/app/2026-01-07T020000Z",
    ])
}

fn one(selector: &str) -> String {
    match Selector::parse(selector).unwrap().one(&some()) {
        Ok(id) => id.to_string(),
        Err(failed) => failed.to_string(),
    }
}

#[rstest]
// The newer unproven one and the future one are passed over.
#[case("prod/nightly/app", "prod/nightly/app/2026-01-05T020000Z-2")]
#[case("prod/nightly/app@latest", "prod/nightly/app/2026-01-05T020000Z-2")]
#[case("prod/nightly/app@latest~1", "prod/nightly/app/2026-01-05T020000Z")]
#[case("prod/nightly/app@latest~2", "prod/nightly/app/2026-01-03T020000Z")]
#[case("prod/nightly/app@latest~3", "there is no backup `prod/nightly/app@latest~3`")]
#[case("prod/nightly/app@oldest", "prod/nightly/app/2026-01-03T020000Z")]
#[case("hourly/app", "prod/hourly/app/2026-01-04T120000Z")]
// An unproven one is had by its stamp, as is one of the future.
#[case("prod/nightly/app@2026-01-06", "prod/nightly/app/2026-01-06T020000Z")]
#[case("prod/nightly/app@2036", "prod/nightly/app/2036-01-01T020000Z")]
#[case("prod/nightly/app/2026-01-01T020000Z", "prod/nightly/app/2026-01-01T020000Z")]
// A whole stamp is itself, though another begins so.
#[case("prod/nightly/app@2026-01-05T020000Z", "prod/nightly/app/2026-01-05T020000Z")]
#[case("prod/nightly/app@2026-01-05T020000Z-2", "prod/nightly/app/2026-01-05T020000Z-2")]
#[case(
    "prod/nightly/app@2026-01-05",
    "`prod/nightly/app@2026-01-05` is ambiguous: `prod/nightly/app/2026-01-05T020000Z-2`, \
     `prod/nightly/app/2026-01-05T020000Z`"
)]
// Jobs of a policy count together, policies do not.
#[case("app@2026-01-04", "prod/hourly/app/2026-01-04T120000Z")]
#[case(
    "app",
    "`app` is ambiguous: `test/nightly/app/2026-01-07T020000Z`, `prod/nightly/app/2026-01-05T020000Z-2`"
)]
#[case(
    "other_db",
    "no backup `other_db` is proven; the newest there is, unproven, is `prod/nightly/other_db/2026-01-03T020000Z`"
)]
#[case("nothing", "there is no backup `nothing`")]
#[case("prod/nightly/app@2025", "there is no backup `prod/nightly/app@2025`")]
#[case("prod/nightly/app/2026-01-02T020000Z", "there is no backup `prod/nightly/app/2026-01-02T020000Z`")]
fn one_backup_is_named(#[case] selector: &str, #[case] wanted: &str) {
    assert_eq!(one(selector), wanted);
}

#[test]
fn a_selector_takes_every_match_where_several_may_be_meant() {
    let all = |text: &str| -> Vec<String> {
        Selector::parse(text).unwrap().all(&some()).iter().map(ToString::to_string).collect()
    };
    assert_eq!(all("app").len(), 8);
    assert_eq!(all("prod/nightly/app").len(), 6);
    assert_eq!(all("prod/nightly/app")[0], "prod/nightly/app/2036-01-01T020000Z");
    assert_eq!(
        all("app@latest"),
        ["test/nightly/app/2026-01-07T020000Z", "prod/nightly/app/2026-01-05T020000Z-2"]
    );
    assert_eq!(all("prod/nightly/app@2026-01-05").len(), 2);
    assert_eq!(all("prod/nightly/app/2026-01-06T020000Z"), ["prod/nightly/app/2026-01-06T020000Z"]);
    assert_eq!(all("other_db@latest"), [""; 0]);
    assert_eq!(all("other_db").len(), 1);
}

#[test]
fn the_order_of_what_is_known_does_not_matter() {
    let mut backwards = some();
    backwards.reverse();
    for text in ["app", "prod/nightly/app", "app@oldest", "prod/nightly/app@2026"] {
        let selector = Selector::parse(text).unwrap();
        assert_eq!(selector.one(&some()), selector.one(&backwards));
        assert_eq!(selector.all(&some()), selector.all(&backwards));
    }
}

#[test]
fn a_selector_is_written_as_it_is_read() {
    for text in [
        "app",
        "nightly/app",
        "prod/nightly/app_db@latest~3",
        "app@oldest",
        "app@2026-01-05T07",
        "prod/nightly/app/2026-01-05T070000Z-2",
    ] {
        assert_eq!(Selector::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn what_names_no_backup_says_why() {
    for bad in [
        "",
        "/",
        "a//b",
        "../app",
        "App",
        "a/b/c/d",
        "prod/nightly/app/latest",
        "a b",
        "/app",
        "app/",
        "@latest",
    ] {
        assert!(matches!(Selector::parse(bad), Err(BadSelector::Shape(_))), "{bad}");
    }
    for bad in
        ["app@", "app@newest", "app@latest~", "app@latest~x", "app@latest~-1", "app@2026/01", "app@26-01"]
    {
        assert!(matches!(Selector::parse(bad), Err(BadSelector::When(_))), "{bad}");
    }
}
