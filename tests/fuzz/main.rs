//! Any bytes as a policy: read, judged, drawn and planned without a panic, and always alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::policy::{
    load,
    problem::draw::{Look, draw},
};

fuzz_target!(|bytes: &[u8]| {
    let folder = "/srv/app/policies".as_ref();
    let loaded = load("fuzz.yaml", folder, bytes);
    let text = &loaded.source.text;
    for problem in &loaded.problems {
        for label in &problem.labels {
            assert!(label.span.start <= label.span.end && label.span.end <= text.len(), "{problem:?}");
            assert!(text.is_char_boundary(label.span.start) && text.is_char_boundary(label.span.end), "{problem:?}");
            loaded.source.position(label.span.start);
        }
        let drawn = draw(problem, Some(&loaded.source), Look { color: false, width: 80 });
        assert!(!drawn.contains(|c: char| c.is_control() && c != '\n'), "{drawn:?}");
        assert!(!problem.help.is_empty(), "{problem:?}");
    }
    assert_eq!(loaded.policy.is_none(), loaded.problems.iter().any(policy::policy::Problem::is_error), "{:?}", loaded.problems);
    let again = load("fuzz.yaml", folder, bytes);
    assert_eq!(loaded.problems, again.problems);
    assert_eq!(loaded.policy.map(|policy| policy.digest().to_owned()), again.policy.map(|policy| policy.digest().to_owned()));
});
