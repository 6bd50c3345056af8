//! With stand-ins for crontab(1) where the real one cannot be made to misbehave; the real one is in the tests from outside.
#![expect(clippy::disallowed_methods, reason = "tests look at files")]

use super::*;
use crate::{
    install::{
        apply, decide,
        tests::{name, rendered, stand_in, tools, with_watch},
    },
    schedule::render::NO_HASH,
};
use std::{collections::BTreeMap, fs};

fn entry(job: &str) -> (EntryName, Rendered) {
    let name = name(job);
    let text = format!(
        "# policy:begin {name} sha256={NO_HASH}\n0 1 * * * /usr/bin/policy run prod/{job} --due\n# policy:end {name}\n"
    );
    (name.clone(), rendered(&[(&format!("{name}.crontab"), &text)]))
}

/// Installs one entry by a stand-in that keeps its text in a file beside it.
fn installed_by(
    script: &str,
    text: Option<&str>,
) -> (tempfile::TempDir, Result<crate::install::Applied, InstallError>) {
    let folder = tempfile::tempdir().unwrap();
    stand_in(
        folder.path(),
        "crontab",
        &format!("here=$(dirname \"$0\"); echo \"$*\" >>\"$here/calls\"\n{script}"),
    );
    if let Some(text) = text {
        fs::write(folder.path().join("text"), text).unwrap();
    }
    let mut crontab = Crontab::new(folder.path().join("state"), tools(folder.path()).only());
    let wanted = BTreeMap::from([entry("a")]);
    let applied = with_watch(|watch| apply(&mut crontab, &decide(&wanted, &[]), &wanted, watch));
    (folder, applied)
}

const READ: &str = "-l) cat \"$here/text\" 2>/dev/null || { echo 'no crontab for x' >&2; exit 1; } ;;";

#[test]
fn a_crontab_that_cannot_be_read_is_never_taken_for_an_empty_one() {
    let (folder, applied) =
        installed_by("echo 'crontab: must be privileged to use' >&2; exit 1", Some("x\n"));
    let error = applied.unwrap_err().to_string();
    assert!(error.contains("must be privileged"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("text")).unwrap(), "x\n");
    assert_eq!(fs::read_to_string(folder.path().join("calls")).unwrap(), "-l\n");
}

#[test]
fn cronie_is_never_called_with_the_word_that_names_its_cluster() {
    let script = format!(
        "case $1 in -V) echo 'cronie 1.7.2' ;; -T) exit 0 ;; -n) touch \"$here/cluster\" ;;\n{READ}\n\
         *) cat \"$1\" >\"$here/text\" ;; esac"
    );
    let (folder, applied) = installed_by(&script, None);
    assert!(applied.unwrap().failed.is_empty());
    assert!(!folder.path().join("cluster").exists());
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    assert!(calls.contains("-T /"), "{calls}");
}

#[test]
fn what_the_program_does_not_keep_is_told_with_the_place_of_the_text_before() {
    let script = format!("case $1 in -V) exit 1 ;;\n{READ}\n*) echo lost >\"$here/text\" ;; esac");
    let (folder, applied) = installed_by(&script, Some("0 5 * * * mine\n"));
    let error = applied.unwrap_err();
    let InstallError::Unlike { kept: Some(kept), .. } = &error else { panic!("{error}") };
    assert_eq!(fs::read_to_string(kept).unwrap(), "0 5 * * * mine\n");
    assert!(kept.starts_with(folder.path().join("state")));
}

#[test]
fn somebody_who_writes_meanwhile_is_not_written_over() {
    // Each reading finds another text.
    let script = "case $1 in -V) exit 1 ;; -l) echo x >>\"$here/text\"; cat \"$here/text\" ;;\n*) touch \"$here/written\" ;; esac";
    let (folder, applied) = installed_by(script, None);
    assert!(matches!(applied, Err(InstallError::Busy { .. })), "{applied:?}");
    assert!(!folder.path().join("written").exists());
}

#[test]
fn settings_above_a_block_are_told() {
    let text =
        b"# CRON_TZ=x\nMAILTO=a\n CRON_TZ = America/New_York\nSHELL=/bin/fish\n0 1 * * * A=b SHELL=1\n";
    assert_eq!(settings_above(text), ["CRON_TZ = America/New_York", "SHELL=/bin/fish"]);
}
