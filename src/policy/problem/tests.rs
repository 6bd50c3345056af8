//! What holds of all codes, and of places within scalars.

use super::*;

#[test]
fn codes_are_paths_and_never_repeat() {
    let mut seen = BTreeSet::new();
    for code in Code::ALL {
        let path = code.as_str();
        assert!(seen.insert(path), "{path} twice");
        let parts: Vec<_> = path.split("::").collect();
        assert_eq!((parts.len(), parts[0]), (3, "policy"), "{path}");
        assert!(
            path.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b":_".contains(&b)),
            "{path}"
        );
        assert_eq!(Code::parse(path), Some(*code));
    }
}

#[test]
fn a_part_of_a_scalar_is_exact_only_where_it_stands_letter_for_letter() {
    let text = r#"a 'b' "c\u0064""#;
    assert_eq!(within(text, Span::new(0, 1), "a", 0..1), Span::new(0, 1));
    assert_eq!(within(text, Span::new(2, 5), "b", 0..1), Span::new(3, 4));
    assert_eq!(within(text, Span::new(6, 15), "cd", 0..1), Span::new(6, 15));
    let text = "sql: |\n  select 1;\n  delete x\n";
    assert_eq!(within(text, Span::new(9, 29), "select 1;\ndelete x\n", 10..16), Span::new(21, 27));
}
