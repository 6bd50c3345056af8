//! A literal secret in a policy is shown in no format, whatever is said about the place where it stands.

#![cfg(unix)]

use crate::support::Sandbox;

const HEAD: &str = "version: 1\nname: app\ntimezone: UTC\n";
const STORES: &str = "stores: {local: /srv/b}\n";
const TARGETS: &str = "targets: {app: {sqlite: /data/app.db}}\n";

fn job(more: &str) -> String {
    format!(
        "{HEAD}{STORES}{TARGETS}jobs: {{n: {{schedule: \"0 4 * * *\", retention: {{daily: 7}}, {more}}}}}\n"
    )
}

fn store(text: &str) -> String {
    format!(
        "{HEAD}stores: {{local: {text}}}\n{TARGETS}jobs: {{n: {{schedule: \"0 4 * * *\", retention: {{daily: 7}}}}}}\n"
    )
}

fn postgres(text: &str) -> String {
    format!(
        "{HEAD}{STORES}targets:\n  app:\n    postgres: {text}\njobs: {{n: {{schedule: \"0 4 * * *\", retention: {{daily: 7}}}}}}\n"
    )
}

#[test]
fn no_message_no_help_and_no_line_shows_a_literal_secret() {
    let texts = [
        job("before: \"mysqldump --password=hunter2\""),
        job("before: [mysqldump, --password=hunter2]"),
        job("before: [[mysqldump, --password, hunter2, \"|\", gzip]]"),
        job("before: [[PGPASSWORD=hunter2, pg_dump]]"),
        job("before: [[\"x --password=hunter2\"]]"),
        job("before: [[curl, -u, \"me:hunter2\", \">\", x]]"),
        job("before: [[curl, {password: hunter2}]]"),
        job("before: [[curl, -H, \"Authorization: Bearer hunter2\", \">\", x]]"),
        job("password: *hunter2"),
        job("password: !!hunter2 x"),
        job("pass: hunter2"),
        store("{path: /srv/b, token:hunter2}"),
        store("{path: /srv/b, password: \"${PW:-hunter2}\"}"),
        store("\"sftp:user:hunter2@host:/srv\""),
        store("\"s3://AKIA:hunter2/x+y@bucket\""),
        store("\"https://hooks.slack.com/services/T0/B0/hunter2\""),
        postgres("postgresql://me:hunter2@db/app"),
        postgres("\"postgresql://me:a b,hunter2@db/app\""),
        postgres("postgresql://me:hunter2/x@db/app"),
        postgres("postgresql://me:hun@hunter2@db/app"),
        postgres("postgresql://me:hunter2/app"),
        postgres("postgresql://hunter2:@db:x/app"),
        postgres("mysql://me:hunter2@db/app"),
        postgres("me:hunter2@db/app"),
        postgres("postgresql://db/app?pass%77ord=hunter2"),
        postgres("postgresql://db/app?sslpassword=hunter2"),
        postgres("postgresql://me:${PW:-hunter2}@db/app"),
        postgres("{url: postgresql://db/app, password: hunter2}"),
        postgres("{url: postgresql://db/app, password: \"hunter2 ${PW:-x}\"}"),
        postgres("{url: postgresql://db/app, password: [hunter2]}"),
        postgres("{url: postgresql://db/app, password: {value: hunter2}}"),
        postgres("\n      url: postgresql://db/app\n      password: |\n        hunter2\n"),
        postgres("\n      url: postgresql://db/app\n      password:\n        text: hunter2\n"),
        format!(
            "{HEAD}stores:\n  local:\n    path: /srv/b\n    password:hunter2\n{TARGETS}jobs: {{n: {{}}}}\n"
        ),
        format!(
            "{HEAD}{STORES}environment:\n  - DB_PASSWORD=hunter2\nexport: 1\n{TARGETS}jobs: {{n: {{}}}}\n"
        ),
    ];
    for text in texts {
        let sandbox = Sandbox::with_policy(&text);
        for format in ["human", "json", "github", "sarif"] {
            let answer = sandbox.run(&["check", "policy.yaml", "--format", format]);
            let told = !answer.stdout.is_empty() || !answer.stderr.is_empty();
            assert!(told && !answer.to_string().contains("hunter2"), "{format}\n{text}\n{answer}");
        }
    }
}

#[test]
fn a_target_that_only_sounds_secret_is_shown() {
    let text = format!(
        "{HEAD}{STORES}targets:\n  api-token:\n    sqlite: /data/app.db\n    chekcs: []\njobs: {{n: {{}}}}\n"
    );
    Sandbox::with_policy(&text).run(&["check"]).exits(2).says("sqlite: /data/app.db").says("chekcs");
}
