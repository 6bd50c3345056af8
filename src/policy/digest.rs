//! The digest of a policy as meant: SHA-256 over its canonical JSON.
//!
//! It is taken from the lowered policy, so that comments, the order of keys, line ends, quotes, short and long forms and
//! defaults that are spelled out all come to the same. Variables stay as written. What equals its default is left out,
//! so that a later version of the program, which knows more keys, makes the same digest.

use super::model::{Policy, Retry};
use crate::{
    policy::{Spanned, values::Duration},
    schedule::{CatchUp, Schedule},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The digest, in hex.
pub(super) fn digest(policy: &Policy) -> String {
    hex::encode(Sha256::digest(canonical(policy).to_string()))
}

/// The policy as JSON with sorted keys, and nothing in it that is null, empty or false.
fn canonical(policy: &Policy) -> Value {
    // Every part has text keys and no part fails to serialize; were that to break, all digests would be equal, which
    // the tests would show.
    pruned(serde_json::to_value(policy).unwrap_or_default())
}

fn pruned(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(pruned).collect(),
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> =
                map.into_iter().map(|(key, value)| (key, pruned(value))).collect();
            entries.retain(|(_, value)| !is_nothing(value));
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(entries.into_iter().collect())
        }
        other => other,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// A schedule: the expression with single spaces, and what differs from the default.
#[expect(clippy::ref_option, reason = "serde's signature")]
pub(super) fn schedule<S: Serializer>(
    schedule: &Option<Spanned<Schedule>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let Some(schedule) = schedule else { return to.serialize_none() };
    let mut map = to.serialize_map(None)?;
    let fields: Vec<&str> = schedule.cron.as_written().split_whitespace().collect();
    map.serialize_entry("cron", &fields.join(" "))?;
    if schedule.jitter.as_secs() > 0 {
        map.serialize_entry("jitter", &schedule.jitter)?;
    }
    match schedule.catch_up {
        CatchUp::UntilNext => {}
        CatchUp::Never => map.serialize_entry("catch_up", "never")?,
        CatchUp::Within(window) => map.serialize_entry("catch_up", &window)?,
    }
    map.end()
}

/// A retry, unless it is the default.
pub(super) fn retry<S: Serializer>(retry: &Retry, to: S) -> Result<S::Ok, S::Error> {
    let delay: Option<Duration> = Some(retry.delay).filter(|delay| delay.as_secs() > 0);
    (*retry != Retry::default()).then_some((retry.attempts, delay)).serialize(to)
}

#[cfg(test)]
mod tests {
    use crate::policy::load;

    fn digest(text: &str) -> String {
        let loaded = load("p.yaml", "/p".as_ref(), text.as_bytes());
        loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.problems)).digest().to_owned()
    }

    const PLAIN: &str = "\
version: 1
name: app
timezone: UTC
stores:
  local: ~/B
targets:
  app: {sqlite: '${DB}'}
jobs:
  nightly:
    schedule: '0 2 * * *'
    retention: {daily: 7, weekly: 12}
";

    #[test]
    fn the_digest_is_of_what_is_meant() {
        let spelled_out = "\
# another order, comments, long forms, defaults spelled out
jobs:
  nightly:
    retention: {weekly: 12, daily: 7}
    schedule: {cron: \"0  2 * * *\", catch_up: true}
    stores: [local]
    targets: [app]
    compress: zstd:3
    retry: {attempts: 1}
    before: []
targets: {app: {sqlite: {path: \"${DB}\"}, checks: []}}
stores: {local: {path: ~/B, require_mount: false}}
timezone: UTC
name: \"app\"
version: 1
";
        assert_eq!(digest(PLAIN), digest(spelled_out));
        assert_eq!(digest(PLAIN), digest(&PLAIN.replace('\n', "\r\n")));
        assert_eq!(digest(PLAIN), digest(&format!("\u{feff}{PLAIN}")));
        assert_eq!(digest(PLAIN).len(), 64);
    }

    #[test]
    fn what_install_says_is_in_the_digest_as_far_as_it_differs_from_what_holds_without_it() {
        let with = |install: &str| digest(&format!("{PLAIN}install: {install}\n"));
        let spelled_out = "{backend: auto, scope: user, dispatcher: native}";
        assert_eq!([with("{}"), with(spelled_out)], [digest(PLAIN), digest(PLAIN)]);
        let cluster = |more: &str| {
            with(&format!("{{backend: kubernetes, kubernetes: {{image: p, state: {{claim: s}}{more}}}}}"))
        };
        assert_eq!(cluster(", patch: {a: 1, b: 2}"), cluster(", patch: {b: 2, a: 1}"));
        assert_eq!(cluster(", patch: {}"), cluster(""));
        assert_eq!(
            cluster(", mounts: {/a: {claim: a}}"),
            cluster(", mounts: {/a/: {claim: a, read_only: false}}")
        );
        let all = [
            digest(PLAIN),
            with("{backend: cron}"),
            with("{backend: none}"),
            with("{dispatcher: minute}"),
            with("{log_dir: logs}"),
            with("{search_path: [/a, /b]}"),
            with("{search_path: [/b, /a]}"),
            cluster(""),
            cluster(", namespace: n"),
            cluster(", mounts: {/a: {claim: a}}"),
            cluster(", mounts: {/a: {claim: a, read_only: true}}"),
            // Here nothing means something.
            cluster(", patch: {a: {}}"),
            cluster(", patch: {a: null}"),
            cluster(", patch: {a: false}"),
            cluster(", patch: {a: []}"),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(!all[..n].contains(one), "number {n} has the digest of another");
        }
    }

    #[test]
    fn what_changes_the_meaning_changes_the_digest() {
        for (from, to) in [
            ("0 2", "0 3"),
            ("DB", "DATABASE"),
            ("daily: 7", "daily: 8"),
            ("UTC", "Europe/Berlin"),
            ("~/B", "~/C"),
        ] {
            assert_ne!(digest(PLAIN), digest(&PLAIN.replace(from, to)), "{from} -> {to}");
        }
    }
}
