//! A command of the policy becomes words and an environment: variables and placeholders filled in.

use super::{Invocation, redact::Redaction};
use crate::policy::{
    Policy,
    model::{Command, EngineSpec, PostgresSpec},
    values::{
        placeholder::{Placeholder, fill},
        template::Unset,
    },
    variables::Variables,
};
use std::{borrow::Cow, collections::BTreeMap};

/// Makes a command ready to start, in the policy's folder. `value` tells what a placeholder stands for; one that stands for
/// nothing becomes empty.
///
/// # Errors
/// The names of the variables that are not set.
pub fn prepare<'v>(
    policy: &Policy,
    variables: &Variables,
    command: &Command,
    value: impl Fn(Placeholder) -> Option<Cow<'v, str>> + Copy,
) -> Result<Invocation, Vec<String>> {
    let words = command
        .argv
        .iter()
        .map(|word| word.expand_with(variables, |literal| fill(literal, value)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|unset: Vec<Unset>| unset.into_iter().map(|unset| unset.name).collect::<Vec<_>>())?;
    let of_files = variables.of_files();
    let mut environment: BTreeMap<String, String> =
        of_files.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for placeholder in Placeholder::ALL {
        let value = value(placeholder).unwrap_or_default();
        environment.insert(placeholder.variable(), value.into_owned());
    }
    let redaction = redaction(policy, variables, command);
    let argv = words.into_iter().map(|word| word.text).collect();
    Ok(Invocation { argv, environment, folder: policy.source().folder.clone(), redaction })
}

/// What no output of a command may show: it is given the variables of the files whole, and may hold those of the other
/// commands' words, and secrets, in its environment.
fn redaction(policy: &Policy, variables: &Variables, command: &Command) -> Redaction {
    // The command itself may be one that a killed run owed, and stand in the policy no more.
    let words = policy.commands().chain([command]).flat_map(|command| &command.argv);
    let expanded = words.filter_map(|word| word.expand_with(variables, |_| String::new()).ok());
    let secrets = policy.targets().values().filter_map(|target| match &target.engine {
        EngineSpec::Postgres(spec) => Some(spec),
        _ => None,
    });
    let secrets = secrets.flat_map(PostgresSpec::hidden_variables);
    let secrets: Vec<_> =
        secrets.filter_map(|secret| Some((secret.name, variables.get(secret.name)?.value))).collect();
    let used: Vec<_> = expanded.flat_map(|word| word.used).collect();
    let of_words = used.iter().map(|(name, value, _)| (name.as_str(), value.as_str()));
    Redaction::new(of_words.chain(secrets).chain(variables.of_files()))
}
