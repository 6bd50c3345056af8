//! Options of a URL that PostgreSQL's programs do not know, and that are left out.

use super::Lint;
use crate::policy::{
    model::EngineSpec,
    problem::{Code, Problem},
    urls::Outline,
    values::connection::Connection,
};

pub(super) fn lint(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    for target in policy.targets().values() {
        let EngineSpec::Postgres(spec) = &target.engine else { continue };
        let url = &spec.url;
        let outline = Outline::new(&url.value);
        let Ok(connection) = Connection::parse(&outline.text) else { continue };
        for name in connection.dropped() {
            let Some(at) = outline.option(name) else { continue };
            let place = policy.source().within(url.span, url.value.as_written(), at);
            let message = format!("the option `{name}` of the URL has no effect on backups, and is left out");
            let help = "remove it where the URL is for backups alone; else accept it: \
                        `allow: [policy::postgres::option_dropped]`";
            lint.note(Problem::new(Code::OptionDropped, message, help).label(place, "left out"));
        }
    }
}
