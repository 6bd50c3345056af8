//! Every way to say how a server is reached and where the password is; and the password is shown and kept nowhere.

use super::{PASSWORD, ROLE, encoded};
use crate::support::{
    postgres::{Cluster, literal},
    served::Served,
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const CANARY: &str = "kanarie-5d1f";

/// What is seen of the processes of this host that come from a program, as long as this lives.
struct Watcher {
    over: Arc<AtomicBool>,
    found: Arc<Mutex<BTreeSet<String>>>,
    thread: Option<thread::JoinHandle<usize>>,
}

impl Watcher {
    /// Looks at the arguments of every process, and at the environment of everything that the program started.
    fn start() -> Self {
        let (over, found) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeSet::new())));
        let (is_over, finds) = (Arc::clone(&over), Arc::clone(&found));
        let thread = thread::spawn(move || {
            let mut looks = 0;
            while !is_over.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
                    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
                    let name = name.trim();
                    let look = |what: &str| {
                        let bytes = fs::read(process.join(what)).unwrap_or_default();
                        if bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
                            let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
                            finds.lock().unwrap().insert(format!("{what} of {name}: {text}"));
                        }
                    };
                    // The test's own program holds it in no argument.
                    look("cmdline");
                    if ["psql", "pg_dump", "pg_restore", "pg_dumpall", "sh"].contains(&name) {
                        look("environ");
                        looks += 1;
                    }
                }
                thread::sleep(Duration::from_millis(1));
            }
            looks
        });
        Self { over, found, thread: Some(thread) }
    }

    #[track_caller]
    fn saw_nothing(mut self) {
        self.over.store(true, Ordering::Relaxed);
        let looks = self.thread.take().unwrap().join().unwrap();
        assert!(looks > 10, "it did not see the programs");
        // A program that was just started is, for a moment, still this one with its environment.
        let found = self.found.lock().unwrap();
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// Everything that the program wrote.
fn written(project: &Served<'_>) -> Vec<PathBuf> {
    let mut open = vec![project.state(), project.path("store"), project.path("snapshots")];
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}

/// Calls the program in every way, and looks at everything that it says and writes.
fn is_hidden(project: &Served<'_>, way: &str) {
    for words in [
        "check",
        "plan --write snapshots",
        "run --dry-run --json",
        "run -v",
        "list --json",
        "show app --json",
        "verify --level restore -v",
        "restore app --dry-run",
        "restore app --to back --yes --json",
        "history --json",
        "log",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let answer = project.run(&words);
        assert_eq!(answer.exit, 0, "{way}: {answer}");
        let answer = answer.hides(CANARY);
        for file in written(project) {
            let bytes = fs::read(&file).unwrap();
            let found = bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
            assert!(!found, "after {words:?}, {} holds it\n{answer}", file.display());
        }
    }
}

/// A text in a line of a pass file.
fn in_pass_file(text: &str) -> String {
    text.replace('\\', r"\\").replace(':', r"\:")
}

#[test]
fn each_way_to_a_server_serves_and_its_password_is_shown_and_kept_nowhere() {
    let Some(cluster) = Cluster::start() else { return };
    let password = format!("{CANARY} {PASSWORD}");
    cluster.psql("postgres", &format!("ALTER ROLE {ROLE} PASSWORD {}", literal(&password)));
    let database = cluster.create_database("CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let (port, socket) = (cluster.port(), encoded(cluster.socket_folder().to_str().unwrap()));
    let here = format!("127.0.0.1:{port}");
    let ways: Vec<(&str, String)> = vec![
        ("a whole URL in a variable", "'${DATABASE_URL}'".to_owned()),
        ("user and password in variables", format!("'postgresql://${{WHO}}:${{PW}}@{here}/{database}'")),
        ("its beginning in a variable", format!("'${{BEGINNING}}/{database}?sslmode=disable'")),
        ("as SQLAlchemy has it", "'${ALCHEMY}'".to_owned()),
        ("a file", format!("{{url: postgresql://{ROLE}@{here}/{database}, password: {{file: pw}}}}")),
        (
            "a command",
            format!(
                "{{url: postgresql://{ROLE}@{here}/{database}, password: {{command: [say, '{{target}}']}}}}"
            ),
        ),
        (
            "a credential",
            format!("{{url: postgresql://{ROLE}@{here}/{database}, password: {{credential: pg}}}}"),
        ),
        (
            "a variable of its own",
            format!("{{url: postgresql://{ROLE}@{here}/{database}, password: '${{PW}}'}}"),
        ),
        ("a pass file in the URL", format!("'postgresql://{ROLE}@{here}/{database}?passfile=${{PASSES}}'")),
        ("the user's pass file", format!("postgresql://{ROLE}@{here}/{database}")),
        ("a service", "postgresql:///?service=mine".to_owned()),
        ("a socket", format!("'postgresql://${{WHO}}:${{PW}}@{socket}:{port}/{database}'")),
        (
            "a socket as an option",
            format!("'postgresql://${{WHO}}:${{PW}}@/{database}?host={socket}&port={port}'"),
        ),
        ("IPv6", format!("'postgresql://${{WHO}}:${{PW}}@[::1]:{port}/{database}'")),
        ("several hosts", format!("'postgresql://${{WHO}}:${{PW}}@127.0.0.1:1,{here}/{database}'")),
    ];
    let watcher = Watcher::start();
    for (way, engine) in ways {
        let project = Served::of(&cluster, &database, ("", "", ""));
        let text = crate::support::served::policy("", "scratch: of_passwords", ", verify: restore");
        project.write("policy.yaml", text.replace("{url: '${DATABASE_URL}'}", &engine));
        let url = cluster.url_with(ROLE, &password, &database);
        let put = |path: &Path, text: &str| {
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        put(&project.path("pw"), &format!("{password}\n"));
        project.program("say", &format!("[ \"$1\" = app ] && cat '{}'", project.path("pw").display()));
        fs::create_dir(project.root().join("credentials")).unwrap();
        put(&project.root().join("credentials/pg"), &password);
        let line = format!("127.0.0.1:{port}:*:{ROLE}:{}\n", in_pass_file(&password));
        put(&project.root().join("passes"), &line);
        if way == "the user's pass file" {
            put(&project.home().join(".pgpass"), &line);
        }
        let service = format!(
            "[mine]\nhost=127.0.0.1\nport={port}\ndbname={database}\nuser={ROLE}\npassword={password}\n"
        );
        put(&project.home().join(".pg_service.conf"), &service);
        let Served { sandbox, cluster, database } = project;
        let (passes, credentials) = (sandbox_path(&sandbox, "passes"), sandbox_path(&sandbox, "credentials"));
        let sandbox = sandbox
            .variable("ALCHEMY", &url.replace("postgresql://", "postgresql+psycopg2://"))
            .variable("BEGINNING", &url[..url.rfind('/').unwrap()])
            .variable("DATABASE_URL", &url)
            .variable("WHO", ROLE)
            .variable("PW", &password)
            .variable("PASSES", &passes)
            .variable("CREDENTIALS_DIRECTORY", &credentials);
        let project = Served { sandbox, cluster, database };
        is_hidden(&project, way);
        cluster.psql("postgres", "DROP DATABASE back");
    }
    watcher.saw_nothing();
}

fn sandbox_path(sandbox: &crate::support::Sandbox, name: &str) -> String {
    sandbox.root().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_password_that_cannot_be_had_is_told_by_its_place_and_nothing_of_it() {
    let Some(cluster) = Cluster::start() else { return };
    let project = Served::new(&cluster, "CREATE TABLE t (x int)", ("", "", ""));
    let url = format!("postgresql://{ROLE}@127.0.0.1:{}/{}", cluster.port(), project.database);
    project.write("empty", "\n");
    project.program("fails", &format!("echo {CANARY}; echo {CANARY} >&2; exit 3"));
    project.program("hangs", "sleep 600");
    for (password, told) in [
        ("{file: none_such}", "none_such"),
        ("{file: empty}", "it is empty"),
        ("{command: [fails]}", "fails"),
        ("{command: [none_such_program]}", "none_such_program"),
        ("{credential: pg}", "CREDENTIALS_DIRECTORY"),
        ("'${NOT_SET}'", "NOT_SET"),
        ("{command: [hangs]}", "timeout ran out"),
    ] {
        let text = crate::support::served::policy("", "", ", timeout: 2s");
        let engine = format!("{{url: {url}, password: {password}}}");
        project.write("policy.yaml", text.replace("{url: '${DATABASE_URL}'}", &engine));
        let answer = project.run(&["run"]);
        assert!([1, 2].contains(&answer.exit), "{password}: {answer}");
        answer.says(told).hides(CANARY);
        project.is_clean(password);
    }
}
