//! What a database is, beside what is in it: how it was made, and what was set and granted on it as a whole.
//!
//! Of all this a dump carries little that is of use here: a plain one nothing, an archive only what `--create` brings
//! back, under the database's own name. So it is asked for once, at the moment of capture, is kept as facts, and is
//! applied to the new database, one statement after the other: what this server refuses is told and stops nothing.
//! Security labels are not among it, and all grants are made in the owner's name.

use super::{
    candidate::is_mark,
    session::{Session, SessionError},
    sql::{escape, identifier, literal, unescape},
};
use crate::watch::Watch;
use std::{collections::BTreeMap, fmt::Write as _};

/// What `ALTER DATABASE … SET` or `ALTER ROLE … IN DATABASE … SET` set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The role it is for; `None` for everybody.
    pub role: Option<String>,
    /// The parameter.
    pub name: String,
    /// Its value as the server keeps it.
    pub value: String,
}

impl Setting {
    /// Whether it is a parameter of an extension or of an application, which has a dot in its name: its value may be a
    /// secret, as a key that signs tokens, and is not written into manifests.
    pub fn is_custom(&self) -> bool {
        self.name.contains('.')
    }
}

/// A right on the database as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who has it; `None` for everybody.
    pub role: Option<String>,
    /// `CONNECT`, `CREATE` or `TEMPORARY`.
    pub privilege: String,
    /// Whether it may be passed on.
    pub grantable: bool,
}

/// What a database is, beside what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// Single facts by name: `encoding`, `provider` (`c` libc, `i` ICU, `b` builtin), `collate`, `ctype`, `locale`,
    /// `rules`, `collation_version`, `owner`, `tablespace`, `connection_limit`, `comment`.
    pub facts: BTreeMap<String, String>,
    /// What was set on it, in order.
    pub settings: Vec<Setting>,
    /// What was granted on it; `None` where nothing ever was, and everybody may connect.
    pub grants: Option<Vec<Grant>>,
}

/// The query for the properties of the database that the session is on; its rows are for [`Properties::from_rows`].
///
/// Columns that only later servers have are taken from the row's JSON, so one query serves all from version 9.5 on.
fn query() -> String {
    let single = |name: &str, value: &str| {
        format!(
            "SELECT '{name}' AS kind, {value} AS a, NULL AS b, NULL AS c FROM d WHERE {value} IS NOT NULL"
        )
    };
    let parts = [
        single("encoding", "pg_catalog.pg_encoding_to_char(encoding)::text"),
        single("provider", "coalesce(j ->> 'datlocprovider', 'c')"),
        single("collate", "j ->> 'datcollate'"),
        single("ctype", "j ->> 'datctype'"),
        single("locale", "coalesce(j ->> 'daticulocale', j ->> 'datlocale')"),
        single("rules", "j ->> 'daticurules'"),
        single("collation_version", "j ->> 'datcollversion'"),
        single("owner", "pg_catalog.pg_get_userbyid(datdba)::text"),
        single("tablespace", "(SELECT spcname::text FROM pg_catalog.pg_tablespace t WHERE t.oid = dattablespace)"),
        single("connection_limit", "datconnlimit::text"),
        single("comment", "pg_catalog.shobj_description(number, 'pg_database')"),
        "SELECT 'grants', NULL, NULL, NULL FROM d WHERE datacl IS NOT NULL".to_owned(),
        "SELECT 'grant', CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee)::text END, \
         g.privilege_type, g.is_grantable::text FROM d, pg_catalog.aclexplode(datacl) g"
            .to_owned(),
        "(SELECT 'setting', CASE WHEN s.setrole <> 0 THEN pg_catalog.pg_get_userbyid(s.setrole)::text END, c.v, NULL \
         FROM d JOIN pg_catalog.pg_db_role_setting s ON s.setdatabase = d.number, \
         pg_catalog.unnest(s.setconfig) WITH ORDINALITY c (v, n) ORDER BY s.setrole, c.n)"
            .to_owned(),
    ];
    format!(
        "WITH d AS (SELECT x.oid AS number, x.*, pg_catalog.to_jsonb(x) AS j FROM pg_catalog.pg_database x \
         WHERE datname = pg_catalog.current_database()) {}",
        parts.join(" UNION ALL ")
    )
}

impl Properties {
    /// Asks for those of the database that a session is on.
    pub fn of(session: &mut Session, watch: &Watch<'_>) -> Result<Self, SessionError> {
        Ok(Self::from_rows(session.rows(&query(), usize::MAX, watch)?.rows))
    }

    /// Takes the rows of [`query`]; what it does not know it leaves out.
    fn from_rows(rows: Vec<Vec<Option<String>>>) -> Self {
        let mut properties = Self::default();
        for row in rows {
            let mut fields = row.into_iter();
            let mut field = || fields.next().flatten();
            let (kind, a, b, c) = (field().unwrap_or_default(), field(), field(), field());
            match (kind.as_str(), a, b) {
                ("grants", ..) => {
                    properties.grants.get_or_insert_default();
                }
                ("grant", role, Some(privilege)) => {
                    let grantable = c.is_some_and(|c| c == "true" || c == "t");
                    properties.grants.get_or_insert_default().push(Grant { role, privilege, grantable });
                }
                ("setting", role, Some(text)) => {
                    if let Some((name, value)) = text.split_once('=') {
                        let (name, value) = (name.to_owned(), value.to_owned());
                        properties.settings.push(Setting { role, name, value });
                    }
                }
                ("grant" | "setting", ..) => {}
                (_, Some(value), _) => {
                    properties.facts.insert(kind, value);
                }
                _ => {}
            }
        }
        properties
    }

    /// As facts for a manifest: single ones by their names, and `grant.1`, `setting.1` and so on. Settings that are not the
    /// server's own are left out; see [`Setting::is_custom`].
    pub fn to_facts(&self) -> BTreeMap<String, String> {
        let mut facts = self.facts.clone();
        if facts.get("comment").is_some_and(|comment| is_mark(comment)) {
            facts.remove("comment");
        }
        let role = |role: &Option<String>| role.as_deref().map_or("\\N".to_owned(), escape);
        if let Some(grants) = &self.grants {
            facts.insert("grants".to_owned(), grants.len().to_string());
            for (n, grant) in (1..).zip(grants) {
                let text =
                    format!("{}\t{}\t{}", role(&grant.role), escape(&grant.privilege), grant.grantable);
                facts.insert(format!("grant.{n}"), text);
            }
        }
        let kept = self.settings.iter().filter(|setting| !setting.is_custom());
        for (n, setting) in (1..).zip(kept) {
            let text =
                format!("{}\t{}={}", role(&setting.role), escape(&setting.name), escape(&setting.value));
            facts.insert(format!("setting.{n}"), text);
        }
        facts
    }

    /// Reads what [`Properties::to_facts`] wrote.
    pub fn from_facts(facts: &BTreeMap<String, String>) -> Self {
        let mut rows: Vec<(usize, Vec<Option<String>>)> = Vec::new();
        for (key, value) in facts {
            let (kind, n) = key.split_once('.').unwrap_or((key, "0"));
            let (Ok(n), false) = (n.parse(), kind.is_empty()) else { continue };
            let field = |field: &str| (field != "\\N").then(|| unescape(field));
            let fields: Vec<_> = match kind {
                "grant" | "setting" => value.split('\t').map(field).collect(),
                _ => vec![Some(value.clone())],
            };
            rows.push((n, [Some(kind.to_owned())].into_iter().chain(fields).collect()));
        }
        // By number: as text 10 comes before 2.
        rows.sort_by_key(|(n, _)| *n);
        Self::from_rows(rows.into_iter().map(|(_, row)| row).collect())
    }

    fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// The statement that makes a database of this kind, with nothing in it.
    ///
    /// `template0` alone may be copied with another encoding or locale, and holds nothing of this server's own.
    pub(super) fn create(&self, database: &str, server_version_num: u32, with_tablespace: bool) -> String {
        let mut text = format!("CREATE DATABASE {} TEMPLATE template0", identifier(database));
        let mut add = |word: &str, fact: Option<&str>| {
            if let Some(value) = fact {
                let _ = write!(text, " {word} {}", literal(value)); // a String takes everything
            }
        };
        add("ENCODING", self.fact("encoding"));
        let provider = self.fact("provider").unwrap_or("c");
        if server_version_num >= 150_000 {
            // Said even where it is libc: the cluster's template may have another.
            let name = [("i", "icu"), ("b", "builtin")].into_iter().find(|(letter, _)| *letter == provider);
            add("LOCALE_PROVIDER", Some(name.map_or("libc", |(_, name)| name)));
        }
        add("LC_COLLATE", self.fact("collate"));
        add("LC_CTYPE", self.fact("ctype"));
        match provider {
            "i" => add("ICU_LOCALE", self.fact("locale")),
            "b" => add("BUILTIN_LOCALE", self.fact("locale")),
            _ => {}
        }
        add("ICU_RULES", self.fact("rules"));
        if let Some(tablespace) =
            self.fact("tablespace").filter(|name| with_tablespace && *name != "pg_default")
        {
            let _ = write!(text, " TABLESPACE {}", identifier(tablespace));
        }
        text
    }

    /// The statements that make a database what this one was, each to be run by itself.
    ///
    /// The owner comes before the grants, which are then his. Until then nobody else may connect; see
    /// `keep_out`. The comment is left out where it marks whose the database is.
    pub fn apply(&self, database: &str, with_comment: bool) -> Vec<String> {
        let name = identifier(database);
        let mut statements = Vec::new();
        for Setting { role, name: parameter, value } in &self.settings {
            let whom = role.as_ref().map_or(format!("DATABASE {name}"), |role| {
                format!("ROLE {} IN DATABASE {name}", identifier(role))
            });
            statements.push(format!(
                "ALTER {whom} SET {} TO {}",
                parameter_name(parameter),
                setting_value(parameter, value)
            ));
        }
        if let Some(limit) = self.fact("connection_limit").and_then(|limit| limit.parse::<i32>().ok()) {
            // -2 marks a database that was left invalid by a DROP.
            if limit >= 0 {
                statements.push(format!("ALTER DATABASE {name} CONNECTION LIMIT {limit}"));
            }
        }
        if let Some(comment) = self.fact("comment").filter(|comment| with_comment && !is_mark(comment)) {
            statements.push(format!("COMMENT ON DATABASE {name} IS {}", literal(comment)));
        }
        let owner = self.fact("owner");
        if let Some(owner) = owner {
            statements.push(format!("ALTER DATABASE {name} OWNER TO {}", identifier(owner)));
        }
        match &self.grants {
            None => statements.push(format!("GRANT CONNECT, TEMPORARY ON DATABASE {name} TO PUBLIC")),
            Some(grants) => {
                if let Some(owner) = owner {
                    statements.push(format!("REVOKE ALL ON DATABASE {name} FROM {}", identifier(owner)));
                }
                for Grant { role, privilege, grantable } in grants {
                    let role = role.as_ref().map_or("PUBLIC".to_owned(), |role| identifier(role));
                    let option = if *grantable { " WITH GRANT OPTION" } else { "" };
                    // A key word: nothing else is let through.
                    let privilege: String = privilege.chars().filter(char::is_ascii_uppercase).collect();
                    statements.push(format!("GRANT {privilege} ON DATABASE {name} TO {role}{option}"));
                }
            }
        }
        statements
    }
}

/// The statement that keeps everybody but its owner and superusers out of a database.
pub(super) fn keep_out(database: &str) -> String {
    format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", identifier(database))
}

/// A parameter's name; those of extensions have a dot in them.
fn parameter_name(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

/// Parameters whose value is a list of names, each quoted by itself (`GUC_LIST_QUOTE`; `pg_dump` has the same list).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

fn setting_value(name: &str, value: &str) -> String {
    if !LISTS.contains(&name) {
        return literal(value);
    }
    let elements: Vec<String> = list(value).iter().map(|element| literal(element)).collect();
    if elements.is_empty() { "''".to_owned() } else { elements.join(", ") }
}

/// The elements of such a list: names divided by commas, quoted where they have to be.
fn list(value: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut element = String::new();
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => element.extend(chars.next()),
            '"' => {
                is_quoted = !is_quoted;
                was_quoted = true;
            }
            ',' if !is_quoted => {
                elements.push(std::mem::take(&mut element));
                was_quoted = false;
            }
            c if c.is_whitespace() && !is_quoted => {}
            c => element.push(c),
        }
    }
    if !element.is_empty() || was_quoted || !elements.is_empty() {
        elements.push(element);
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_are_quoted_one_by_one() {
        assert_eq!(
            setting_value("search_path", r#""$user", public, "a,""b""#),
            r#"'$user', 'public', 'a,"b'"#
        );
        assert_eq!(setting_value("search_path", r#""""#), "''");
        assert_eq!(setting_value("search_path", ""), "''");
        assert_eq!(setting_value("application_name", r"a'\b"), r" E'a''\\b'");
    }

    #[test]
    fn facts_read_back_are_the_same() {
        let some = |text: &str| Some(text.to_owned());
        let mut settings: Vec<Setting> = (0..12)
            .map(|n| Setting { role: None, name: format!("parameter{n}"), value: format!("x\ty\\{n}\n=") })
            .collect();
        settings.push(Setting { role: some("r\t\\N"), name: "work_mem".to_owned(), value: String::new() });
        let grants = Some(vec![
            Grant { role: None, privilege: "CONNECT".to_owned(), grantable: false },
            Grant { role: some("ä\nb"), privilege: "CREATE".to_owned(), grantable: true },
        ]);
        let facts = BTreeMap::from([("comment".to_owned(), "two\nlines\t.".to_owned())]);
        for grants in [grants, Some(Vec::new()), None] {
            let properties = Properties { facts: facts.clone(), settings: settings.clone(), grants };
            assert_eq!(Properties::from_facts(&properties.to_facts()), properties);
        }
    }
}
