//! `run --due`: runs the jobs that have a slot which nobody has taken. Every entry of every scheduler calls it, so that it
//! matters neither how often nor exactly when they fire.

use super::{
    args::Run,
    dry_run::dry_run,
    error::CliError,
    kept, logs, output,
    run::{Call, carry_out, finish, narrowed, prepare},
    session::Session,
    signals,
};
use crate::{
    fault::Fault,
    observe::World,
    plan::{Selection, rfc3339},
    policy::{Policy, model::Job},
    run::{
        Report,
        claims::{Held, Place},
    },
    schedule::{
        Schedule,
        due::{self, Claim, ClaimState, Due, Moment},
    },
    store::{Series, Store as _, lock::LockError},
    watch::{Cancel, Watch},
};
use chrono::{DateTime, Utc};
use std::time::{Duration, Instant};

/// How long another run of the same job is waited for.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often its lock is tried.
const ROUND: Duration = Duration::from_millis(250);

pub(super) fn due(session: &Session, args: &Run) -> Result<u8, CliError> {
    let kept = kept::load(session, !args.dry_run)?;
    let selected = narrowed(&kept.policies, args)?;
    let cancel = signals::watch()?;
    let mut reports = Vec::new();
    let mut refused = None;
    let mut planned = Vec::new();
    for (policy, selection) in &selected {
        for job in policy.jobs().values().filter(|job| selection.takes_job(&job.name)) {
            let Some(schedule) = &job.schedule else {
                if selection.jobs.contains(&job.name.to_string()) && !session.global.quiet {
                    let name = format!("{}/{}", policy.name(), job.name.value);
                    output::tell(&format!("{name}: nothing is due: it has no schedule"));
                }
                continue;
            };
            let one =
                OneJob { session, args, policy, job, schedule: &schedule.value, selection, cancel: &cancel };
            if args.dry_run {
                if one.is_due_as_claimed() {
                    planned.push((*policy, one.selection()));
                }
                continue;
            }
            match one.run() {
                Ok(Some(report)) => reports.push(report),
                Ok(None) => {}
                // One job that cannot be run keeps no other from being run.
                Err(error) => {
                    output::print_error(&error, false);
                    refused = refused.or(Some(error));
                }
            }
            if cancel.is_cancelled() {
                break;
            }
        }
    }
    let ended = match (args.dry_run, planned.is_empty()) {
        (true, false) => dry_run(session, args, &planned),
        _ => finish(session, reports),
    };
    match (ended, refused) {
        (Ok(0), Some(error)) => Err(CliError::told(error.exit, "a job could not be run")),
        (Ok(0), None) if kept.is_stale => {
            Err(CliError::told(2, "a policy is not valid: what ran is its last valid text"))
        }
        (Err(error), _) if kept.is_stale && error.exit != 130 => Err(CliError::told(2, error.message)),
        (ended, _) => ended,
    }
}

/// A job that may be due.
struct OneJob<'a> {
    session: &'a Session,
    args: &'a Run,
    policy: &'a Policy,
    job: &'a Job,
    schedule: &'a Schedule,
    selection: &'a Selection,
    cancel: &'a Cancel,
}

/// What is to be run.
#[derive(Clone, Copy)]
struct Slot {
    at: DateTime<Utc>,
    tries: u32,
}

impl OneJob<'_> {
    fn name(&self) -> String {
        format!("{}/{}", self.policy.name(), self.job.name.value)
    }

    fn selection(&self) -> Selection {
        Selection { jobs: vec![self.job.name.to_string()], ..self.selection.clone() }
    }

    fn say(&self, what: &str) {
        if !self.session.global.quiet {
            output::tell(&format!("{}: {what}", self.name()));
        }
    }

    fn place(&self) -> Place {
        Place::of(&self.session.host.state, self.policy.name().as_str(), self.job.name.value.as_str())
    }

    /// The claims as this host keeps them, in accord with its clock, and whether they were not before. What cannot be read is
    /// told by whoever cannot hold it.
    fn read(&self) -> (Vec<Claim>, bool) {
        let place = self.place();
        let mut claims = place.read().unwrap_or_default();
        claims.add(self.kept_elsewhere(&place));
        let is_of_another_clock = self.moment().is_some_and(|now| due::settle(&mut claims.list, &now).1);
        (claims.list, is_of_another_clock)
    }

    fn kept_elsewhere(&self, place: &Place) -> Vec<Claim> {
        let elsewhere = place.elsewhere(&self.session.host).and_then(|place| place.read().ok());
        elsewhere.map_or_else(Vec::new, |claims| claims.list)
    }

    /// By which claims are judged; with `--now` it is not the clock that is asked.
    fn moment(&self) -> Option<Moment> {
        let host = &self.session.host;
        host.given_now().is_none().then(|| host.moment())
    }

    fn decide(&self, claims: &[Claim]) -> Due {
        due::due(self.schedule, self.policy.timezone(), self.session.host.now(), claims)
    }

    /// The slot to run by these claims; what keeps it from being run is said.
    fn slot(&self, claims: &[Claim]) -> Option<Slot> {
        let next = || {
            let next = self.schedule.cron.fires_after(self.session.host.now(), self.policy.timezone()).next();
            next.map_or_else(|| "never".to_owned(), |fire| rfc3339(fire.utc))
        };
        match self.decide(claims) {
            Due::Now { slot, tries } => return Some(Slot { at: slot, tries }),
            Due::Taken(claim) => {
                let what = if claim.state == ClaimState::Open {
                    "was begun twice and did not end"
                } else {
                    "was run"
                };
                self.say(&format!(
                    "nothing is due: the slot of {} {what}; next {}",
                    rfc3339(claim.slot),
                    next()
                ));
            }
            Due::TooLate { slot, until } => self.say(&format!(
                "nothing is due: the slot of {} was missed, its time was over at {}; next {}",
                rfc3339(slot),
                rfc3339(until),
                next()
            )),
            Due::NoneYet => self.say(&format!("nothing is due yet; next {}", next())),
        }
        None
    }

    /// Whether a slot is due, as far as this host's claims tell; takes no lock.
    fn is_due_as_claimed(&self) -> bool {
        self.slot(&self.read().0).is_some()
    }

    /// Runs the job if a slot is due: looked at without a lock first, as most calls find nothing; then with it.
    fn run(&self) -> Result<Option<Report>, CliError> {
        let (mut claims, is_of_another_clock) = self.read();
        if is_of_another_clock {
            // At once, whatever is due: when the time of such a slot has come, its claim looks like any other.
            drop(self.hold()?);
            claims = self.read().0;
        }
        let Some(slot) = self.slot(&claims) else { return Ok(None) };
        self.wait_for_jitter(slot)?;
        let Some(mut held) = self.hold()? else { return Ok(None) };
        if let Some(damage) = &held.claims.damage {
            output::warn(&format!("{damage}; a slot may be run once more than needed"));
        }
        // Under the lock: of two that find a log too long one begins it anew.
        logs::limit(self.session, self.policy, self.job.name.value.as_str());
        let Some(slot) = self.slot(&held.claims.list) else { return Ok(None) };
        let (world, plan) = prepare(self.session, self.policy, &self.selection())?;
        if plan.steps.is_empty() {
            return Ok(None);
        }
        let real_now = self.session.host.real_now();
        // Ahead of the clock nothing is claimed: the slot is still to come.
        let claims = !self.session.host.is_ahead();
        let is_known = held.claims.list.iter().any(|claim| claim.slot == slot.at);
        if claims && !is_known && self.is_in_a_store(&world, slot) {
            self.say(&format!("nothing is due: a store holds the backup of {}", rfc3339(slot.at)));
            self.keep(held.note_taken(slot.at, real_now));
            return Ok(None);
        }
        if claims {
            self.keep(held.claim(slot.at, slot.tries, real_now));
        }
        let call = Call { slot: claims.then_some(slot.at), patience: PATIENCE };
        let report = carry_out(self.session, self.args, (&world, &plan), &call, self.cancel)?;
        match report.exit {
            _ if !claims => {}
            // Interrupted, as when the host goes down: due again when it is back.
            130 => {}
            // Another run had a lock all the time: nothing was done for this slot.
            11 => self.keep(held.give_back(slot.at)),
            _ => self.keep(held.end(slot.at)),
        }
        Ok(Some(report))
    }

    /// Waits for the delay of a slot, counted from the slot: a trigger that is late enough waits no more.
    fn wait_for_jitter(&self, slot: Slot) -> Result<(), CliError> {
        let Some(longest) = self.args.jitter else { return Ok(()) };
        let host = self.session.host.machine_id()?;
        let until = slot.at + due::jitter(longest.as_delta(), &host, &self.name(), slot.at);
        let Ok(left) = (until - self.session.host.now()).to_std() else { return Ok(()) };
        self.say(&format!("waiting until {}", rfc3339(until)));
        self.pause(left)
    }

    fn pause(&self, length: Duration) -> Result<(), CliError> {
        let stopped = |_| CliError::told(130, "interrupted before anything was begun");
        Watch::new(self.cancel, None, &|_| ()).pause(length).map_err(stopped)
    }

    /// Takes the lock of the job's claims; `None` where whoever holds it runs the very slot.
    #[expect(clippy::disallowed_methods, reason = "waiting is measured on the monotonic clock")]
    fn hold(&self) -> Result<Option<Held>, CliError> {
        let own = self.place();
        let mut place = own.clone();
        let until = Instant::now() + PATIENCE;
        loop {
            let holder = match place.hold() {
                Ok(mut held) => {
                    let others = if place == own { self.kept_elsewhere(&own) } else { self.read().0 };
                    held.add(others);
                    self.settle(&mut held);
                    return Ok(Some(held));
                }
                Err(LockError::Fault(fault)) if place == own => match own.elsewhere(&self.session.host) {
                    Some(elsewhere) => {
                        let folder = elsewhere.folder().display();
                        output::warn(&format!(
                            "{}: {fault}: which slots were run is kept in {folder}, until this host is started anew",
                            self.name()
                        ));
                        place = elsewhere;
                        continue;
                    }
                    None => return Ok(Some(self.unkept(&own, fault))),
                },
                Err(LockError::Fault(fault)) => return Ok(Some(self.unkept(&own, fault))),
                Err(LockError::Held(holder)) => holder,
            };
            let claims = self.read().0;
            match self.decide(&claims) {
                Due::Now { slot, .. }
                    if claims.iter().any(|claim| claim.slot == slot && claim.state == ClaimState::Open) =>
                {
                    self.say(&format!(
                        "nothing is due: the slot of {} is being run by {holder}",
                        rfc3339(slot)
                    ));
                    return Ok(None);
                }
                Due::Now { .. } => {}
                _ => return Ok(self.slot(&claims).and(None)),
            }
            if Instant::now() >= until {
                let error = CliError::locked(format!("{} is being run by {holder}", self.name()));
                return Err(error.help("this slot is tried again with the next trigger"));
            }
            self.pause(ROUND)?;
        }
    }

    /// The claims where this host can keep none.
    fn unkept(&self, place: &Place, fault: Fault) -> Held {
        self.keep(Err(fault));
        let mut held = place.unkept();
        held.add(self.read().0);
        held
    }

    /// Tells that claims cannot be kept. No backup is lost for that: at worst some are made that were not needed.
    fn keep(&self, kept: Result<(), Fault>) {
        if let Err(fault) = kept {
            output::warn(&format!(
                "{}: {fault}: which slots were run cannot be kept, and until it can, the job runs with every trigger until a \
                 store holds the backup of the slot",
                self.name()
            ));
        }
    }

    /// Brings what is claimed in accord with the clock.
    fn settle(&self, held: &mut Held) {
        let Some(now) = self.moment() else { return };
        match held.settle(&now) {
            Ok(slots) => {
                for slot in slots {
                    output::warn(&format!(
                        "{}: the slot of {} was claimed by a clock that was ahead, and is still to come",
                        self.name(),
                        rfc3339(slot)
                    ));
                }
            }
            Err(fault) => self.keep(Err(fault)),
        }
    }

    /// Whether in one of the job's stores every target has a backup of this host that was made for the slot: then only the
    /// claims were lost.
    fn is_in_a_store(&self, world: &World<'_>, slot: Slot) -> bool {
        let has = |store: &str, target: &str| {
            let Some(Ok(view)) = world.stores.get(store) else { return false };
            let Some(Ok(source)) = world.sources.get(target) else { return false };
            let series = Series {
                policy: self.policy.name().to_string(),
                job: self.job.name.to_string(),
                target: target.to_owned(),
            };
            let listing = view.store.list(&series).unwrap_or_default();
            listing.backups.iter().any(|stored| {
                stored.manifest.slot == Some(slot.at) && stored.manifest.origin == source.origin
            })
        };
        // A second try is of a run that was killed, perhaps between two stores.
        slot.tries == 1
            && self
                .job
                .stores
                .iter()
                .any(|store| self.job.targets.iter().all(|target| has(store.store.as_str(), target.as_str())))
    }
}
