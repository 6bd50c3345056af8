//! Before anything is captured: the lock of each pair, the store that must be the one last used, and room in it.

use super::{
    Event, FailureCode,
    capture::store_error,
    job::{JobRun, StepError, StepResult},
    prune::removal_error,
    room::{self, Room, needless},
};
use crate::{
    observe::StoreView,
    plan::Step,
    policy::{model::Retention, values::Size},
    removal::stands_whole,
    store::{
        self, Series, Store as _, StoreError,
        lock::{Lock, Mode},
    },
};
use std::time::{Duration, Instant};

/// How often a lock that another holds is tried.
const LOCK_ROUND: Duration = Duration::from_millis(250);

impl JobRun<'_> {
    /// Takes the lock of a pair: the store must be the one last used, is made when it was never used, and is swept.
    pub(super) fn lock(&mut self, step: &Step) -> StepResult {
        let index = self.pair(step)?;
        let view = self.store(step)?;
        let policy = &self.order.plan.policy;
        let name = step.store.clone().unwrap_or_default();
        let id = self.admit(view, &name)?;
        if let Some(Err(error)) = self
            .catalog
            .map(|catalog| catalog.remember_store(policy, &name, &id, self.order.world.host.real_now()))
        {
            self.tell(&Event::Warning(error.to_string()));
        }
        let series = self.pairs[index].series.clone();
        let lock = self.lock_series(view, &series)?;
        let swept = view.store.sweep(&series).map_err(|error| store_error(&error))?;
        let listing = view.store.list(&series).map_err(|error| store_error(&error))?;
        for unclaimed in &listing.unclaimed {
            self.tell(&Event::Warning(format!("in store `{name}` {unclaimed}")));
        }
        for stored in &listing.backups {
            if let Some(damage) = &stored.damage {
                let what = format!("in store `{name}` `{}` is damaged: {damage}", stored.id);
                self.tell(&Event::Warning(what));
            }
        }
        let pair = &mut self.pairs[index];
        pair.lock = Some(lock);
        pair.listing = listing;
        Ok(if swept.is_empty() {
            String::new()
        } else {
            format!("cleared {} of an earlier run that did not end", swept.join(", "))
        })
    }

    /// Takes the lock of a series; one that another holds is waited for as long as the order says.
    #[expect(clippy::disallowed_methods, reason = "waiting is measured on the monotonic clock")]
    fn lock_series(&self, view: &StoreView, series: &Series) -> Result<Lock, StepError> {
        let until = Instant::now() + self.order.patience;
        let mut told = false;
        loop {
            match view.store.lock(series, Mode::Exclusive) {
                Err(StoreError::Locked { .. }) if Instant::now() < until => {}
                taken => return taken.map_err(|error| store_error(&error)),
            }
            if !std::mem::replace(&mut told, true) {
                self.tell(&Event::Warning(format!("`{series}` is locked: waiting for its holder to end")));
            }
            self.watch(&|_| ()).pause(LOCK_ROUND).map_err(StepError::stopped)?;
        }
    }

    /// The id of a store that may be used. Nothing is made at a place that held the store last time and does not now: an
    /// unmounted disk's folder would be filled, and its retention would count from nothing.
    fn admit(&self, view: &StoreView, name: &str) -> Result<String, StepError> {
        let refuse = |message: String| Err(StepError::new(FailureCode::Store, message));
        let policy = &self.order.plan.policy;
        let is_accepted = self.order.new_stores.contains(name);
        let known = match self.catalog.map(|catalog| catalog.last_store(policy, name)) {
            Some(Ok(known)) => known,
            Some(Err(error)) => return refuse(error.to_string()),
            None => None,
        };
        let found = view.store.id();
        if let Some(why) = store::is_other(known.as_deref(), &found).filter(|_| !is_accepted) {
            return refuse(format!(
                "store `{name}` at {} is not the one last used{why}: not mounted? Mount it, or accept the place as a new \
                 store with `--new-store {name}`",
                view.shown
            ));
        }
        let made = match found {
            Ok(Some(id)) => return Ok(id),
            _ if is_accepted => view.store.create_anew(),
            Ok(None) if self.catalog.is_none() => {
                return refuse(format!(
                    "there is no store `{name}` at {}, and without the catalog nobody knows whether there was one: mend \
                     the state folder, or accept the place with `--new-store {name}`",
                    view.shown
                ));
            }
            Ok(None) => view.store.create(),
            Err(error) => Err(error),
        };
        made.map_err(|error| match &error {
            StoreError::Foreign { .. } if is_accepted => {
                StepError::new(FailureCode::Store, format!("{error}: choose an empty folder"))
            }
            StoreError::Foreign { .. } => {
                let mend = format!(
                    "choose an empty folder, or, where this is a store that lost its id, accept it with `--new-store {name}`"
                );
                StepError::new(FailureCode::Store, format!("{error}: {mend}"))
            }
            _ => store_error(&error),
        })
    }

    /// Sees to it that there is room, by removing what retention no longer keeps where it is short.
    pub(super) fn observe_store(&mut self, step: &Step, retention: Option<Retention>) -> StepResult {
        let index = self.pair(step)?;
        let view = self.store(step)?;
        let room = self.room(step, index)?;
        let name = step.store.as_deref().unwrap_or_default();
        let free = || view.store.free_bytes().map_err(|error| store_error(&error));
        let mut left = free()?;
        let mut note = String::new();
        if room.is_short(left) && !self.order.world.host.is_ahead() {
            let made = match retention {
                Some(retention) => self.make_room(step, index, retention),
                None => Ok(0),
            };
            left = free()?;
            match made {
                Ok(0) => {}
                Ok(removed) => note = format!("pruned {removed} to make room; "),
                Err(error) if matches!(error.code, FailureCode::Interrupted | FailureCode::Timeout) => {
                    return Err(error);
                }
                Err(error) => {
                    let what = format!(
                        "no room can be made in store `{name}`: {}; `policy verify` tells which backups stand; {} are free, \
                         {} are needed",
                        error.message,
                        Size::from_bytes(left),
                        Size::from_bytes(room.needed)
                    );
                    if left < room.needed {
                        return Err(StepError::new(FailureCode::NoRoom, what));
                    }
                    // A good backup is needed most where others are damaged: what must be free is, so it is tried.
                    self.tell(&Event::Warning(what));
                }
            }
        }
        if left < room.needed {
            let message = format!(
                "store `{name}` at {} has {} free, {} are needed: free some, or lower `min_free`",
                view.shown,
                Size::from_bytes(left),
                Size::from_bytes(room.needed)
            );
            return Err(StepError::new(FailureCode::NoRoom, message));
        }
        Ok(format!("{note}{} free", Size::from_bytes(left)))
    }

    fn room(&self, step: &Step, index: usize) -> Result<Room, StepError> {
        let name = step.store.as_deref().unwrap_or_default();
        let declared = self.order.world.policy.stores().get(name).and_then(|store| store.min_free);
        let last = self.last_bytes(step, index)?;
        let source = self.source(step)?;
        // A source that cannot be seen yet (a hook makes it, say) is judged when it is captured.
        Ok(Room::of(declared, last, || {
            source.engine.observe(&self.watch(&|_| ())).map_or(0, |facts| facts.bytes)
        }))
    }

    /// What the last backup of this source takes in a store, in bytes.
    fn last_bytes(&self, step: &Step, index: usize) -> Result<Option<u64>, StepError> {
        Ok(room::last_bytes(&self.pairs[index].listing, &self.source(step)?.origin))
    }

    /// Says of a store that ran full where it is, how much there is and what to do; other errors stay as they are.
    pub(super) fn with_the_room(&self, step: &Step, index: usize, error: StepError) -> StepError {
        let name = &self.pairs[index].store;
        let (FailureCode::NoRoom, Ok(view)) = (error.code, self.store_of(name)) else { return error };
        let free = view.store.free_bytes().map_or_else(
            |unknown| format!("unknown room ({unknown})"),
            |free| format!("{} free", Size::from_bytes(free)),
        );
        let last = self.last_bytes(step, index).ok().flatten();
        let last =
            last.map(|last| format!(", its last backup took {}", Size::from_bytes(last))).unwrap_or_default();
        let message = format!(
            "{}; store `{name}` at {} has {free} without it{last}: free some, keep fewer backups, or raise `min_free`, so \
             that a run first removes what retention no longer keeps",
            error.message, view.shown
        );
        StepError::new(FailureCode::NoRoom, message)
    }

    /// Removes what is needless, each removal told: that something goes before there is a new backup is nothing to be
    /// found out later. Should the backup relied on not stand when it is looked at again, nothing goes.
    fn make_room(&mut self, step: &Step, index: usize, retention: Retention) -> Result<usize, StepError> {
        let source = self.source(step)?;
        let view = self.store(step)?;
        let zone = self.order.world.policy.timezone();
        let series = self.pairs[index].series.clone();
        // An earlier try may have removed some already.
        let listing = view.store.list(&series).map_err(|error| store_error(&error))?;
        let needless = needless(&listing, &series, retention, zone, self.tag.now, &source.origin);
        self.pairs[index].listing = listing;
        let needless = needless.map_err(|error| StepError::new(FailureCode::Prune, error.to_string()))?;
        let Some(needless) = needless else { return Ok(0) };
        // This run has written nothing yet: what it relies on is an earlier one's.
        stands_whole(&view.store, &needless.relied_on, &self.watch(&|_| ()))
            .map_err(|error| removal_error(&error))?;
        let ids: Vec<_> = needless.verdicts.iter().map(|verdict| series.backup(verdict.stamp)).collect();
        self.remove_all(step, index, &ids, &needless.relied_on, |run, id| {
            let store = &run.pairs[index].store;
            let what = format!("`{id}` was pruned from store `{store}` before the capture, to make room");
            run.tell(&Event::Warning(what));
        })
    }
}
