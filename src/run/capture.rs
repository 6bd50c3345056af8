//! Looking and capturing: from the source to staged files in every store.

use super::{
    Event, FailureCode,
    follow::{Follower, Pace},
    hooks::StepCaller,
    intake::{Intake, Outs, Taker},
    job::{JobRun, Staged, StepError, StepResult},
};
use crate::{
    engines::{Capture, CaptureRequest, EngineError, Previous},
    evidence::Rung,
    fault::Fault,
    observe::{self, SourceView, StoreView},
    pipe::{Encoder, Tee},
    plan::{Step, extension},
    policy::{
        model::{EngineSpec, Target},
        values::{Compression, Level, Size},
    },
    scratch::Scratch,
    store::{Store as _, StoreError, Stored, layout::stored_name, manifest::StoredFile},
    watch::Watch,
};
use chrono::{DateTime, Utc};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
    time::Instant,
};

/// What a target's capture produced in this try.
pub(super) struct Captured {
    pub(super) capture: Capture,
    pub(super) at: DateTime<Utc>,
    pub(super) begun: Instant,
    /// The newest proven backup it was compared with.
    pub(super) previous: Option<Previous>,
    /// The stored content file, for the note of the compress step.
    main: StoredFile,
    /// Holds side files until they are stored, and serves the examination of the stored bytes.
    pub(super) scratch: Scratch,
}

impl<'a> JobRun<'a> {
    /// Looks at the source.
    pub(super) fn observe_source(&mut self, step: &Step) -> StepResult {
        self.owe_after(step.target.as_deref());
        let source = self.source(step)?;
        let facts = source.engine.observe(&self.watch(&|_| ()));
        let facts = facts.map_err(|error| self.source_error(step, source, &error))?;
        Ok(Size::from_bytes(facts.bytes).to_string())
    }

    /// Streams the source's content through one pass into every store that is still open for it.
    #[expect(clippy::disallowed_methods, reason = "the duration of a capture is measured")]
    pub(super) fn capture(&mut self, step: &Step) -> StepResult {
        let begun = Instant::now();
        let source = self.source(step)?;
        let target = self.target(step)?;
        let job = self.job()?;
        let previous = self.previous(step);
        let base = source.scratch.clone().unwrap_or_else(|| self.order.world.host.state.join("scratch"));
        let scratch = Scratch::new(&base).map_err(|fault| scratch_error(&fault, is_served(target)))?;
        let open = self.stage(step)?;
        let spec = job.engine(target);
        let compression = if spec.compresses_itself() { Compression::None } else { job.compress };
        let name = stored_name(target.name.as_str(), extension(&spec), compression);

        let (outs, lost) = self.create_everywhere(step, &open, &name);
        let at = self.order.world.host.real_now();
        let mut takers = self.takers(&open, &lost);
        let caller = StepCaller { run: self, step };
        let request = CaptureRequest {
            spec: &spec,
            compress: job.compress,
            caller: &caller,
            level: job.asked(target),
            expect: &target.expect,
            checks: &target.checks,
            tables: target.tables.as_ref(),
            previous: previous.as_ref(),
            now: self.tag.now,
            scratch: scratch.path(),
        };
        let (tee, streamed) = {
            let listener = self.order.listener;
            let tell = |progress: crate::watch::Progress| {
                let (done_bytes, total_bytes) = (progress.done_bytes, progress.total_bytes);
                listener(&Event::Progress { step, done_bytes, total_bytes });
            };
            let watch = self.watch(&tell);
            watch.check().map_err(StepError::stopped)?;
            // What is examined once more is read back with that.
            let outs = if request.level < Level::Restore {
                follow(&name, outs, &mut takers, Pace::beside(compression), &watch)
            } else {
                outs
            };
            let mut tee = Tee::new(outs);
            let to = Destination { compression, name: &name, tee: &mut tee, takers: &mut takers };
            let streamed = stream(source, &request, to, &watch);
            (tee, streamed)
        };
        let still_open: Vec<usize> = takers.iter().map(|taker| taker.pair).collect();
        let file = streamed.as_ref().ok().map(|(_, file)| file);
        for (Taker { pair, follower, mut staged, unsynced }, out) in takers.into_iter().zip(tee.into_outs()) {
            if let (Some(follower), Some(file)) = (follower, file)
                && let Some(outcome) = follower.outcome(file)
            {
                staged.read.insert(name.clone(), outcome);
            }
            let failed = match (out, unsynced) {
                (Err(error), _) => Some(write_error(&name, &error)),
                (Ok(_), unsynced) => unsynced.map(|error| store_error(&error)),
            };
            match failed {
                None => self.pairs[pair].staged = Some(staged),
                Some(error) => {
                    // Its files go before the room is told.
                    drop(staged);
                    self.fail_pair(step, pair, error);
                }
            }
        }
        let (capture, main) = streamed.map_err(|error| match error {
            // The pairs told why already, each with its own error.
            StreamError::Out(error) => write_error(&name, &error),
            StreamError::Engine(error) => self.source_error(step, source, &error),
        })?;
        for (extension, path) in &capture.side_files {
            self.store_side_file(step, &still_open, extension, path, job.compress)?;
        }
        if !self.pairs.iter().any(|pair| pair.is_of(step) && pair.is_open()) {
            return Err(StepError::new(FailureCode::Storage, "no store could take it"));
        }
        for warning in &capture.evidence.warnings {
            self.tell(&Event::Warning(format!("{}: {warning}", target.name.value)));
        }
        let kept_out =
            capture.kept_out.map(|kept_out| format!(", writers kept out for {} ms", kept_out.as_millis()));
        let note = format!(
            "{} by {}{}",
            Size::from_bytes(main.plain_bytes),
            capture.method,
            kept_out.unwrap_or_default()
        );
        for Rung { method, failed, .. } in &capture.rungs {
            self.tell(&Event::Warning(format!("{}: {method} did not serve: {failed}", target.name.value)));
        }
        let captured = Captured { capture, at, begun, previous, main, scratch };
        self.captured.insert(target.name.to_string(), captured);
        Ok(note)
    }

    /// What the one pass of the capture came to; the work itself was done while the content streamed.
    pub(super) fn compress(&self, step: &Step) -> String {
        let name = step.target.as_deref().unwrap_or_default();
        let main = self.captured.get(name).map(|captured| &captured.main);
        main.map_or_else(String::new, |main| {
            let percent = main.bytes.saturating_mul(100) / main.plain_bytes.max(1);
            format!("{}, {percent}% of the original", Size::from_bytes(main.bytes))
        })
    }

    /// Begins a backup in every store that is still open for the step's target.
    fn stage(&mut self, step: &Step) -> Result<Vec<usize>, StepError> {
        let mut open = Vec::new();
        for index in 0..self.pairs.len() {
            if !(self.pairs[index].is_of(step) && self.pairs[index].is_open()) {
                continue;
            }
            let view = self.store_of(&self.pairs[index].store)?;
            match view.store.stage(&self.pairs[index].series, self.tag.stamp) {
                Ok(staging) => {
                    self.pairs[index].staged =
                        Some(Staged { staging, files: Vec::new(), read: BTreeMap::new(), proof: None });
                    open.push(index);
                }
                Err(error) => self.fail_pair(step, index, store_error(&error)),
            }
        }
        if open.is_empty() {
            return Err(StepError::new(FailureCode::Storage, "no store could take it"));
        }
        Ok(open)
    }

    /// Makes a file in each of the staged backups; those that cannot are lost for this try.
    fn create_everywhere(
        &mut self,
        step: &Step,
        open: &[usize],
        name: &str,
    ) -> (Vec<Box<dyn Write + Send>>, Vec<usize>) {
        let mut outs = Vec::new();
        let mut lost = Vec::new();
        for index in open {
            let created = self.pairs[*index].staged.as_mut().map(|staged| staged.staging.create(name));
            match created {
                Some(Ok(out)) => outs.push(out),
                Some(Err(error)) => {
                    self.fail_pair(step, *index, store_error(&error));
                    lost.push(*index);
                }
                None => lost.push(*index),
            }
        }
        (outs, lost)
    }

    /// What is staged in the stores that are written to, for as long as that lasts.
    fn takers(&mut self, open: &[usize], lost: &[usize]) -> Vec<Taker> {
        let taker = |pair: &usize| {
            let staged = self.pairs[*pair].staged.take()?;
            Some(Taker { pair: *pair, follower: None, staged, unsynced: None })
        };
        open.iter().filter(|pair| !lost.contains(pair)).filter_map(taker).collect()
    }

    /// Makes a written file durable in each store that still takes part, and notes it for the manifest.
    fn settle(&mut self, step: &Step, open: &[usize], file: &StoredFile) {
        for index in open {
            let synced = self.pairs[*index].staged.as_mut().map_or(Ok(()), |staged| staged.settle(file));
            if let Err(error) = synced {
                self.fail_pair(step, *index, store_error(&error));
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "side files lie in the run's own scratch folder")]
    fn store_side_file(
        &mut self,
        step: &Step,
        open: &[usize],
        extension: &str,
        path: &Path,
        compression: Compression,
    ) -> Result<(), StepError> {
        let target = step.target.clone().unwrap_or_default();
        let name = stored_name(&target, extension, compression);
        let open: Vec<usize> =
            open.iter().copied().filter(|index| self.pairs[*index].staged.is_some()).collect();
        let (outs, lost) = self.create_everywhere(step, &open, &name);
        let mut tee = Tee::new(outs);
        let written = std::fs::File::open(path).and_then(|mut side| {
            let mut encoder = Encoder::new(compression, &mut tee)?;
            io::copy(&mut side, &mut encoder)?;
            Ok(encoder.finish(&name)?.0)
        });
        let still_open: Vec<usize> = open.iter().copied().filter(|index| !lost.contains(index)).collect();
        for (index, out) in still_open.iter().zip(tee.into_outs()) {
            if let Err(error) = out {
                self.fail_pair(step, *index, write_error(&name, &error));
            }
        }
        let file = written.map_err(|error| write_error(&name, &error))?;
        self.settle(step, &still_open, &file);
        Ok(())
    }

    /// The newest proven backup of this origin in any of the job's stores: what the new one is compared with.
    fn previous(&self, step: &Step) -> Option<Previous> {
        let origin = self.source(step).ok().map(|source| source.origin.clone())?;
        let now = self.tag.now;
        let newest = self
            .pairs
            .iter()
            .filter(|pair| Some(&pair.target) == step.target.as_ref())
            .flat_map(|pair| &pair.listing.backups)
            .filter(|stored| {
                stored.proven() && stored.manifest.origin == origin && stored.manifest.time <= now
            })
            .max_by_key(|stored| stored.id.stamp)?;
        Some(previous_of(newest))
    }

    pub(super) fn source(&self, step: &Step) -> Result<&'a SourceView, StepError> {
        let name = step.target.as_deref().unwrap_or_default();
        match self.order.world.sources.get(name) {
            Some(Ok(view)) => Ok(view),
            Some(Err(why)) => Err(StepError::new(FailureCode::Source, why.to_string())),
            None => Err(StepError::new(FailureCode::Source, format!("there is no target `{name}`"))),
        }
    }

    pub(super) fn store(&self, step: &Step) -> Result<&'a StoreView, StepError> {
        self.store_of(step.store.as_deref().unwrap_or_default())
    }

    pub(super) fn store_of(&self, name: &str) -> Result<&'a StoreView, StepError> {
        match self.order.world.stores.get(name) {
            Some(Ok(view)) => Ok(view),
            Some(Err(why)) => Err(StepError::new(FailureCode::Store, why.to_string())),
            None => Err(StepError::new(FailureCode::Store, format!("there is no store `{name}`"))),
        }
    }

    /// Words an engine's error at its place in the policy: which source, as written and as resolved.
    fn source_error(&self, step: &Step, source: &SourceView, error: &EngineError) -> StepError {
        let mut rungs = Vec::new();
        let code = match error {
            EngineError::Fault(fault) if fault.is_full() => {
                return scratch_error(fault, self.target(step).is_ok_and(is_served));
            }
            EngineError::Stopped(stopped) => return StepError::stopped(*stopped),
            EngineError::Kept(kept) => {
                rungs.clone_from(&kept.rungs);
                if let Some(stopped) = kept.stopped.map(StepError::stopped) {
                    return StepError { message: format!("{}: {error}", stopped.message), rungs, ..stopped };
                }
                FailureCode::Capture
            }
            EngineError::Missing { .. }
            | EngineError::Unreachable { .. }
            | EngineError::Empty { .. }
            | EngineError::Foreign { .. }
            | EngineError::Unexpected { .. } => FailureCode::Source,
            _ => FailureCode::Capture,
        };
        let place = self.order.world.place_of_source(step.target.as_deref().unwrap_or_default());
        let guard = match error {
            EngineError::Unexpected { guard, .. } => format!(" (`expect: {guard}`)"),
            _ => String::new(),
        };
        let said = observe::with_source(&format!("{error}{guard}"), &source.shown);
        StepError { rungs, ..StepError::new(code, format!("{place}: {said}")) }
    }
}

/// A backup's own record of its content.
pub(crate) fn previous_of(stored: &Stored) -> Previous {
    let manifest = &stored.manifest;
    let answers =
        manifest.checks.iter().filter_map(|check| Some((check.name.clone(), check.actual.clone()?)));
    Previous {
        id: manifest.id.clone(),
        bytes: manifest.original_bytes,
        answers: answers.collect(),
        tables: manifest.tables.clone(),
    }
}

/// Has each file read back behind its writer. Where that cannot be, it is read back when all is captured.
fn follow(
    name: &str,
    outs: Vec<Box<dyn Write + Send>>,
    takers: &mut [Taker],
    pace: Pace,
    watch: &Watch<'_>,
) -> Vec<Box<dyn Write + Send>> {
    let follow = |(out, taker): (_, &mut Taker)| {
        let (follower, out) = Follower::start(&*taker.staged.staging, name, out, pace, watch);
        taker.follower = follower;
        out
    };
    outs.into_iter().zip(takers).map(follow).collect()
}

enum StreamError {
    Engine(EngineError),
    Out(io::Error),
}

/// What a capture is stored as, and where.
struct Destination<'t> {
    compression: Compression,
    name: &'t str,
    tee: &'t mut Outs,
    takers: &'t mut [Taker],
}

/// The one pass: engine, digest, codec, digest, stores.
fn stream(
    source: &SourceView,
    request: &CaptureRequest<'_>,
    Destination { compression, name, tee, takers }: Destination<'_>,
    watch: &Watch<'_>,
) -> Result<(Capture, StoredFile), StreamError> {
    // Why a write failed is asked of the watch first: a stop reaches the codec as an error of its output.
    let failed = |error: io::Error| match watch.check() {
        Err(stopped) => StreamError::Engine(EngineError::Stopped(stopped)),
        Ok(()) => StreamError::Out(error),
    };
    let mut intake = Intake::new(compression, tee, takers, name, watch).map_err(failed)?;
    let capture = source.engine.capture(request, &mut intake, watch).map_err(|error| match error {
        EngineError::Out(error) => failed(error),
        error => StreamError::Engine(error),
    })?;
    let main = intake.finish().map_err(failed)?;
    Ok((capture, main))
}

pub(super) fn store_error(error: &StoreError) -> StepError {
    match error {
        StoreError::Locked { .. } => StepError::new(FailureCode::Locked, error.to_string()),
        StoreError::Fault(fault) => storage_error(fault),
        StoreError::Absent(_)
        | StoreError::Foreign { .. }
        | StoreError::Newer { .. }
        | StoreError::NotMounted(_) => StepError::new(FailureCode::Store, error.to_string()),
        StoreError::Taken(_) => {
            let message = format!("{error}, made in the same second elsewhere: run again");
            StepError::new(FailureCode::Storage, message)
        }
        _ => StepError::new(FailureCode::Storage, error.to_string()),
    }
}

pub(super) fn storage_error(fault: &Fault) -> StepError {
    let code = if fault.is_full() { FailureCode::NoRoom } else { FailureCode::Storage };
    StepError::new(code, fault.to_string())
}

/// Whether `scratch` of a target names a database, and no folder.
const fn is_served(target: &Target) -> bool {
    matches!(target.engine, EngineSpec::Postgres(_))
}

/// A full disk under a scratch folder is another one than the store's.
fn scratch_error(fault: &Fault, is_served: bool) -> StepError {
    let error = storage_error(fault);
    let mend = match (fault.is_full(), is_served) {
        (false, _) => "",
        (true, true) => ": free some room there, or set POLICY_STATE_DIR to a folder with more",
        (true, false) => ": free some room there, or name another folder with `scratch`",
    };
    StepError { message: error.message + mend, ..error }
}

fn write_error(name: &str, error: &io::Error) -> StepError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let code = if full { FailureCode::NoRoom } else { FailureCode::Storage };
    StepError::new(code, format!("cannot write `{name}`: {error}"))
}
