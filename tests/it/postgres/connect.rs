//! Ways to a server, and what is told when there is none.

use super::*;

#[test]
fn whoever_cannot_connect_is_told_why_without_the_password() {
    let cluster = cluster!();
    let wrong = refused(cluster, &cluster.url_with(ROLE, "kanari-7", "postgres"));
    assert!(
        wrong.contains("password authentication failed for user \"app\"") && !wrong.contains("kanari"),
        "{wrong}"
    );
    assert!(!wrong.contains("retrieved from file"), "{wrong}");
    let none = refused(cluster, &format!("postgresql://{ROLE}@127.0.0.1:{}/postgres", cluster.port()));
    assert!(none.contains("no password supplied"), "{none}");
    let port = refused(cluster, "postgresql://app:kanari-7@127.0.0.1:1/postgres");
    assert!(port.contains("port 1 failed: Connection refused") && !port.contains("kanari"), "{port}");
    let database = refused(cluster, &cluster.url("no such"));
    assert!(database.contains("database \"no such\" does not exist"), "{database}");
    let host = refused(cluster, "postgresql://app:kanari-7@no-such-host.invalid/postgres");
    assert!(host.contains("no-such-host.invalid") && !host.contains("kanari"), "{host}");
    let url = cluster.url("postgres");
    assert!(refused(cluster, &format!("{url}?sslmode=require")).contains("SSL"), "no TLS there");
    let absent = Programs::new("/nowhere".into(), cluster.programs().version().clone());
    assert!(matches!(try_open(&absent, &url, &SessionOptions::default()), Err(SessionError::Start(_))));
}

#[test]
fn every_way_to_a_server_is_a_way() {
    let cluster = cluster!();
    let (port, folder) = (cluster.port(), cluster.socket_folder().to_str().unwrap());
    let (password, folder) = (encoded(PASSWORD), encoded(folder));
    let mut ways = vec![
        cluster.url("postgres"),
        cluster.url("postgres").replace("postgresql://", "postgresql+psycopg2://"),
        cluster.admin_url("postgres"),
        format!("postgresql://app:{password}@/postgres?host={folder}&port={port}"),
        format!("postgresql://app:{password}@{folder}:{port}/postgres?keepalives_idle=30&pool_size=3"),
        format!("postgresql:///postgres?host=127.0.0.1&port={port}&user=app&password={password}"),
        format!("postgresql://app:{password}@127.0.0.1:1,127.0.0.1:{port}/postgres?application_name=it%27s"),
        format!("postgresql://app:{password}@127.0.0.1:{port}/postgres?options=-c%20work_mem%3D8MB"),
    ];
    // Where the host has no IPv6 there is nothing to show.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        ways.push(format!("postgresql://app:{password}@[::1]:{port}/postgres"));
    }
    for url in &ways {
        assert_eq!(open(cluster, url).scalar_of("SELECT 1"), some("1"), "{url}");
    }
    let last = open(cluster, &ways[7]).scalar_of("SELECT current_setting('work_mem')");
    assert_eq!(last, some("8MB"));
    assert_eq!(open(cluster, &ways[6]).scalar_of("SELECT current_setting('application_name')"), some("it's"));
}

#[test]
fn pass_files_and_service_files_of_the_home_serve_and_variables_do_not() {
    let Some(cluster) = Cluster::shared() else { return };
    let port = cluster.port();
    if std::env::var_os("POLICY_AGAIN").is_none() {
        let home = tempfile::tempdir().unwrap();
        again(
            "postgres::connect::pass_files_and_service_files_of_the_home_serve_and_variables_do_not",
            &[
                ("HOME", home.path()),
                ("PGHOST", Path::new("no-such-host.invalid")),
                ("PGOPTIONS", Path::new("-c no=1")),
                ("PGSERVICE", Path::new("none")),
            ],
        );
        return;
    }
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let private = |name: &str, text: String| {
        fs::write(home.join(name), text).unwrap();
        fs::set_permissions(home.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    let escaped = PASSWORD.replace('\\', r"\\").replace(':', r"\:");
    private(".pgpass", format!("127.0.0.1:{port}:*:app:{escaped}\n"));
    let url = format!("postgresql://app@127.0.0.1:{port}/postgres");
    assert_eq!(open(cluster, &url).scalar_of("SELECT 1"), some("1"));
    fs::rename(home.join(".pgpass"), home.join("other")).unwrap();
    let passfile = encoded(home.join("other").to_str().unwrap());
    assert_eq!(open(cluster, &format!("{url}?passfile={passfile}")).scalar_of("SELECT 1"), some("1"));
    assert!(refused(cluster, &url).contains("no password"));
    let service = "dbname=nowhere\napplication_name=of the service\n";
    private(".pg_service.conf", format!("[here]\nhost=127.0.0.1\nport={port}\nuser=app\n{service}"));
    // What the URL says wins over the service, and what the service says over nothing.
    let url = format!("postgresql:///postgres?service=here&passfile={passfile}");
    let mut session = open(cluster, &url);
    let asked = "SELECT current_database() || current_setting('application_name')";
    assert_eq!(session.scalar_of(asked), some("postgresof the service"));
    assert_eq!(Connection::parse("postgresql://?service=here").unwrap().database(), None);
    let other = format!("postgresql://app:{}@/postgres?service=here", encoded(PASSWORD));
    assert_eq!(open(cluster, &other).scalar_of("SELECT 1"), some("1"));
}

#[test]
fn no_password_stands_in_any_argument_or_in_the_servers_log() {
    let cluster = cluster!();
    let mut passwords: Vec<String> =
        (' '..='~').filter(|c| !c.is_ascii_alphanumeric()).map(|c| format!("{c}zeisig{c}")).collect();
    passwords.extend(["zeisig-ü日🦀".to_owned(), PASSWORD.to_owned() + "zeisig"]);
    for (number, password) in passwords.iter().enumerate() {
        let role = format!("r{number}");
        cluster.psql(
            "postgres",
            &format!("SET log_statement = none; CREATE ROLE {role} LOGIN PASSWORD {}", literal(password)),
        );
    }
    for (number, password) in passwords.iter().enumerate() {
        let mut session = open(cluster, &cluster.url_with(&format!("r{number}"), password, "postgres"));
        let everything = arguments();
        assert!(everything.contains("--dbname=dbname='postgres'"), "psql is among them");
        assert!(!everything.contains("zeisig"), "{password}");
        assert_eq!(session.scalar_of("SELECT current_user"), Some(format!("r{number}")), "{password}");
        assert!(!format!("{session:?}").contains("zeisig"));
    }
    // Nothing is logged of a password but the statement that gave it, which was not logged.
    assert!(!cluster.log().contains("zeisig"));
}

/// The arguments of all processes, blanks between them.
fn arguments() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn any_name_of_a_database_is_a_name() {
    let cluster = cluster!();
    let names = [
        "a=b",
        "host=nowhere",
        "postgresql://x/y",
        "it's",
        "back\\slash",
        "a \"b\"",
        "ü 日本",
        " ",
        "'",
        "\\'",
        "a\nb",
        "%41",
        "$(id)",
    ];
    for name in names {
        let quoted = name.replace('"', "\"\"");
        cluster.psql("postgres", &format!("CREATE DATABASE \"{quoted}\""));
        let mut session = open(cluster, &cluster.url(name));
        assert_eq!(session.scalar_of("SELECT current_database()"), some(name));
        let connection = Connection::parse(&cluster.admin_url("postgres")).unwrap().with_database(name);
        let mut dump = Command::new(cluster.programs().pg_dump());
        dump.arg(format!("--dbname={}", connection.conninfo(None)))
            .arg("--schema-only")
            .envs(connection.variables());
        assert!(dump.output().unwrap().status.success(), "{name}");
    }
}
