//! Every key of the language with every wrong kind of value: refused at its line, in words of the language.

use super::checkout;
use policy::policy::{
    Problem, Span, load,
    problem::Lines,
    yaml::{self, Kind, Node},
};
use std::collections::BTreeSet;

/// A value of every kind, as YAML writes it.
const VALUES: [(&str, &str); 9] = [
    ("nothing", "~"),
    ("a boolean", "true"),
    ("a number", "7"),
    ("a negative number", "-1.5"),
    ("text", "zzz"),
    ("a list", "[[7]]"),
    ("an empty list", "[]"),
    ("a mapping", "{zzz: 7}"),
    ("an empty mapping", "{}"),
];

/// What only a programmer says.
const JARGON: [&str; 9] =
    ["serde", "invalid type", "deseriali", "struct", "enum", "variant", "unexpected", "sequence", "scalar"];

/// A key with its path and the place of its value.
struct Place {
    path: String,
    key: Span,
    value: Span,
}

fn places(node: &Node, path: &str, found: &mut Vec<Place>) {
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                let path = format!("{path}.{}", entry.key.value);
                found.push(Place { path: path.clone(), key: entry.key.span, value: entry.value.span });
                places(&entry.value, &path, found);
            }
        }
        Kind::List(items) => items.iter().for_each(|item| places(item, &format!("{path}[]"), found)),
        Kind::Scalar(_) => {}
    }
}

#[test]
fn every_key_with_every_wrong_kind_of_value_is_refused_at_its_line() {
    let (mut refused, mut taken) = (0, BTreeSet::new());
    let mut all = Vec::new();
    // What goes with `scope: system` alone stands in a file of its own.
    for file in ["everything", "install"] {
        let text = checkout::text(&format!("tests/policies/valid/{file}.yaml"));
        let mut found = Vec::new();
        places(&yaml::read(&text).0.unwrap(), "", &mut found);
        let is_new = |place: &Place| file == "everything" || place.path.starts_with(".install");
        all.extend(found.into_iter().filter(is_new).map(|place| (text.clone(), place)));
    }
    assert!(all.len() > 110, "{} keys", all.len());
    for (text, Place { path, key, value }) in all {
        for (kind, wrong) in VALUES {
            let mut changed = text.clone();
            changed.replace_range(value.start..value.end, wrong);
            let loaded = load("shapes.yaml", "/srv/app/policies".as_ref(), changed.as_bytes());
            let errors: Vec<_> = loaded.problems.iter().filter(|problem| problem.is_error()).collect();
            for problem in &loaded.problems {
                let said = format!("{} {}", problem.message, problem.help).to_lowercase();
                assert!(!JARGON.iter().any(|word| said.contains(word)), "{path}: {kind}: {said}");
            }
            if errors.is_empty() {
                taken.insert(format!("{path}: {kind}"));
                continue;
            }
            refused += 1;
            // The error may be about a name that the value no longer declares; then a label shows where it is missed.
            let lines = |span: Span| Lines::new(&loaded.source.text).position(span.start).0;
            let value_line = lines(Span::new(value.start, value.start));
            let at_the_place = |problem: &&&Problem| {
                problem.labels.iter().any(|label| (lines(key)..=value_line).contains(&lines(label.span)))
            };
            let is_missed = path.starts_with(".stores") || path.starts_with(".targets") || path == ".version";
            assert!(
                errors.iter().any(|problem| at_the_place(&problem)) || is_missed,
                "{path}: {kind}: {errors:#?}"
            );
            assert!(
                kind != "nothing" || errors.iter().any(|problem| at_the_place(&problem)),
                "{path}: {kind}"
            );
        }
    }
    assert!(refused > 500, "{refused} refused");
    insta::with_settings!({ snapshot_path => "snapshots/check", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("kinds_of_values_that_are_taken", taken.into_iter().collect::<Vec<_>>().join("\n"));
    });
}
