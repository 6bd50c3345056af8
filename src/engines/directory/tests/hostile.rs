//! Archives made to harm: none may write, link or reach outside of the new folder, or take memory without bound.

use super::Bench;
use crate::{
    engines::{EngineError, directory::archive::shown},
    evidence::Integrity,
    policy::values::Level,
};
use std::fs;

/// One raw member, with a right checksum.
fn member(kind: u8, name: &str, target: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let fields = header.as_gnu_mut().unwrap();
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = member(b'5', "./", "", b"");
    bytes.extend(members.concat());
    bytes.extend([0; 1_024]);
    bytes
}

#[test]
fn a_hostile_archive_is_refused_whole_and_writes_nothing_anywhere() {
    let outside = "outside";
    let huge = vec![b'1'; 70_000];
    for (what, members) in [
        ("dot dot", vec![member(b'0', "./../outside", "", b"x")]),
        ("dot dot inside", vec![member(b'5', "./a/", "", b""), member(b'0', "./a/../../outside", "", b"x")]),
        ("absolute", vec![member(b'0', "/outside", "", b"x")]),
        ("bare name", vec![member(b'0', "outside", "", b"x")]),
        ("through a link", vec![member(b'2', "./l", "..", b""), member(b'0', "./l/outside", "", b"x")]),
        ("folder over a link", vec![member(b'2', "./l", "..", b""), member(b'5', "./l/", "", b"")]),
        ("file over a link", vec![member(b'2', "./l", "../outside", b""), member(b'0', "./l", "", b"x")]),
        ("hard link out", vec![member(b'1', "./h", "./../secret", b"")]),
        ("hard link absolute", vec![member(b'1', "./h", "/etc/passwd", b"")]),
        (
            "hard link through a link",
            vec![member(b'2', "./l", "..", b""), member(b'1', "./h", "./l/secret", b"")],
        ),
        ("hard link to a link", vec![member(b'2', "./l", "../secret", b""), member(b'1', "./h", "./l", b"")]),
        ("device", vec![member(b'3', "./null", "", b"")]),
        ("pipe", vec![member(b'6', "./pipe", "", b"")]),
        ("unknown kind", vec![member(b'Z', "./z", "", b"")]),
        ("huge record", vec![member(b'x', "././@PaxHeader", "", &huge), member(b'0', "./a", "", b"")]),
        (
            "path by record",
            vec![member(b'x', "././@PaxHeader", "", b"19 path=../outside\n"), member(b'0', "./a", "", b"x")],
        ),
        (
            "long name",
            vec![member(b'L', "././@LongLink", "", b"./../outside\0"), member(b'0', "./a", "", b"x")],
        ),
        ("the folder itself as a file", vec![member(b'0', "./", "", b"x")]),
        ("not in an open folder", vec![member(b'0', "./a/b", "", b"x")]),
        (
            "back into a closed folder",
            vec![
                member(b'5', "./a/", "", b""),
                member(b'5', "./b/", "", b""),
                member(b'0', "./a/x", "", b"x"),
            ],
        ),
        ("content on a link", vec![member(b'2', "./l", "x", b"content")]),
    ] {
        let bench = Bench::new();
        fs::write(bench.path("secret"), "secret").unwrap();
        let tar = archive(&members);
        let failed = bench.restore(&tar, None, &bench.path("restored"));
        assert!(failed.is_err(), "{what}");
        assert!(!bench.path(outside).exists(), "{what} wrote outside");
        assert!(!bench.path("restored").exists(), "{what} left something");
        assert_eq!(fs::read(bench.path("secret")).unwrap(), b"secret", "{what}");
        let integrity = bench.examine(Level::Integrity, &tar, Some(b"")).integrity;
        assert!(matches!(integrity, Integrity::Damaged(_)) || what.contains("link"), "{what}: {integrity:?}");
    }
}

#[test]
fn a_claimed_size_beyond_all_bounds_is_damage() {
    let bench = Bench::new();
    let mut block = member(b'0', "./a", "", b"");
    let mut header = tar::Header::from_byte_slice(&block[..512]).clone();
    header.as_gnu_mut().unwrap().size = [0xff; 12];
    header.set_cksum();
    block[..512].copy_from_slice(header.as_bytes());
    let failed = bench.restore(&archive(&[block]), None, &bench.path("restored"));
    assert!(matches!(failed, Err(EngineError::Damaged(_))), "{failed:?}");
}

#[test]
fn a_link_that_leads_out_is_restored_as_text_and_followed_by_nobody() {
    let bench = Bench::new();
    let tar = archive(&[member(b'2', "./l", "/etc", b""), member(b'0', "./m", "", b"x")]);
    bench.restore(&tar, None, &bench.path("restored")).unwrap();
    assert_eq!(fs::read_link(bench.path("restored/l")).unwrap().to_str(), Some("/etc"));
}

#[test]
fn names_are_shown_without_what_a_terminal_would_obey() {
    assert_eq!(shown(b"a\x1b[2Jb\n\xff\xe2\x80\xaec"), "a\\u{1b}[2Jb\\n\\xff\\u{202e}c");
    assert_eq!(shown(b""), ".");
}
