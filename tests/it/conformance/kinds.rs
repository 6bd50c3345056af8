//! The kinds of sources, each with a project of its own: what the suite asks of them alike.

#[cfg(all(unix, feature = "duckdb"))]
mod duck;
#[cfg(target_os = "linux")]
mod served;

use crate::support::{Sandbox, content};
use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// Where the backups lie.
pub(super) const SERIES: &str = "store/app/nightly/app";

/// Something that makes a source one that is none.
pub(super) type Spoil<'k> = (&'static str, Box<dyn Fn() + 'k>);

/// One engine in one of its formats, with a project in a sandbox.
pub(super) trait Kind: Sync {
    fn name(&self) -> &'static str;
    fn sandbox(&self) -> &Sandbox;
    /// The highest level that a job which names none asks.
    fn highest(&self) -> &'static str {
        "checks"
    }
    /// Whether a restore sets aside what was live.
    fn sets_aside(&self) -> bool {
        true
    }
    /// Whether a capture needs more than a little room on this host.
    fn needs_scratch(&self) -> bool {
        false
    }
    /// Makes the first content.
    fn make(&self);
    /// Changes it.
    fn change(&self);
    /// Everything that is live, as text.
    fn content(&self) -> String;
    /// Deletes it.
    fn lose(&self);
    /// Ways to make it one that is none.
    fn spoiled(&self) -> Vec<Spoil<'_>>;
    /// Counts two counters up together, as long as something is done.
    fn written(&self, work: &mut dyn FnMut()) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.write(&is_over));
            work();
            is_over.store(true, Ordering::Relaxed);
        });
    }
    fn write(&self, is_over: &AtomicBool);
    /// Both counters.
    fn counters(&self) -> [String; 2];
    /// Makes the content one that fails its check; whether there is one.
    fn fail(&self) -> bool;
    /// Whether nothing is left of a run but its backups.
    fn is_clean(&self) -> bool {
        let scratch = self.sandbox().state().join("scratch");
        fs::read_dir(scratch).into_iter().flatten().flatten().next().is_none()
    }
}

/// All of them, by number.
pub(super) struct All;

impl All {
    /// `None` where this host, or this build, lacks it.
    pub(super) fn nth(n: usize) -> Option<Box<dyn Kind>> {
        Some(match n {
            0 => Box::new(Sqlite::new("wal")),
            1 => Box::new(Sqlite::new("delete")),
            2 => Box::new(Folder::new()),
            3 => Box::new(Command::new()),
            #[cfg(all(unix, feature = "duckdb"))]
            4 => Box::new(duck::Duck::new("file")),
            #[cfg(all(unix, feature = "duckdb"))]
            5 => Box::new(duck::Duck::new("export")),
            #[cfg(target_os = "linux")]
            6 => Box::new(served::Server::new("custom")?),
            #[cfg(target_os = "linux")]
            7 => Box::new(served::Server::new("plain")?),
            #[cfg(target_os = "linux")]
            8 => Box::new(served::Server::new("directory")?),
            _ => return None,
        })
    }
}

fn project(target: &str) -> Sandbox {
    Sandbox::with_policy(&format!(
        "version: 1\nname: app\ntimezone: UTC\nstores: {{local: ./store}}\ntargets:\n  app:\n{target}\
         jobs: {{nightly: {{retention: {{last: 20}}}}}}\n"
    ))
}

const CHECKS: &str = "    tables: {irreplaceable: ['*']}\n    checks: [{rows: counters, expect: '= 2'}]\n";
const COUNTERS: &str = "CREATE TABLE counters (name VARCHAR(9) PRIMARY KEY, n INTEGER); \
    INSERT INTO counters VALUES ('one', 0), ('other', 0);";

struct Sqlite {
    sandbox: Sandbox,
    mode: &'static str,
}

impl Sqlite {
    fn new(mode: &'static str) -> Self {
        Self { sandbox: project(&format!("    sqlite: app.db\n{CHECKS}")), mode }
    }

    fn path(&self) -> std::path::PathBuf {
        self.sandbox.path("app.db")
    }
}

impl Kind for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
    fn needs_scratch(&self) -> bool {
        self.mode == "delete"
    }
    fn make(&self) {
        let odd = "CREATE TABLE \"odd \"\"Ω\" (a, b AS (a * 2), c BLOB) ; INSERT INTO \"odd \"\"Ω\" (a, c) VALUES \
            (1, x'0001'), (NULL, zeroblob(70000)), ('x' || char(0) || 'y', NULL); CREATE VIEW v AS SELECT a FROM \"odd \"\"Ω\"; \
            CREATE TABLE hollow (x); CREATE TABLE rows (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
            WHERE i < 20000) INSERT INTO rows SELECT i FROM n; \
            CREATE TRIGGER t AFTER INSERT ON hollow BEGIN INSERT INTO rows VALUES (0); END;";
        self.sandbox.sql("app.db", &format!("PRAGMA journal_mode = {}; {COUNTERS} {odd}", self.mode));
    }
    fn change(&self) {
        self.sandbox.sql("app.db", "DELETE FROM rows WHERE x % 2 = 0; INSERT INTO hollow VALUES (1)");
    }
    fn content(&self) -> String {
        format!("{:?}", content::of_still_file(&self.path()))
    }
    fn lose(&self) {
        remove(&self.path());
    }
    fn spoiled(&self) -> Vec<Spoil<'_>> {
        spoiled_file(self.path())
    }
    fn write(&self, is_over: &AtomicBool) {
        let database = rusqlite::Connection::open(self.path()).unwrap();
        database.busy_timeout(Duration::from_mins(1)).unwrap();
        while !is_over.load(Ordering::Relaxed) {
            database.execute_batch("BEGIN IMMEDIATE; UPDATE counters SET n = n + 1 WHERE name = 'one'; UPDATE counters SET n = n + 1 WHERE name = 'other'; COMMIT").unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    }
    fn counters(&self) -> [String; 2] {
        ["one", "other"]
            .map(|name| self.sandbox.ask("app.db", &format!("SELECT n FROM counters WHERE name = '{name}'")))
    }
    fn fail(&self) -> bool {
        self.sandbox.sql("app.db", "DELETE FROM counters WHERE name = 'one'");
        true
    }
}

/// What a file at a path may be instead of a database.
fn spoiled_file<'k>(path: std::path::PathBuf) -> Vec<Spoil<'k>> {
    let (gone, empty, text, folder) = (path.clone(), path.clone(), path.clone(), path);
    vec![
        ("gone", Box::new(move || remove(&gone))),
        ("empty", Box::new(move || fs::write(&empty, "").unwrap())),
        ("a text", Box::new(move || fs::write(&text, "no database at all\n".repeat(999)).unwrap())),
        (
            "a folder",
            Box::new(move || {
                remove(&folder);
                fs::create_dir(&folder).unwrap();
            }),
        ),
    ]
}

/// Removes a file or folder with the logs beside it.
fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    }
    for suffix in ["", "-wal", "-shm", "-journal", ".wal"] {
        drop(fs::remove_file(format!("{}{suffix}", path.display())));
    }
}

struct Folder(Sandbox);

impl Folder {
    fn new() -> Self {
        Self(project("    directory: files\n"))
    }
}

impl Kind for Folder {
    fn name(&self) -> &'static str {
        "directory"
    }
    fn sandbox(&self) -> &Sandbox {
        &self.0
    }
    fn highest(&self) -> &'static str {
        "integrity"
    }
    fn make(&self) {
        self.0.write("files/odd \"Ω\"\nname", "\0\u{1}");
        self.0.write("files/hollow", "");
        self.0.write("files/below/much", "x".repeat(3 << 20));
        self.0.write("files/counters", "0 0");
        fs::create_dir(self.0.path("files/nothing")).unwrap();
    }
    fn change(&self) {
        self.0.write("files/below/more", "new");
        fs::remove_file(self.0.path("files/hollow")).unwrap();
    }
    fn content(&self) -> String {
        format!("{:?}", content::of_folder(&self.0.path("files")))
    }
    fn lose(&self) {
        remove(&self.0.path("files"));
    }
    fn spoiled(&self) -> Vec<Spoil<'_>> {
        let place = || self.0.path("files");
        let emptied = move || {
            remove(&place());
            fs::create_dir(place()).unwrap();
        };
        let file = move || {
            remove(&place());
            fs::write(place(), "a file").unwrap();
        };
        vec![
            ("gone", Box::new(move || remove(&place()))),
            ("empty", Box::new(emptied)),
            ("a file", Box::new(file)),
        ]
    }
    fn write(&self, is_over: &AtomicBool) {
        // Each file is one moment of itself: both counters stand in one.
        let mut n = 0;
        while !is_over.load(Ordering::Relaxed) {
            n += 1;
            self.0.write("files.new", format!("{n} {n}"));
            fs::rename(self.0.path("files.new"), self.0.path("files/counters")).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    }
    fn counters(&self) -> [String; 2] {
        let text = self.0.read("files/counters");
        let (one, other) = text.split_once(' ').unwrap();
        [one.to_owned(), other.to_owned()]
    }
    fn fail(&self) -> bool {
        // Nothing of a folder is asked but what it holds; that half of it went is.
        let policy = self
            .0
            .read("policy.yaml")
            .replace("    directory: files\n", "    directory: files\n    expect: {max_drop: 10%}\n");
        self.0.write("policy.yaml", policy);
        fs::remove_file(self.0.path("files/below/much")).unwrap();
        true
    }
}

struct Command(Sandbox);

impl Command {
    fn new() -> Self {
        Self(project(
            "    command:\n      dump: [cat, live]\n      verify: [sh, -c, 'tail -n 1 | grep -qx whole']\n      \
             restore: [sh, -c, 'cat > live']\n",
        ))
    }
    fn put(&self, counters: &str, more: &str) {
        self.0.write("new", format!("{counters}\n{}\nwhole\n", more.repeat(200_000)));
        fs::rename(self.0.path("new"), self.0.path("live")).unwrap();
    }
}

impl Kind for Command {
    fn name(&self) -> &'static str {
        "command"
    }
    fn sandbox(&self) -> &Sandbox {
        &self.0
    }
    fn highest(&self) -> &'static str {
        "integrity"
    }
    fn sets_aside(&self) -> bool {
        false
    }
    fn make(&self) {
        self.put("0 0", "\0Ω\r");
    }
    fn change(&self) {
        self.put("0 0", "other");
    }
    fn content(&self) -> String {
        hex::encode(fs::read(self.0.path("live")).unwrap())
    }
    fn lose(&self) {
        remove(&self.0.path("live"));
    }
    fn spoiled(&self) -> Vec<Spoil<'_>> {
        let place = || self.0.path("live");
        vec![
            ("gone", Box::new(move || remove(&place()))),
            ("empty", Box::new(move || fs::write(place(), "").unwrap())),
        ]
    }
    fn write(&self, is_over: &AtomicBool) {
        let mut n = 0;
        while !is_over.load(Ordering::Relaxed) {
            n += 1;
            self.put(&format!("{n} {n}"), "x");
            thread::sleep(Duration::from_millis(1));
        }
    }
    fn counters(&self) -> [String; 2] {
        let text = self.0.read("live");
        let (one, other) = text.lines().next().unwrap().split_once(' ').unwrap();
        [one.to_owned(), other.to_owned()]
    }
    fn fail(&self) -> bool {
        self.0.write("live", "not what it should be\n");
        true
    }
}
