//! `explain`.

use super::{args::Explain, error::CliError, output, session::Session};
use crate::policy::{Code, nearest, problem::pages};

pub(crate) fn explain(session: &Session, args: &Explain) -> Result<u8, CliError> {
    let Some(wanted) = &args.code else {
        if session.global.json {
            let codes: Vec<_> = Code::ALL
                .iter()
                .map(|code| serde_json::json!({"code": code.as_str(), "summary": code.summary(), "severity": code.severity()}))
                .collect();
            return output::print_json(&codes);
        }
        let rows: Vec<_> =
            Code::ALL.iter().map(|code| vec![code.as_str().to_owned(), code.summary().to_owned()]).collect();
        return output::print(&output::table(&rows));
    };
    let is_meant = |code: &&Code| code.as_str() == wanted || code.as_str().ends_with(&format!("::{wanted}"));
    let code = match Code::ALL.iter().filter(is_meant).collect::<Vec<_>>()[..] {
        [code] => code,
        [] => {
            let near = nearest::nearest(wanted, Code::ALL.iter().map(|code| code.as_str()));
            let help = near.map_or_else(
                || "`policy explain` lists them".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(CliError::unknown(format!("there is no code `{wanted}`")).help(help));
        }
        ref several => {
            let codes: Vec<_> = several.iter().map(|code| format!("`{code}`")).collect();
            return Err(CliError::ambiguous(format!("several codes end in `{wanted}`"))
                .help(format!("write {}", codes.join(" or "))));
        }
    };
    if session.global.json {
        return output::print_json(
            &serde_json::json!({"code": code.as_str(), "page": pages::page(code.as_str()).unwrap_or_default()}),
        );
    }
    output::print(&format!("{code}\n\n{}\n", pages::page(code.as_str()).unwrap_or_default()))
}
