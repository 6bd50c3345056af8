//! The command line: parse, load, call the library, print, exit code. The only place that writes to a terminal.

pub mod args;
mod backups;
mod caller;
mod catalog;
mod check;
mod daemon;
mod delete;
mod dry_run;
mod due;
mod error;
mod explain;
mod history;
mod install;
mod journal;
mod kept;
mod list;
mod logs;
pub mod moment;
mod next;
mod output;
mod plan;
mod probe;
mod progress;
mod prune;
mod restore;
mod run;
mod schema;
mod session;
mod signals;
mod status;
mod verify;
mod words;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use error::CliError;
use session::Session;
use std::{ffi::OsString, io::Write as _};

/// Runs the program and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(exit) = crate::engines::serve(&arguments) {
        return exit;
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return words::refuse(&error),
    };
    let is_json = cli.global.json;
    let ended = Session::begin(cli.global.clone()).and_then(|session| dispatch(&session, cli.command));
    match ended {
        Ok(exit) => exit,
        Err(error) => {
            output::print_error(&error, is_json);
            error.exit
        }
    }
}

fn dispatch(session: &Session, command: Command) -> Result<u8, CliError> {
    match command {
        Command::Check(args) => check::check(session, &args),
        Command::Explain(args) => explain::explain(session, &args),
        Command::Schema(args) => schema::schema(session, &args),
        Command::Plan(args) => plan::plan(session, &args),
        Command::Run(args) => run::run(session, &args),
        Command::Next(args) => next::next(session, &args),
        Command::Install(args) => install::install(session, &args),
        Command::Uninstall(args) => install::uninstall(session, &args),
        Command::Status(args) => status::status(session, &args),
        Command::Daemon(args) => daemon::daemon(session, &args),
        Command::Probe { report } => probe::write_report(session, &report),
        Command::List(args) => list::list(session, &args),
        Command::Show(args) => list::show(session, &args),
        Command::Verify(args) => verify::verify(session, &args),
        Command::Prune(args) => prune::prune(session, &args),
        Command::Delete(args) => delete::delete(session, &args),
        Command::Restore(args) => restore::restore(session, &args),
        Command::History(args) => history::history(session, &args),
        Command::Log(args) => history::log(session, &args),
        Command::Catalog(args) => catalog::catalog(session, &args),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "policy", &mut text);
            output::print_bytes(&text)
        }
        Command::Man => {
            let mut text = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut text);
            rendered.and_then(|()| text.flush()).map_err(|error| CliError::failed(error.to_string()))?;
            output::print_bytes(&text)
        }
    }
}
