//! Anything that a command dumps: stored as it comes, proven and loaded by its own commands.

use crate::support::{Sandbox, until};
use std::{fs, time::Duration};

const POLICY: &str = "\
version: 1
name: app
timezone: UTC
env_files: [.env]
stores: {local: ./store}
targets:
  cache:
    command:
      dump: [cat, live]
      verify: [sh, -c, 'grep -q ^whole']
      restore: [sh, -c, 'cat > live', sh, '{target}']
      extension: rdb
jobs: {n: {retention: {last: 9}}}
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.write("live", "whole\0and more\n".repeat(50_000));
    sandbox
}

/// A sandbox with this command in place of the dump's.
fn dumping(words: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox.write("policy.yaml", POLICY.replace("[cat, live]", words));
    sandbox
}

fn newest(sandbox: &Sandbox) -> (String, serde_json::Value) {
    let folder = format!("store/app/n/cache/{}", sandbox.backups("store/app/n/cache").last().unwrap());
    let manifest = sandbox.manifest(&folder);
    (folder, manifest)
}

#[test]
fn what_a_command_dumps_comes_back_by_its_own_restore() {
    let sandbox = sandbox();
    let live = fs::read(sandbox.path("live")).unwrap();
    sandbox.run(&["run"]).exits(0).says("by dump");
    let (folder, manifest) = newest(&sandbox);
    assert_eq!((&manifest["level"], &manifest["source"]), (&"integrity".into(), &"cat live".into()));
    assert!(sandbox.path(&format!("{folder}/cache.rdb.zst")).is_file());
    sandbox.run(&["verify"]).exits(0).says("level integrity");
    sandbox
        .run(&["verify", "cache", "--level", "restore"])
        .exits(2)
        .says("`--level checksum` or `--level integrity`");
    fs::write(sandbox.path("live"), "lost").unwrap();
    // Over what is live, with nothing set aside: never unasked.
    sandbox.run(&["restore", "cache"]).exits(5).says("nothing is set aside").says("with `--yes`");
    sandbox.run(&["restore", "cache", "--to", "other"]).exits(2).says("has no place");
    sandbox.run(&["restore", "cache", "-n"]).exits(0).says("by its own command, over what is live");
    assert_eq!(sandbox.read("live"), "lost");
    sandbox.run(&["restore", "cache", "--yes"]).exits(0).says("restored app/n/cache").says(" to cache in ");
    assert_eq!(fs::read(sandbox.path("live")).unwrap(), live);
    sandbox.run(&["restore", "--undo", "cache", "--yes"]).exits(10).says("nothing is set aside");
    // Stock tools alone.
    let script = format!(
        "cd {folder} && sha256sum -c --quiet SHA256SUMS && zstd -q -d < cache.rdb.zst | cmp - ../../../../../live"
    );
    sandbox.finish(sandbox.prepare("/bin/sh".as_ref(), &["-c", &script])).exits(0);
}

#[test]
fn a_dump_that_fails_or_says_nothing_is_none() {
    for (words, says) in [
        ("[sh, -c, 'cat live; echo no room >&2; exit 3']", "`sh` ended with exit status: 3: no room"),
        ("[sh, -c, 'cat live; kill -9 $$']", "signal: 9"),
        // It ended well, and what it had started had not: the end of the dump may be missing.
        ("[sh, -c, '(sleep 4; echo rest) & echo first']", "may not be whole"),
        ("[sh, -c, 'setsid sleep 40 & echo first']", "may not be whole"),
        ("['true']", "`true` wrote nothing to its standard output"),
        ("[no-such-program, --all]", "cannot start `no-such-program`"),
    ] {
        let sandbox = dumping(words);
        sandbox.run(&["run"]).exits(1).says(says);
        assert!(sandbox.backups("store/app/n/cache").is_empty(), "{words}");
        let left = sandbox.tree("store").into_iter().filter(|name| name.contains(".staging")).count();
        assert_eq!(left, 0, "{words}");
    }
    let bare = sandbox();
    bare.write("policy.yaml", POLICY.replace("jobs:", "    expect: {min_size: 1GiB}\njobs:"));
    bare.run(&["run"]).exits(1).says("expect: min_size");
    // What left the group with standard error alone in its hands is waited for by nobody, and costs nothing.
    let sandbox = dumping("[sh, -c, 'setsid sleep 60 > /dev/null & echo whole']");
    let since = std::time::Instant::now();
    sandbox.run(&["run"]).exits(0);
    assert!(since.elapsed() < Duration::from_secs(40));
}

#[test]
fn a_dump_that_hangs_ends_with_its_timeout_or_a_signal_and_all_of_its_group() {
    let slow = "[sh, -c, 'cat live; sleep 300 & echo $! > pid; wait']";
    let sandbox = dumping(slow);
    let policy = sandbox.read("policy.yaml").replace("{retention", "{timeout: 1s, retention");
    sandbox.write("policy.yaml", policy);
    let is_gone = || {
        let pid = sandbox.read("pid").trim().to_owned();
        until("the end of what it started", || !std::path::Path::new(&format!("/proc/{pid}/cwd")).exists());
    };
    sandbox.run(&["run"]).exits(1).says("timeout");
    is_gone();
    fs::remove_file(sandbox.path("pid")).unwrap();
    sandbox.write("policy.yaml", POLICY.replace("[cat, live]", slow));
    let running = sandbox.start(&["run"]);
    until("the dump", || sandbox.read_or_empty("pid").ends_with('\n'));
    std::thread::sleep(Duration::from_millis(200));
    running.signal("INT");
    running.wait().exits(130);
    is_gone();
    // A kill leaves nothing running either, and the next run nothing lying about.
    fs::remove_file(sandbox.path("pid")).unwrap();
    let running = sandbox.start(&["run"]);
    until("the dump", || sandbox.read_or_empty("pid").ends_with('\n'));
    running.kill();
    is_gone();
    sandbox.write("policy.yaml", POLICY);
    sandbox.run(&["run"]).exits(0);
    assert!(!sandbox.tree("store").iter().any(|name| name.contains(".staging")));
    assert_eq!(sandbox.backups("store/app/n/cache").len(), 1);
}

#[test]
fn what_its_own_verify_refuses_is_kept_and_not_proven() {
    let sandbox = sandbox();
    fs::write(sandbox.path("live"), "half of it").unwrap();
    sandbox.run(&["run"]).exits(4).says("integrity: `sh` ended with exit status: 1");
    assert_eq!(newest(&sandbox).1["level"], "checksum");
    sandbox.run(&["verify"]).exits(4);
    // Without a `verify` of its own nothing but the bytes is shown, and asking for more is an error of the policy.
    let bare = POLICY.replace("      verify: [sh, -c, 'grep -q ^whole']\n", "");
    sandbox.write("policy.yaml", &bare);
    sandbox.run(&["run"]).exits(0).says("verified to level checksum");
    sandbox.write("policy.yaml", bare.replace("{retention", "{verify: integrity, retention"));
    sandbox.run(&["check"]).exits(2).says("cannot offer the level `integrity`").says("`verify`");
    sandbox.write("policy.yaml", bare.replace("      restore:", "      # restore:"));
    sandbox.run(&["run"]).exits(0);
    sandbox.run(&["restore", "cache", "--yes"]).exits(5).says("has no `restore` command");
}

#[test]
fn damage_is_found_before_anything_is_loaded() {
    let sandbox = sandbox();
    sandbox.run(&["run"]).exits(0);
    let path = sandbox.path(&format!("{}/cache.rdb.zst", newest(&sandbox).0));
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::write(sandbox.path("live"), "as it is").unwrap();
    sandbox.run(&["restore", "cache", "--yes"]).exits(4);
    assert_eq!(sandbox.read("live"), "as it is");
}

#[test]
fn a_load_that_fails_says_so_and_takes_the_swapped_ones_back() {
    let sandbox = sandbox();
    let policy = POLICY
        .replace("targets:\n", "targets:\n  app: {sqlite: app.db}\n")
        .replace("'cat > live'", "'head -c 9 > live; echo refused >&2; exit 7'");
    sandbox.write("policy.yaml", policy);
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    sandbox.run(&["run"]).exits(0);
    sandbox.sql("app.db", "INSERT INTO t VALUES (2)");
    sandbox
        .run(&["restore", "--job", "n", "--yes"])
        .exits(1)
        .says("`sh` ended with exit status: 7: refused")
        .says("app.db is as it was")
        .says("what `cache` had loaded by then is not taken back");
    assert_eq!(sandbox.ask("app.db", "SELECT count(*) FROM t"), "2");
}

#[test]
fn secrets_of_its_commands_are_shown_by_name() {
    let sandbox = dumping("[sh, -c, 'echo using $TOKEN >&2; echo \"${TOKEN}\" >&2; exit 1']");
    sandbox.write(".env", "TOKEN=canary-5512\n");
    sandbox.run(&["run"]).exits(1).says("${TOKEN}").hides("canary-5512");
    // Also where a long line is cut in the middle of one.
    let line = "[sh, -c, 'printf %01020d 0 >&2; echo \"$TOKEN\" >&2; exit 1']";
    sandbox.write("policy.yaml", POLICY.replace("[cat, live]", line));
    sandbox.run(&["run"]).exits(1).hides("cana");
    for name in sandbox.tree(sandbox.state().to_str().unwrap()) {
        let bytes = fs::read(sandbox.state().join(&name)).unwrap_or_default();
        assert!(!bytes.windows(11).any(|part| part == b"canary-5512"), "{name}");
    }
}
