//! What libpq knows by name (postgresql.org/docs/current/libpq-connect.html, "Parameter Key Words"), and how each
//! reaches a program of PostgreSQL.

/// How a parameter is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By an environment variable (libpq-envars.html).
    Variable(&'static str),
    /// In the conninfo string: it has no variable.
    Conninfo,
    /// It is a secret: the password goes by a pass file.
    Password,
    /// It is a secret that has no way but the argument list, which every user of the host may read.
    Nowhere,
    /// It would change what the programs do with the connection, and is left out.
    Dropped,
}

/// One keyword of libpq.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keyword {
    /// Its name in a URL's query and in a conninfo string.
    pub(super) name: &'static str,
    /// How it is handed on.
    pub(super) way: Way,
}

/// The keyword of a name; case matters, as it does to libpq.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// The variable of a keyword.
pub(super) fn variable(name: &str) -> Option<&'static str> {
    match find(name)?.way {
        Way::Variable(variable) => Some(variable),
        _ => None,
    }
}

const fn by(name: &'static str, variable: &'static str) -> Keyword {
    Keyword { name, way: Way::Variable(variable) }
}

const fn with(name: &'static str, way: Way) -> Keyword {
    Keyword { name, way }
}

/// Up to PostgreSQL 18. A variable that an older libpq does not know is nothing to it; so is none of the few without
/// one, which are all old.
const KEYWORDS: &[Keyword] = &[
    by("host", "PGHOST"),
    by("hostaddr", "PGHOSTADDR"),
    by("port", "PGPORT"),
    by("dbname", "PGDATABASE"),
    by("user", "PGUSER"),
    with("password", Way::Password),
    by("passfile", "PGPASSFILE"),
    by("require_auth", "PGREQUIREAUTH"),
    by("channel_binding", "PGCHANNELBINDING"),
    by("connect_timeout", "PGCONNECT_TIMEOUT"),
    by("options", "PGOPTIONS"),
    by("application_name", "PGAPPNAME"),
    with("fallback_application_name", Way::Conninfo),
    with("keepalives", Way::Conninfo),
    with("keepalives_idle", Way::Conninfo),
    with("keepalives_interval", Way::Conninfo),
    with("keepalives_count", Way::Conninfo),
    with("tcp_user_timeout", Way::Conninfo),
    by("gssencmode", "PGGSSENCMODE"),
    by("sslmode", "PGSSLMODE"),
    by("sslnegotiation", "PGSSLNEGOTIATION"),
    by("sslcompression", "PGSSLCOMPRESSION"),
    by("sslcert", "PGSSLCERT"),
    by("sslkey", "PGSSLKEY"),
    with("sslpassword", Way::Nowhere),
    by("sslcertmode", "PGSSLCERTMODE"),
    by("sslrootcert", "PGSSLROOTCERT"),
    by("sslcrl", "PGSSLCRL"),
    by("sslcrldir", "PGSSLCRLDIR"),
    by("sslsni", "PGSSLSNI"),
    by("requirepeer", "PGREQUIREPEER"),
    by("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    by("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    by("min_protocol_version", "PGMINPROTOCOLVERSION"),
    by("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    by("krbsrvname", "PGKRBSRVNAME"),
    by("gsslib", "PGGSSLIB"),
    by("gssdelegation", "PGGSSDELEGATION"),
    with("scram_client_key", Way::Nowhere),
    with("scram_server_key", Way::Nowhere),
    by("service", "PGSERVICE"),
    by("servicefile", "PGSERVICEFILE"),
    by("target_session_attrs", "PGTARGETSESSIONATTRS"),
    by("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    with("oauth_issuer", Way::Conninfo),
    with("oauth_client_id", Way::Conninfo),
    with("oauth_client_secret", Way::Nowhere),
    with("oauth_scope", Way::Conninfo),
    // A replication connection answers no ordinary statement.
    with("replication", Way::Dropped),
    // What reads the answers sets it: a dump is to come in the database's own encoding, a session's rows in UTF-8.
    with("client_encoding", Way::Dropped),
    // It would write the keys of the connection into a file.
    with("sslkeylogfile", Way::Dropped),
];

/// What libpq takes for `sslmode`.
pub(super) const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// What libpq takes for a keyword, where that is one of a few words (`conninfo` in fe-connect.c).
pub(super) fn values(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "sslmode" => SSL_MODES,
        "channel_binding" | "gssencmode" => &["disable", "prefer", "require"],
        "sslcertmode" => &["disable", "allow", "require"],
        "sslnegotiation" => &["postgres", "direct"],
        "target_session_attrs" => &["any", "read-write", "read-only", "primary", "standby", "prefer-standby"],
        "load_balance_hosts" => &["disable", "random"],
        _ => return None,
    })
}
