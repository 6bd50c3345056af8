//! PostgreSQL targets: where they are, how they are dumped, and what may not be left out.

use super::{Lower, MOST_PAIRS};
use crate::policy::{
    Policy, Span, Spanned,
    document::{PostgresDocument, PostgresOptionsDocument},
    lint::covers,
    model::{EngineSpec, PathTemplate, PostgresFormat, PostgresOptions, PostgresSpec, Target, with_schema},
    problem::{Code, Problem},
    urls::{self, Outline},
};
use std::collections::{BTreeMap, BTreeSet};

impl Lower<'_> {
    pub(super) fn postgres(
        &mut self,
        document: &PostgresDocument,
        scratch: Option<&Spanned<PathTemplate>>,
    ) -> Option<PostgresSpec> {
        let PostgresDocument { url, password, format, globals, exclude_table_data, .. } = document;
        let options = self.postgres_options(format.as_ref(), globals.as_ref(), exclude_table_data.as_ref());
        let password = password.as_ref().and_then(|password| password.0.clone());
        let url = url.clone().map(|url| url.map(|url| url.0));
        let outline = url.as_ref().map(|url| Outline::new(&url.value));
        if let (Some(url), Some(outline), Some(password)) = (&url, &outline, &password)
            && let Some(at) = outline.password()
        {
            let place = self.source.within(url.span, url.value.as_written(), at);
            self.note(urls::two_passwords().label(place, "has one").label(password.span(), "the other"));
        }
        let scratch = scratch.map(|scratch| scratch.clone().map(|scratch| scratch.0));
        if let Some(scratch) = &scratch {
            let is_text = |text: &str| Some(text.to_owned()).filter(|text| !text.contains("${"));
            let live = outline.as_ref().and_then(Outline::database);
            let live = live.as_deref();
            let written = scratch.value.as_written();
            // Of a name with variables only what their values could not mend.
            let name = is_text(written).or_else(|| written.contains('/').then(|| written.to_owned()));
            if let Some(urls::Words { message, help }) = name.and_then(|name| urls::bad_scratch(&name, live))
            {
                self.note(Problem::error(Code::BadScratch, message, help).label(scratch.span, ""));
            }
        }
        Some(PostgresSpec { url: url?, password, scratch, options })
    }

    pub(super) fn job_postgres(&mut self, document: Option<&PostgresOptionsDocument>) -> PostgresOptions {
        let Some(PostgresOptionsDocument { format, globals, exclude_table_data, .. }) = document else {
            return PostgresOptions::default();
        };
        self.postgres_options(format.as_ref(), globals.as_ref(), exclude_table_data.as_ref())
    }

    /// What `defaults` says, for one more job: what that costs is the product.
    pub(super) fn default_postgres(&mut self, defaults: &PostgresOptions, job: Span) -> PostgresOptions {
        let globs = defaults.exclude_table_data.as_ref().map_or(0, Vec::len);
        self.globs += globs;
        if self.globs <= MOST_PAIRS {
            return defaults.clone();
        }
        if !self.problems.iter().any(|problem| problem.code == Code::YamlTooMany) {
            let message = format!(
                "`exclude_table_data` has {globs} globs for each job, more than {MOST_PAIRS} together"
            );
            let help = "write fewer, with `*` for what they have in common, or write them in the targets they are of";
            let place = self.first_line(job);
            self.note(Problem::error(Code::YamlTooMany, message, help).label(place, "one of the jobs"));
        }
        PostgresOptions::default()
    }

    fn postgres_options(
        &mut self,
        format: Option<&Spanned<PostgresFormat>>,
        globals: Option<&Spanned<bool>>,
        exclude: Option<&Vec<Spanned<String>>>,
    ) -> PostgresOptions {
        for glob in exclude.into_iter().flatten() {
            self.glob(glob, false);
        }
        PostgresOptions {
            format: format.map(|format| format.value),
            globals: globals.map(|globals| globals.value),
            exclude_table_data: exclude.cloned(),
        }
    }

    /// What only the whole policy tells: rows that a job leaves out and must not, and secrets in words of commands.
    pub(super) fn postgres_as_a_whole(&mut self, policy: &Policy) {
        // Many jobs may share what a target or `defaults` says.
        let mut judged = BTreeSet::new();
        for job in policy.jobs().values() {
            for target in job.targets.iter().filter_map(|name| policy.targets().get(name)) {
                let EngineSpec::Postgres(spec) = &target.engine else { continue };
                let left_out = job.postgres.left_out(&spec.options);
                if let Some(first) = left_out.first()
                    && judged.insert((&target.name.value, first.span))
                {
                    self.leaves_out_irreplaceable(target, left_out);
                }
            }
        }
        self.secrets_in_arguments(policy);
    }

    fn leaves_out_irreplaceable(&mut self, target: &Target, left_out: &[Spanned<String>]) {
        /// So many of each are compared: more only a hostile policy has.
        const MOST: usize = 200;
        let Some(tables) = &target.tables else { return };
        let globs = tables.irreplaceable.iter().take(MOST);
        let globs: Vec<_> = globs.map(|glob| (with_schema(glob), glob)).collect();
        for left_out in left_out.iter().take(MOST) {
            let name = with_schema(left_out);
            let found = globs.iter().find(|(glob, _)| covers(&name, glob) || covers(glob, &name));
            let Some((_, glob)) = found else { continue };
            let message =
                format!("`{}` leaves out rows of `{}`, which is irreplaceable", left_out.value, glob.value);
            let help =
                "narrow what is left out, or put the table into another class if its rows can be made again";
            self.note(
                Problem::error(Code::LeavesOutIrreplaceable, message, help)
                    .label(left_out.span, "left out")
                    .label(glob.span, "irreplaceable"),
            );
        }
    }

    /// Every user of a host may read the words of its commands.
    fn secrets_in_arguments(&mut self, policy: &Policy) {
        let specs = policy.targets().values().filter_map(|target| match &target.engine {
            EngineSpec::Postgres(spec) => Some(spec),
            _ => None,
        });
        let mut secrets = BTreeMap::new();
        for (reference, span, whole) in specs.flat_map(PostgresSpec::secret_variables) {
            let place = self.source.within(span, whole.as_written(), reference.at);
            secrets.entry(reference.name).or_insert(place);
        }
        if secrets.is_empty() {
            return;
        }
        for word in policy.commands().flat_map(|command| &command.argv) {
            for reference in word.value.references() {
                let Some(secret) = secrets.get(reference.name) else { continue };
                let name = reference.name;
                let message = format!(
                    "`{name}` holds a secret, and every user of the host may read the words of a command"
                );
                let help = format!(
                    "leave it out: a command gets the variables by its environment, and a script reads `${name}` there"
                );
                let place = self.source.within(word.span, word.value.as_written(), reference.at);
                self.note(
                    Problem::error(Code::SecretInArguments, message, help)
                        .label(place, "shown to all")
                        .label(*secret, "used as a secret"),
                );
            }
        }
    }
}
