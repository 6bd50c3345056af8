//! Before anything is captured: the lock of each pair, the store that must be the one last used, and room in it.

use super::{
    Event, FailureCode,
    capture::store_error,
    job::{JobRun, StepError, StepResult},
    prune::verdicts,
};
use crate::{
    observe::StoreView,
    plan::Step,
    policy::{model::Retention, values::Size},
    removal::refuse_losses,
    retention::Reason,
    store::{self, Store as _, StoreError, Stored, lock::Mode},
};

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
        let lock = view.store.lock(&series, Mode::Exclusive).map_err(|error| store_error(&error))?;
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

    /// Sees to it that there is room: at least `min_free`, else 1.2 times the last backup, before the first the source.
    ///
    /// A declared `min_free` says what there must be, and not that a backup which is known not to fit is to be tried on a
    /// full disk: what retention no longer keeps goes first all the same.
    pub(super) fn observe_store(&mut self, step: &Step, retention: Option<Retention>) -> StepResult {
        let index = self.pair(step)?;
        let view = self.store(step)?;
        let needed = self.room_needed(step, index)?;
        let free = || view.store.free_bytes().map_err(|error| store_error(&error));
        let mut left = free()?;
        let mut note = String::new();
        let estimate = self.last_bytes(step, index)?.map_or(0, with_a_fifth);
        if left < needed.max(estimate) && !self.order.world.host.is_ahead() {
            let removed = match retention {
                Some(retention) => self.make_room(step, index, retention)?,
                None => 0,
            };
            left = free()?;
            if removed > 0 {
                note = format!("pruned {removed} to make room; ");
            }
        }
        if left < needed {
            let message = format!(
                "store `{}` at {} has {} free, {} are needed: free some, or lower `min_free`",
                step.store.as_deref().unwrap_or_default(),
                view.shown,
                Size::from_bytes(left),
                Size::from_bytes(needed)
            );
            return Err(StepError::new(FailureCode::NoRoom, message));
        }
        Ok(format!("{note}{} free", Size::from_bytes(left)))
    }

    fn room_needed(&self, step: &Step, index: usize) -> Result<u64, StepError> {
        let name = step.store.as_deref().unwrap_or_default();
        let declared = self.order.world.policy.stores().get(name).and_then(|store| store.min_free);
        if let Some(size) = declared {
            return Ok(size.bytes());
        }
        if let Some(last) = self.last_bytes(step, index)? {
            return Ok(with_a_fifth(last));
        }
        let source = self.source(step)?;
        // A source that cannot be seen yet (a hook makes it, say) is judged when it is captured.
        Ok(source.engine.observe().map_or(0, |facts| facts.bytes))
    }

    /// What the last backup of this source takes in a store, in bytes.
    fn last_bytes(&self, step: &Step, index: usize) -> Result<Option<u64>, StepError> {
        let origin = &self.source(step)?.origin;
        let own = |stored: &&Stored| stored.manifest.origin == *origin;
        Ok(self.pairs[index].listing.backups.iter().find(own).map(|stored| stored.manifest.bytes))
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

    /// Removes what retention, counted without the new backup, no longer keeps: the one case of pruning before there is
    /// a new backup. Retention's own rules still hold: the newest proven one stays, and should it not stand when it is
    /// looked at again, nothing goes.
    fn make_room(&mut self, step: &Step, index: usize, retention: Retention) -> Result<usize, StepError> {
        let source = self.source(step)?;
        let view = self.store(step)?;
        let zone = self.order.world.policy.timezone();
        let series = self.pairs[index].series.clone();
        // An earlier try may have removed some already.
        let listing = view.store.list(&series).map_err(|error| store_error(&error))?;
        let verdicts = verdicts(&listing.backups, Some(retention), zone, self.tag.now, &source.origin);
        let now = self.tag.now;
        let own = |stored: &&Stored| stored.manifest.origin == source.origin && stored.id.stamp.time() <= now;
        let losses = refuse_losses(listing.backups.iter().filter(own));
        self.pairs[index].listing = listing;
        let newest = verdicts.iter().find(|verdict| verdict.reasons.contains(&Reason::NewestProven));
        let Some(newest) = newest else { return Ok(0) };
        let relied_on = series.backup(newest.stamp);
        let needless = verdicts.iter().filter(|verdict| !verdict.keep);
        let needless: Vec<_> = needless.map(|verdict| series.backup(verdict.stamp)).collect();
        if needless.is_empty() {
            return Ok(0);
        }
        let removed = losses
            .map_err(|error| StepError::new(FailureCode::Prune, error.to_string()))
            .and_then(|()| self.remove_all(step, index, &needless, &relied_on));
        removed.map_err(|error| match error.code {
            FailureCode::Prune => {
                let message = format!("there is no room, and none can be made: {}", error.message);
                StepError::new(FailureCode::NoRoom, message)
            }
            _ => error,
        })
    }
}

/// A backup's size with what the next one may be larger.
const fn with_a_fifth(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 5)
}
