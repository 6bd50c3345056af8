//! Jobs: what they name resolved, and `defaults` applied.

use super::{Lower, MOST_PAIRS, Names, target::commands};
use crate::{
    policy::{
        Span, Spanned,
        document::{
            DefaultsDocument, DuckdbOptionsDocument, JobDocument, JobStoreDocument, Map, PolicyDocument,
            RetentionDocument, RetryDocument, ScheduleDocument,
        },
        model::{
            DuckdbOptions, EngineSpec, Job, JobStore, Layers, PostgresOptions, Retention, Retry, Target,
        },
        problem::{Code, Problem},
        values::{Duration, Level, Name, name::Alphabet},
    },
    schedule::{CatchUp, Schedule},
};
use std::collections::BTreeMap;

/// What a job can name.
struct Known<'d> {
    stores: Option<Names<'d>>,
    targets: Option<Names<'d>>,
}

impl Lower<'_> {
    pub(super) fn jobs(
        &mut self,
        document: &PolicyDocument,
        targets: &BTreeMap<Spanned<Name>, Option<Target>>,
    ) -> BTreeMap<Name, Job> {
        let known = Known {
            stores: document.stores.as_ref().map(names),
            targets: document.targets.as_ref().map(names),
        };
        let none = DefaultsDocument::default();
        let defaults = document.defaults.as_ref().unwrap_or(&none);
        let postgres = self.defaults(defaults, &known);
        let mut jobs = BTreeMap::new();
        for (key, document) in document.jobs.iter().flat_map(|map| &map.entries) {
            let name = self.name(key, "job", Alphabet::Plain);
            let job = document
                .as_ref()
                .map(|document| self.job(name.as_ref(), document, (defaults, &postgres), &known, targets));
            if let (Some(name), Some(Some(job))) = (name, job) {
                jobs.insert(name.value, job);
            }
        }
        jobs
    }

    /// Checks what no job may come to use; what is said twice is dropped later. Gives what is too much to read for each.
    fn defaults(&mut self, defaults: &DefaultsDocument, known: &Known<'_>) -> PostgresOptions {
        if let Some(stores) = &defaults.stores {
            self.job_stores(stores, defaults.keys.get("stores"), None, known);
        }
        self.retention(defaults.retention.as_ref());
        self.retry(defaults.retry.as_ref());
        self.longer_than_nothing(defaults.timeout.as_ref(), "timeout");
        self.longer_than_nothing(defaults.rpo.as_ref(), "rpo");
        self.job_duckdb(defaults.duckdb.as_deref());
        self.job_postgres(defaults.postgres.as_deref())
    }

    fn job_duckdb(&mut self, document: Option<&DuckdbOptionsDocument>) -> DuckdbOptions {
        let key = document.and_then(|document| document.keys.get("when_locked"));
        let format = document.and_then(|document| document.format.as_ref());
        self.duckdb(document.and_then(|document| document.when_locked.as_ref()), key, format)
    }

    fn job(
        &mut self,
        name: Option<&Spanned<Name>>,
        document: &JobDocument,
        (defaults, postgres): (&DefaultsDocument, &PostgresOptions),
        known: &Known<'_>,
        declared: &BTreeMap<Spanned<Name>, Option<Target>>,
    ) -> Option<Job> {
        let targets = self.job_targets(document, known);
        let retention = self.retention(document.retention.as_ref().or(defaults.retention.as_ref()));
        let stores = if let Some(stores) = document.stores.as_ref().or(defaults.stores.as_ref()) {
            let key = document.keys.get("stores").or_else(|| defaults.keys.get("stores"));
            self.job_stores(stores, key, retention, known)
        } else {
            let all = self.all_of(known.stores.as_ref(), "stores", document.span);
            all.into_iter().map(|store| JobStore { store, retention }).collect()
        };
        let schedule = document.schedule.as_ref().and_then(|schedule| schedule_of(&schedule.0));
        let verify = document.verify.clone().or_else(|| defaults.verify.clone());
        if let Some(level) = &verify {
            self.offered(level, &targets, declared);
        }
        let timeout =
            self.longer_than_nothing(document.timeout.as_ref().or(defaults.timeout.as_ref()), "timeout");
        let rpo = self.longer_than_nothing(document.rpo.as_ref().or(defaults.rpo.as_ref()), "rpo");
        let retry = self.retry(document.retry.as_ref().or(defaults.retry.as_ref()));
        let duckdb = Layers {
            job: self.job_duckdb(document.duckdb.as_deref()),
            defaults: self.job_duckdb(defaults.duckdb.as_deref()),
        };
        let postgres = Layers {
            job: self.job_postgres(document.postgres.as_deref()),
            defaults: self.default_postgres(postgres, document.span),
        };
        let name = name?;
        Some(Job {
            name: name.clone(),
            targets,
            stores,
            schedule,
            compress: document
                .compress
                .as_ref()
                .or(defaults.compress.as_ref())
                .map(|c| c.value)
                .unwrap_or_default(),
            verify,
            before: commands(document.before.as_ref().or(defaults.before.as_ref())),
            after: commands(document.after.as_ref().or(defaults.after.as_ref())),
            timeout,
            retry,
            rpo,
            duckdb,
            postgres,
        })
    }

    /// All that are declared, for a job that names none.
    fn all_of(&mut self, known: Option<&Names<'_>>, what: &str, job: Span) -> Vec<Name> {
        self.pairs += known.map_or(0, BTreeMap::len);
        if self.pairs <= MOST_PAIRS {
            return names_in_order(known).collect();
        }
        if !self.problems.iter().any(|problem| problem.code == Code::YamlTooMany) {
            let message =
                format!("the jobs that take all {what} have more than {MOST_PAIRS} of them together");
            let help = format!("name the `{what}` of each job, or divide the policy");
            let place = self.first_line(job);
            self.note(Problem::error(Code::YamlTooMany, message, help).label(place, "takes all"));
        }
        Vec::new()
    }

    fn job_targets(&mut self, document: &JobDocument, known: &Known<'_>) -> Vec<Name> {
        let Some(written) = &document.targets else {
            return self.all_of(known.targets.as_ref(), "targets", document.span);
        };
        let mut names = Vec::new();
        let mut seen = BTreeMap::new();
        for target in written {
            if self.first_time(&mut seen, target, "target") {
                names.extend(self.reference("target", target, known.targets.as_ref()));
            }
        }
        if let Some(key) = document.keys.get("targets").filter(|_| seen.is_empty() && self.clean()) {
            self.empty_list("targets", key);
        }
        names
    }

    fn job_stores(
        &mut self,
        written: &[JobStoreDocument],
        key: Option<Span>,
        retention: Option<Retention>,
        known: &Known<'_>,
    ) -> Vec<JobStore> {
        let mut stores = Vec::new();
        let mut seen = BTreeMap::new();
        for item in written {
            let own = self.retention(item.options.retention.as_ref());
            if self.first_time(&mut seen, &item.store, "store")
                && let Some(store) = self.reference("store", &item.store, known.stores.as_ref())
            {
                stores.push(JobStore { store, retention: own.or(retention) });
            }
        }
        if let Some(key) = key.filter(|_| written.is_empty() && self.clean()) {
            self.empty_list("stores", key);
        }
        stores
    }

    fn empty_list(&mut self, key: &str, place: Span) {
        let help = format!("name at least one, or remove `{key}` to mean all");
        self.note(Problem::error(Code::Empty, format!("`{key}` names none"), help).label(place, "empty"));
    }

    /// Notes a name that a list has already.
    fn first_time<'d>(
        &mut self,
        seen: &mut BTreeMap<&'d str, Span>,
        written: &'d Spanned<String>,
        kind: &str,
    ) -> bool {
        let Some(first) = seen.get(written.value.as_str()) else {
            seen.insert(&written.value, written.span);
            return true;
        };
        let message = format!("the {kind} `{}` is named twice in this list", written.value);
        let problem = Problem::error(Code::RepeatedReference, message, "remove one of the two")
            .label(written.span, "the second")
            .label(*first, "the first");
        self.note(problem);
        false
    }

    fn retention(&mut self, document: Option<&RetentionDocument>) -> Option<Retention> {
        let document = document?;
        if document.keys.is_empty() {
            if self.has_unread_key(document.span) {
                return None;
            }
            let help = "write at least one rule, as in `{daily: 7, weekly: 12}`, or remove `retention` to keep everything";
            let problem = Problem::error(Code::Empty, "this `retention` has no rule", help);
            self.note(problem.label(document.span, "keeps nothing"));
            return None;
        }
        let rules = [
            ("last", &document.last),
            ("hourly", &document.hourly),
            ("daily", &document.daily),
            ("weekly", &document.weekly),
            ("monthly", &document.monthly),
            ("yearly", &document.yearly),
        ];
        for (rule, count) in rules {
            let Some(count) = count.as_ref().filter(|count| count.value == 0) else { continue };
            let message = format!("`{rule}: 0` keeps nothing");
            let problem = Problem::error(
                Code::ZeroRetention,
                message,
                "remove the rule, or write how many are to be kept",
            );
            self.note(problem.label(count.span, ""));
        }
        if let Some(within) = document.within.as_ref().filter(|within| within.value.as_secs() == 0) {
            let problem = Problem::error(
                Code::ZeroRetention,
                "`within` of no length keeps nothing",
                "remove the rule, or write a longer duration such as `30d`",
            );
            self.note(problem.label(within.span, ""));
        }
        let count = |rule: &Option<Spanned<u32>>| rule.as_ref().map(|count| count.value);
        Some(Retention {
            last: count(&document.last),
            hourly: count(&document.hourly),
            daily: count(&document.daily),
            weekly: count(&document.weekly),
            monthly: count(&document.monthly),
            yearly: count(&document.yearly),
            within: document.within.as_ref().map(|within| within.value),
        })
    }

    fn retry(&mut self, document: Option<&RetryDocument>) -> Retry {
        let Some(document) = document else { return Retry::default() };
        let delay = document.delay.as_ref().map_or(Duration::from_secs(0), |delay| delay.value);
        let Some(attempts) = &document.attempts else { return Retry { attempts: 1, delay } };
        if attempts.value == 0 {
            let problem = Problem::error(
                Code::BadNumber,
                "`attempts` counts the first try, so it is at least 1",
                "write 1 for no second try, 2 for one more",
            );
            self.note(problem.label(attempts.span, ""));
        }
        Retry { attempts: attempts.value, delay }
    }

    /// A level that is written must be one that each target of the job can show.
    fn offered(
        &mut self,
        level: &Spanned<Level>,
        targets: &[Name],
        declared: &BTreeMap<Spanned<Name>, Option<Target>>,
    ) {
        for name in targets {
            let declaration = declared.get_key_value(&Spanned::new(name.clone(), Span::default()));
            let Some((name, Some(target))) = declaration else { continue };
            if target.offers(level.value) {
                continue;
            }
            let message = format!("the target `{}` cannot offer the level `{}`", name.value, level.value);
            let help = if target.engine.has_tables() {
                "declare `checks` or irreplaceable `tables` for the target, or remove `verify`: each target is then \
                 proven as far as it can be"
            } else {
                match (&target.engine, target.default_level()) {
                    (EngineSpec::Command(_), Level::Checksum) => {
                        "remove `verify`, and each target is proven as far as it can be; or declare the target's own `verify`"
                    }
                    (EngineSpec::Command(_), _) => {
                        "remove `verify`, and each target is proven as far as it can be; or write `integrity`"
                    }
                    _ => {
                        "remove `verify`, and each target is proven as far as it can be; or write `integrity` or `restore`"
                    }
                }
            };
            self.note(Problem::error(Code::NotOffered, message, help).label(level.span, "asked here").label(
                name.span,
                if level.value == Level::Checks { "declares no checks" } else { "can only show its bytes" },
            ));
        }
    }
}

/// The names that a mapping declares, readable or not.
fn names<T>(map: &Map<T>) -> Names<'_> {
    map.entries.iter().map(|(name, _)| (name.value.as_str(), name.span)).collect()
}

fn names_in_order(names: Option<&Names<'_>>) -> impl Iterator<Item = Name> + use<> {
    let names: Vec<Name> = names
        .into_iter()
        .flat_map(|names| names.keys())
        .filter_map(|name| Name::parse(name, Alphabet::Target))
        .collect();
    names.into_iter()
}

fn schedule_of(document: &ScheduleDocument) -> Option<Spanned<Schedule>> {
    let cron = document.cron.as_ref()?;
    let schedule = Schedule {
        cron: cron.value.0.clone(),
        jitter: document.jitter.as_ref().map_or(Duration::from_secs(0), |jitter| jitter.value),
        catch_up: document.catch_up.as_ref().map_or(CatchUp::UntilNext, |catch_up| catch_up.0),
    };
    Some(Spanned::new(schedule, cron.span))
}
