//! Blocks among lines of all kinds.

use proptest::prelude::*;

use super::{
    super::{
        super::entry::Scope,
        cron, hash_of,
        tests::{cases, context, entry},
    },
    *,
};

fn block(job: &str, hour: u32) -> Vec<u8> {
    let mut entry = entry(&format!("0 {hour} * * *"), "UTC");
    entry.name = name(job);
    cron::render(&entry, &context(Scope::User)).unwrap().files.remove(0).bytes
}

fn name(job: &str) -> EntryName {
    EntryName::of("prod", job)
}

fn defects(text: &str) -> Vec<Defect> {
    let first = String::from_utf8(block("a", 1)).unwrap();
    let second = String::from_utf8(block("b", 1)).unwrap();
    let lines = |text: &str| -> Vec<String> { text.lines().map(|line| format!("{line}\n")).collect() };
    let (a, b) = (lines(&first), lines(&second));
    let shape = |word| match word {
        "a(" => a[0].clone(),
        "a)" => a[3].clone(),
        "b(" => b[0].clone(),
        "b)" => b[3].clone(),
        other => format!("{other}\n"),
    };
    find_blocks(text.split(' ').map(shape).collect::<String>().as_bytes()).err().unwrap_or_default()
}

fn places(text: &str) -> Vec<usize> {
    defects(text).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn marks_that_are_not_in_pairs_are_told_with_their_lines() {
    assert_eq!(places("x a( x a) b( b) x"), Vec::<usize>::new());
    assert_eq!(places("x a( x"), [2]);
    assert_eq!(places("x x a)"), [3]);
    assert_eq!(places("a( b( b) a)"), [2, 4]);
    assert_eq!(places("a( x b( b)"), [3]);
    assert_eq!(places("a( a) x a( a)"), [4]);
    assert_eq!(places("a( b)"), [2]);
    assert_eq!(places("a) a("), [1, 2]);
    assert_eq!(defects("a( x")[0].1, format!("`{}` begins and does not end", name("a")));
}

#[test]
fn a_mark_that_was_edited_is_no_mark_and_no_stranger() {
    let text = String::from_utf8(block("a", 1)).unwrap();
    let altered = |from: &str, to: &str| {
        let text = text.replace(from, to);
        find_blocks(text.as_bytes()).err().map(|defects| defects[0].0)
    };
    assert_eq!(altered("# policy:begin", "#policy:begin"), Some(1));
    assert_eq!(altered("# policy:begin", "  # policy:begin"), Some(1));
    assert_eq!(altered("\n", "\r\n"), Some(1));
    assert_eq!(altered("sha256=", "sha256="), None);
    assert_eq!(altered("sha256=", "sha256=0"), Some(1));
    assert_eq!(altered("# policy:end policy", "# policy:end nopolicy"), Some(4));
    assert_eq!(
        altered("# policy:begin", "# my policy:begin"),
        Some(4),
        "a stranger, and an end without a beginning"
    );
    assert_eq!(find_blocks(b"# policy:beginning of it all\n# policy\n#\n").unwrap(), []);
}

#[test]
fn a_block_is_put_at_the_end_and_replaced_where_it_stands() {
    let one = with_block(b"x\r\n\n", &block("a", 1)).unwrap();
    assert_eq!(one, [b"x\r\n\n", &block("a", 1)[..]].concat());
    let two = with_block(&one, &block("b", 1)).unwrap();
    let changed = with_block(&two, &block("a", 2)).unwrap();
    assert_eq!(changed, [b"x\r\n\n", &block("a", 2)[..], &block("b", 1)].concat());
    assert_eq!(with_block(&changed, &block("a", 2)).unwrap(), changed);
    assert!(with_block(b"", b"x\n").is_err() && with_block(b"", &two).is_err());
}

#[test]
fn a_line_without_an_end_gets_it_back() {
    let original = b"0 1 * * * x";
    let one = with_block(original, &block("a", 1)).unwrap();
    assert!(one.starts_with(b"0 1 * * * x\n# policy:begin "));
    let two = with_block(&one, &block("b", 1)).unwrap();
    let found = find_blocks(&two).unwrap();
    assert_eq!(found.iter().map(|block| block.after_unfinished_line).collect::<Vec<_>>(), [true, false]);
    let without_first = without_block(&two, &name("a")).unwrap();
    assert!(find_blocks(&without_first).unwrap()[0].after_unfinished_line, "the next has taken it over");
    assert_eq!(without_block(&without_first, &name("b")).unwrap(), original);
    let written_on = [&one[..], b"# more\n"].concat();
    assert_eq!(without_block(&written_on, &name("a")).unwrap(), b"0 1 * * * x\n# more\n");
}

#[test]
fn a_block_is_judged_as_it_was_rendered() {
    let rendered = block("a", 1);
    let text = with_block(b"x", &rendered).unwrap();
    let found = &find_blocks(&text).unwrap()[0];
    assert_eq!((found.file(&text).bytes, found.line), (rendered, 2));
    assert_eq!(hash_of(&[found.file(&text)], &found.hash), found.hash);
    let edited = String::from_utf8(text).unwrap().replace("0 1 ", "0 2 ").into_bytes();
    let found = &find_blocks(&edited).unwrap()[0];
    assert_ne!(hash_of(&[found.file(&edited)], &found.hash), found.hash);
}

#[test]
fn a_shell_or_zone_that_others_set_is_found() {
    let text = b"SHELL=/bin/bash\n SHELL = \"/usr/bin/fish\"\n#CRON_TZ=UTC\nMAILTO=a\nCRON_TZ=Asia/Tokyo\n0 1 * * * CRON_TZ=x y\n";
    assert_eq!(
        foreign_settings(text),
        [(2, "SHELL=/usr/bin/fish".to_owned()), (5, "CRON_TZ=Asia/Tokyo".to_owned())]
    );
    assert_eq!(foreign_settings(&block("a", 1)), []);
}

/// Crontabs of other people: CRs, blank lines, other tools' blocks, bytes that are no text, and no end of the last line.
fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => "[0-9*]{1,2} [0-9] \\* \\* \\* [a-z/%\\\\ é]{1,12}".prop_map(String::into_bytes),
        2 => Just(Vec::new()),
        1 => Just(b"### this section was generated by resticprofile, do not edit this marker\r".to_vec()),
        1 => Just(b"# policy: keep it tidy".to_vec()),
        1 => Just(b"MAILTO=\"a\"\r".to_vec()),
        1 => Just(vec![b'#', 0xff, 0xe9]),
    ];
    (prop::collection::vec(line, 0..6), any::<bool>()).prop_map(|(lines, ends)| {
        let mut text = lines.join(&b'\n');
        if ends && !text.is_empty() {
            text.push(b'\n');
        }
        text
    })
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn what_was_there_before_is_there_after(
        original in foreign(), installs in prop::collection::vec((0..3_usize, 0..24_u32), 1..6), order in Just([0, 1, 2]).prop_shuffle(),
    ) {
        let jobs = ["a", "b", "c"];
        let mut text = original.clone();
        let mut last = [None; 3];
        for (job, hour) in installs {
            let block = block(jobs[job], hour);
            text = with_block(&text, &block).unwrap();
            last[job] = Some(hour);
            prop_assert_eq!(&with_block(&text, &block).unwrap(), &text);
            prop_assert!(text.ends_with(b"\n") && text.starts_with(&original));
        }
        let found = find_blocks(&text).unwrap();
        prop_assert_eq!(found.len(), last.iter().flatten().count());
        for (job, hour) in jobs.iter().zip(last) {
            let found = found.iter().find(|found| found.name == name(job));
            prop_assert_eq!(found.map(|found| found.file(&text).bytes), hour.map(|hour| block(job, hour)));
        }
        for job in order {
            text = without_block(&text, &name(jobs[job])).unwrap();
        }
        prop_assert_eq!(text, original);
    }

    #[test]
    fn lines_around_and_between_stay(before in foreign(), between in foreign(), after in foreign()) {
        let end = |mut text: Vec<u8>| {
            if !text.is_empty() && !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            text
        };
        let (before, between) = (end(before), end(between));
        let text = [&before, &block("a", 1), &between, &block("b", 1), &after[..]].concat();
        let changed = with_block(&text, &block("a", 2)).unwrap();
        prop_assert_eq!(&changed, &[&before, &block("a", 2), &between, &block("b", 1), &after[..]].concat());
        let without = without_block(&changed, &name("a")).unwrap();
        prop_assert_eq!(&without, &[&before, &between, &block("b", 1), &after[..]].concat());
        prop_assert_eq!(without_block(&without, &name("b")).unwrap(), [&before, &between, &after[..]].concat());
    }

    #[test]
    fn a_lost_line_is_told_or_harmless(original in foreign(), line in 0..8_usize) {
        let text = with_block(&with_block(&original, &block("a", 1)).unwrap(), &block("b", 1)).unwrap();
        let blocks = text.split_inclusive(|b| *b == b'\n').count() - 8;
        let lines = text.split_inclusive(|b| *b == b'\n').enumerate().filter(|(n, _)| *n != blocks + line);
        let text = lines.map(|(_, line)| line).collect::<Vec<_>>().concat();
        // Of the four lines of a block the first and the last are marks.
        prop_assert_eq!(find_blocks(&text).is_err(), [0, 3, 4, 7].contains(&line));
        prop_assert_eq!(with_block(&text, &block("c", 1)).is_err(), [0, 3, 4, 7].contains(&line));
    }

    #[test]
    fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..64), marks in "(# policy:(begin|end)[ a-z0-9=\n-]{0,20}){0,3}") {
        let text = [&text[..], marks.as_bytes()].concat();
        if let Ok(blocks) = find_blocks(&text) {
            prop_assert!(blocks.is_empty());
        }
    }
}
