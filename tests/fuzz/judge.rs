//! What must hold of any bytes read as a policy; shared by the fuzz target and by the tests, which replay its corpus.

use policy::policy::{
    load,
    problem::{
        Lines,
        draw::{Drawer, Look},
    },
};

/// Reads, judges and draws any bytes, without a panic, and always alike.
pub(crate) fn judge(bytes: &[u8]) {
    let folder = "/srv/app/policies".as_ref();
    let loaded = load("fuzz.yaml", folder, bytes);
    let text = &loaded.source.text;
    let (lines, drawer) = (Lines::new(text), Drawer::new(Some(&loaded.source)));
    for problem in &loaded.problems {
        for label in &problem.labels {
            assert!(label.span.start <= label.span.end && label.span.end <= text.len(), "{problem:?}");
            assert!(
                text.is_char_boundary(label.span.start) && text.is_char_boundary(label.span.end),
                "{problem:?}"
            );
            lines.position(label.span.start);
        }
        let drawn = drawer.draw(problem, Look { color: false, width: 80 });
        assert!(!drawn.contains(|c: char| c.is_control() && c != '\n'), "{drawn:?}");
        assert!(!problem.help.is_empty(), "{problem:?}");
    }
    let has_error = loaded.problems.iter().any(policy::policy::Problem::is_error);
    assert_eq!(loaded.policy.is_none(), has_error, "{:?}", loaded.problems);
    let again = load("fuzz.yaml", folder, bytes);
    assert_eq!(loaded.problems, again.problems);
    let digest = |policy: Option<policy::policy::Policy>| policy.map(|policy| policy.digest().to_owned());
    assert_eq!(digest(loaded.policy), digest(again.policy));
}
