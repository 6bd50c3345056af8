//! How changes of entries are shown.

use super::InstallElement;
use crate::{
    cli::{error::CliError, output, session::Session},
    install::Action,
};

/// Prints what is changed, or would be.
pub(super) fn changes(session: &Session, elements: &[InstallElement], is_dry: bool) -> Result<u8, CliError> {
    if session.global.json {
        return output::print_json(&elements);
    }
    if session.global.quiet {
        return Ok(0);
    }
    let entries = || elements.iter().flat_map(|of| of.entries.iter().map(move |entry| (of, entry)));
    let rows: Vec<Vec<String>> = entries()
        .map(|(of, entry)| {
            let tier = entry.tier.map_or_else(String::new, |tier| tier.as_str().to_owned());
            vec![entry.action.as_str().to_owned(), of.backend.to_string(), entry.file.clone(), tier]
        })
        .collect();
    output::print(&output::table(&rows))?;
    for (_, entry) in entries().filter(|(_, entry)| is_dry && entry.action.writes()) {
        for words in entry.argv.iter().take(1) {
            output::print(&format!("{} runs {}\n", entry.name, words.join(" ")))?;
        }
    }
    let changed = entries().filter(|(_, entry)| entry.action != Action::Unchanged).count();
    match (changed, is_dry) {
        (0, _) => output::tell("nothing to change"),
        (_, true) => output::tell("nothing was changed"),
        (_, false) => {}
    }
    Ok(0)
}
