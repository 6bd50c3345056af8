//! Secrets from each place that a policy can name, and what is said where there is none.

use super::*;
use crate::{
    policy::{load, model::EngineSpec, variables::EnvFile},
    watch::Cancel,
};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

/// The secret of a policy in `folder`, and what is said where there is none.
fn secret(folder: &Path, password: &str) -> Result<String, String> {
    let text = format!(
        "version: 1\nname: app\ntimezone: UTC\nstores: {{local: /b}}\ntargets:\n  db:\n    postgres:\n      url: postgresql://h/d\n      \
         password: {password}\njobs: {{n: {{retention: {{last: 1}}}}}}\n"
    );
    let loaded = load("policy.yaml", folder, text.as_bytes());
    let policy = loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.problems));
    let EngineSpec::Postgres(spec) = &policy.targets().values().next().unwrap().engine else { panic!() };
    let mut host = Host::read(None).unwrap();
    host.environment.remove("CREDENTIALS_DIRECTORY");
    if folder.join("credentials").exists() {
        let credentials = folder.join("credentials").to_string_lossy().into_owned();
        host.environment.insert("CREDENTIALS_DIRECTORY".into(), credentials);
    }
    let entries: BTreeMap<_, _> = [("PW".to_owned(), ("from .env".to_owned(), 1))].into();
    let file = EnvFile { written: ".env".into(), path: folder.join(".env"), entries };
    let variables = Variables::new(BTreeMap::new(), vec![file]);
    let reading = Reading { host: &host, policy: &policy, variables: &variables, target: "db" };
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, None, &|_| ());
    match keep(spec.password.as_ref().unwrap(), reading).and_then(|kept| kept.read(&watch)) {
        Ok(secret) => Ok(secret.expose().to_owned()),
        Err(problems) => {
            assert!(problems.iter().all(|problem| problem.span().is_some() && !problem.help.is_empty()));
            Err(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
        }
    }
}

#[test]
fn a_variable_is_expanded_with_the_text_around_it() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(secret(folder.path(), "${PW}"), Ok("from .env".to_owned()));
    assert_eq!(secret(folder.path(), "\"<${PW}>\""), Ok("<from .env>".to_owned()));
    assert_eq!(secret(folder.path(), "${NO}"), Err("the variable `NO` is not set here".to_owned()));
}

#[test]
fn a_file_is_read_without_the_line_end_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pg");
    for (bytes, expected) in [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        ("hunter2\n\n", "hunter2\n"),
        (" a\r", " a\r"),
    ] {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(secret(folder.path(), "{file: pg}"), Ok(expected.to_owned()));
    }
    for (bytes, said) in [
        (b"".to_vec(), "it is empty"),
        (b"\n".to_vec(), "it is empty"),
        (vec![b'x'; MOST_BYTES + 1], "it is longer than 64 KiB"),
        (vec![b'x'; 1 << 20], "it is longer than 64 KiB"),
        (b"hunter2\xff".to_vec(), "it is no UTF-8 text"),
        (b"hunter2\0".to_vec(), "there is a NUL byte in it"),
    ] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(secret(folder.path(), "{file: pg}"), Err(format!("pg holds no secret: {said}")));
    }
    fs::write(&path, vec![b'x'; MOST_BYTES]).unwrap();
    assert_eq!(secret(folder.path(), "{file: pg}").map(|secret| secret.len()), Ok(MOST_BYTES));
    let said = secret(folder.path(), "{file: /dev/zero}").unwrap_err();
    assert_eq!(said, "the secret cannot be read from /dev/zero: it is no file");
    let said = secret(folder.path(), "{file: nothing}").unwrap_err();
    assert!(said.starts_with("the secret cannot be read from nothing: No such file"), "{said}");
}

#[test]
fn a_credential_is_a_file_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let said = secret(folder.path(), "{credential: pg}").unwrap_err();
    assert_eq!(said, "there is no credential `pg`: CREDENTIALS_DIRECTORY is not set");
    fs::create_dir(folder.path().join("credentials")).unwrap();
    fs::write(folder.path().join("credentials/pg"), "hunter2\n").unwrap();
    assert_eq!(secret(folder.path(), "{credential: pg}"), Ok("hunter2".to_owned()));
    let said = secret(folder.path(), "{credential: other}").unwrap_err();
    assert!(said.starts_with("the secret cannot be read from the credential `other`: "), "{said}");
}

#[test]
fn a_command_prints_it_and_no_error_does() {
    let folder = tempfile::tempdir().unwrap();
    let run = |script: &str| {
        secret(folder.path(), &format!("{{command: [sh, -c, '{script}', sh, \"{{target}}\"]}}"))
    };
    assert_eq!(run("echo hunter2"), Ok("hunter2".to_owned()));
    assert_eq!(run("echo $1 $POLICY_POLICY"), Ok("db app".to_owned()));
    assert_eq!(run("true"), Err("what `sh` prints is no secret: it is empty".to_owned()));
    let said = run("echo hunter2; echo no key for hunter2 >&2; exit 3").unwrap_err();
    assert_eq!(said, "the secret cannot be read: `sh` ended with exit status: 3: no key for ${secret}");
    let said = run("while :; do echo hunter2hunter2hunter2hunter2hunter2; done").unwrap_err();
    assert_eq!(said, "what `sh` prints is no secret: it is longer than 64 KiB");
    let said = secret(folder.path(), "{command: [no-such-program]}").unwrap_err();
    assert!(said.starts_with("the secret cannot be read: cannot start `no-such-program`"), "{said}");
    let said = secret(folder.path(), "{command: [cat, \"${NO}\"]}").unwrap_err();
    assert_eq!(said, "the variable `NO` is not set here");
}
