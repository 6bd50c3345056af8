//! A PostgreSQL server for a test: in a temporary folder, on a free port, gone with the test however that ends.
//!
//! A shell holds the server and waits for the end of its input, which is a pipe from this process: when that ends,
//! also when it is killed, the server ends and its folder goes. So a server in a static, which is never dropped, goes
//! as well.

use policy::{
    engines::postgres::{
        access::Access,
        clients::{Clients, Programs, USUAL},
        server::Server,
        session::{Session, SessionOptions},
    },
    policy::values::Connection,
    watch::{Cancel, Progress, Watch},
};
use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The role that owns the databases; it logs in by its password (SCRAM) alone.
pub(crate) const ROLE: &str = "app";
/// Its password: every printable ASCII sign, and letters of other scripts.
pub(crate) const PASSWORD: &str = r##"p !"#$%&'()*+,-./:;<=>?@[\]^_`{|}~ üß日本"##;
/// The superuser, who is let in without a password through the socket.
const ADMIN: &str = "admin";
/// How long the server may take to start: generous, because machines are slow.
const PATIENCE: Duration = Duration::from_secs(90);
/// `nobody`, on every system.
const NOBODY: u32 = 65_534;
/// Holds the server: the folder, then its command.
const HOLDER: &str = r#"
folder=$1; shift
"$@" </dev/null >"$folder/log" 2>&1 & server=$!
echo "$server" >"$folder/pid"
cat >/dev/null
# Another one may have taken its place.
kill -QUIT "$(cat "$folder/pid")" 2>/dev/null; wait "$server"
rm -rf "$folder"
"#;

/// For whoever watches what nobody stops.
pub(crate) const TELL: &(dyn Fn(Progress) + Sync) = &|_| ();

/// Does something that nobody stops.
pub(crate) fn with_watch<T>(work: impl FnOnce(&Watch<'_>) -> T) -> T {
    work(&Watch::new(&Cancel::default(), None, TELL))
}

/// A running server. Dropping it stops and removes it.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: Programs,
    folder: PathBuf,
    port: u16,
    holder: Child,
    databases: AtomicU32,
}

impl Cluster {
    /// The server that all tests of this process share; `None` where none is installed, which is told loudly.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A server of one's own, to be ill-treated.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = installed() else {
            crate::support::skip("PostgreSQL (a server with its programs) is not installed");
            return None;
        };
        let template = template(&programs);
        // Somebody else may take the port between the look and the start.
        let started = (0..5).find_map(|_| Self::on_a_free_port(&programs, &template));
        Some(started.unwrap())
    }

    fn on_a_free_port(programs: &Programs, template: &Path) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("policy-pg-").tempdir().unwrap().keep();
        let data = folder.join("data");
        run(Command::new("cp").arg("-a").arg(template).arg(&data));
        if is_root() {
            std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("sh");
        command.args(["-c", HOLDER, "sh"]).arg(&folder).args(Self::server_command(programs, &folder, port));
        ordinary(&mut command);
        // What ends the test by its group must not end the holder before it has cleaned up.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let holder = command.spawn().unwrap();
        let cluster = Self { programs: programs.clone(), folder, port, holder, databases: AtomicU32::new(0) };
        if !cluster.comes_up() {
            return None;
        }
        let created = format!("CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD {}", literal(PASSWORD));
        cluster.psql("postgres", &created);
        Some(cluster)
    }

    fn server_command(programs: &Programs, folder: &Path, port: u16) -> Vec<std::ffi::OsString> {
        let data = folder.join("data");
        let mut words = vec![programs.folder().join("postgres").into(), "-D".into(), data.into()];
        words.extend(["-k".into(), folder.into(), "-p".into(), port.to_string().into()]);
        for setting in [
            "listen_addresses=127.0.0.1,::1",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_connections=60",
            "max_prepared_transactions=5",
            "wal_level=minimal",
            "max_wal_senders=0",
            "autovacuum=off",
            "log_statement=all",
        ] {
            words.extend(["-c".into(), setting.into()]);
        }
        words
    }

    /// Waits until it takes connections; `false` when somebody else has its port.
    fn comes_up(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            // Its eighth line says so (miscadmin.h).
            let state = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
            if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return true;
            }
            if !Path::new(&format!("/proc/{}", self.pid().unwrap_or(1))).exists() && cfg!(target_os = "linux")
            {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                assert!(log.contains("could not bind"), "the server did not start: {log}");
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Starts it again after it was killed.
    pub(crate) fn revive(&self) {
        // What it left says that it is ready.
        let _ = fs::remove_file(self.folder.join("data/postmaster.pid"));
        let words = Self::server_command(&self.programs, &self.folder, self.port);
        let mut command = Command::new(&words[0]);
        ordinary(&mut command);
        let log = fs::OpenOptions::new().append(true).open(self.folder.join("log")).unwrap();
        command.args(&words[1..]).process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let server = command.spawn().unwrap().id();
        fs::write(self.folder.join("pid"), server.to_string()).unwrap();
        assert!(self.comes_up(), "it does not come back");
    }

    /// Its programs.
    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The port on 127.0.0.1 and, where the host has it, `::1`; the socket's name has it as well.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its socket.
    pub(crate) fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// What it has logged, every statement among it.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap()).into_owned()
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()
    }

    /// Ends it, and each of its processes, as a crash of the host would.
    pub(crate) fn kill(&self) {
        let server = self.pid().unwrap().to_string();
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        // The holder must find it to be its child still: the server goes first, and starts no others.
        run(Command::new("kill").args(["-KILL", &server]));
        // Those that have noticed are gone.
        let _ = Command::new("kill").arg("-KILL").args(children.split_whitespace()).output();
    }

    /// Makes a database that belongs to [`ROLE`], with what a script makes in it, and returns its name.
    pub(crate) fn create_database(&self, sql: &str) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("db{number}");
        self.psql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        if !sql.is_empty() {
            self.psql(&name, &format!("SET ROLE {ROLE};\n{sql}"));
        }
        name
    }

    /// Makes a database of a given name that belongs to the superuser, and gives access to it.
    pub(crate) fn database(&self, name: &str, script: &[&str]) -> Access {
        let quoted = name.replace('"', "\"\"");
        self.psql("postgres", &format!("CREATE DATABASE \"{quoted}\" TEMPLATE template0"));
        if !script.is_empty() {
            self.psql(name, &(script.join(";\n") + ";\n"));
        }
        self.access(name)
    }

    /// What a program needs for a database, as the superuser.
    pub(crate) fn access(&self, database: &str) -> Access {
        // Without a password nothing is written there.
        Access::new(&Connection::parse(&self.admin_url(database)).unwrap(), &[], Path::new("/nowhere"))
            .unwrap()
    }

    /// A session as the superuser.
    pub(crate) fn session(&self, database: &str) -> Session {
        with_watch(|w| self.server().session(database, &SessionOptions::default(), w)).unwrap()
    }

    /// This server as the superuser reaches it.
    pub(crate) fn server(&self) -> Server {
        self.server_by(&self.admin_url("not there"))
    }

    /// The same by a URL; the database in it need not be there.
    pub(crate) fn server_by(&self, url: &str) -> Server {
        reached(url, &self.folder)
    }

    /// The URL of a database for [`ROLE`], with its password, over TCP.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_with(ROLE, PASSWORD, database)
    }

    /// The same for anybody.
    pub(crate) fn url_with(&self, user: &str, password: &str, database: &str) -> String {
        let (user, password, database) = (encoded(user), encoded(password), encoded(database));
        format!("postgresql://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a database for the superuser, through the socket and without a password.
    pub(crate) fn admin_url(&self, database: &str) -> String {
        let (folder, database) = (encoded(self.folder.to_str().unwrap()), encoded(database));
        format!("postgresql://{ADMIN}@{folder}:{}/{database}", self.port)
    }

    /// Runs a script as the superuser, and returns what it prints: unaligned, without headings.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> String {
        use std::io::Write as _;
        let mut command = Command::new(self.programs.psql());
        command.args(["-XqAtw", "-v", "ON_ERROR_STOP=1", "-U", ADMIN, "-p", &self.port.to_string()]);
        command.arg("-h").arg(&self.folder).arg(format!("--dbname=dbname={}", conninfo(database)));
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")).for_each(
            |(name, _)| {
                command.env_remove(name);
            },
        );
        command.env("PGCLIENTENCODING", "UTF8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let sql = sql.to_owned();
        // A script may print more than a pipe holds before it is read to its end.
        let writer = thread::spawn(move || stdin.write_all(sql.as_bytes()));
        let output = child.wait_with_output().unwrap();
        drop(writer.join());
        assert!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        drop(self.holder.wait());
    }
}

/// A server by the URL of a database, which need not be there.
pub(crate) fn reached(url: &str, private_folder: &Path) -> Server {
    let connection = Connection::parse(url).unwrap();
    with_watch(|w| Server::connect_beside(&clients(), &connection, private_folder, w)).unwrap()
}

/// A text as a part of a URL.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
    }
    encoded
}

/// A text as a string of SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn conninfo(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// The newest programs that have a server beside them.
fn installed() -> Option<Programs> {
    let has_server =
        |set: &&Programs| ["initdb", "postgres"].iter().all(|name| set.folder().join(name).is_file());
    clients().sets().iter().find(has_server).cloned()
}

/// The programs of this host.
pub(crate) fn clients() -> Clients {
    let path = std::env::var_os("PATH").unwrap_or_default();
    with_watch(|w| Clients::find(&path, USUAL, w)).unwrap()
}

/// A new cluster's files, made once for this user and version and then copied; it stays for the next tests, below the
/// system's folder for temporary files.
fn template(programs: &Programs) -> PathBuf {
    let user = if is_root() { NOBODY } else { rustix::process::getuid().as_raw() };
    let template = std::env::temp_dir().join(format!("policy-pg-template-{}-{user}", programs.version()));
    // Nobody else may have put it there.
    let is_own =
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == user);
    if is_own(&template) {
        return template;
    }
    let folder = tempfile::Builder::new().prefix("policy-pg-init-").tempdir().unwrap();
    if is_root() {
        std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let data = folder.path().join("data");
    let mut command = Command::new(programs.folder().join("initdb"));
    command.args(["-N", "-A", "scram-sha-256", "-U", ADMIN, "-E", "UTF8", "--locale=C", "--wal-segsize=1"]);
    let password = folder.path().join("password");
    fs::write(&password, "of nobody\n").unwrap();
    command.arg("--pwfile").arg(&password).arg("-D").arg(&data);
    ordinary(&mut command);
    run(&mut command);
    let rules = "local all admin trust\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n";
    fs::write(data.join("pg_hba.conf"), rules).unwrap();
    // Whoever is first; the others' are as good, and go with their folders.
    let _ = fs::rename(&data, &template);
    assert!(is_own(&template), "{} belongs to somebody else", template.display());
    template
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// The server refuses to run as root.
fn ordinary(command: &mut Command) {
    command.current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
