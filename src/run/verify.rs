//! Verifying what was staged: the stored bytes, read back from the disk, to the level asked.

use super::{
    Event, FailureCode,
    capture::store_error,
    hooks::StepCaller,
    job::{JobRun, StepError, StepResult},
    publish::Proof,
};
use crate::{
    engines::{EngineError, ExamineRequest, Previous, StoredContent},
    evidence::{CheckedOn, Evidence, Integrity},
    fault::Fault,
    pipe::{Decoder, Mismatch},
    plan::Step,
    policy::values::Level,
    store::{StoreError, manifest::StoredFile},
    watch::{Progress, Watch},
};
use std::{collections::BTreeMap, io::Read};

/// Opens a stored file by its name.
pub(crate) type Opener<'a> = dyn Fn(&str) -> Result<Box<dyn Read + Send>, StoreError> + 'a;

/// Why stored bytes could not be verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Reads every stored file back and compares the digests; from `integrity` on, the engine examines the content in the
/// same pass. Nothing counts before every digest was compared.
pub(crate) fn read_back(
    files: &[StoredFile],
    open: &Opener<'_>,
    examine: Option<(&dyn crate::engines::Engine, &ExamineRequest<'_>)>,
    watch: &Watch<'_>,
) -> Result<Option<Evidence>, VerifyError> {
    let evidence = pour(files, open, watch, |stored| match examine {
        Some((engine, request)) => engine.examine(stored, request, watch).map(Some),
        None => Ok(None),
    })?;
    Ok(evidence.flatten())
}

/// Reads back what was not read behind the writer, and tells what came of those that were.
fn read_rest(
    files: &[StoredFile],
    mut read: BTreeMap<String, Result<(), VerifyError>>,
    open: &Opener<'_>,
    watch: &Watch<'_>,
) -> Result<(), VerifyError> {
    for file in files {
        match read.remove(&file.name) {
            Some(outcome) => outcome?,
            None => decoder(file, open, watch)?.finish(file)?,
        }
    }
    Ok(())
}

/// Hands the decoded content of a backup to `take`, and compares every digest of every file; `None` when the backup has
/// no files.
pub(crate) fn pour<T>(
    files: &[StoredFile],
    open: &Opener<'_>,
    watch: &Watch<'_>,
    take: impl FnOnce(&mut StoredContent<'_>) -> Result<T, EngineError>,
) -> Result<Option<T>, VerifyError> {
    let Some((main, sides)) = files.split_first() else { return Ok(None) };
    // Side files first: they are small, and whoever takes the main one relies on them.
    for side in sides {
        decoder(side, open, watch)?.finish(side)?;
    }
    let mut content = decoder(main, open, watch)?;
    let open_side = |extension: &str| open_side(files, extension, open);
    let taken = take(&mut StoredContent { main: &mut content, side: &open_side });
    match taken {
        Err(error @ EngineError::Stopped(_)) => Err(error.into()),
        // If the bytes are not the stored ones, that is the reason to tell.
        Err(error) => {
            content.finish(main)?;
            Err(error.into())
        }
        Ok(taken) => {
            content.finish(main)?;
            Ok(Some(taken))
        }
    }
}

/// Opens a side file by its extension, decoded; its digest was compared before.
pub(crate) fn open_side(
    files: &[StoredFile],
    extension: &str,
    open: &Opener<'_>,
) -> Result<Option<Box<dyn Read + Send>>, Fault> {
    let has_extension = |file: &&StoredFile| {
        let bare = file.name.trim_end_matches(".zst").trim_end_matches(".gz");
        bare.strip_suffix(extension).is_some_and(|stem| stem.ends_with('.'))
    };
    let Some(file) = files.iter().skip(1).find(has_extension) else { return Ok(None) };
    let fault = |source| Fault { verb: "read", path: file.name.clone().into(), source };
    let stored = open(&file.name).map_err(|error| fault(std::io::Error::other(error.to_string())))?;
    Ok(Some(crate::pipe::plain_reader(&file.name, stored).map_err(fault)?))
}

fn decoder<'w>(
    file: &StoredFile,
    open: &Opener<'_>,
    watch: &'w Watch<'w>,
) -> Result<Decoder<'w>, VerifyError> {
    let stored = open(&file.name)?;
    Decoder::new(&file.name, stored, Some(file.plain_bytes), watch)
        .map_err(|source| Mismatch::Unreadable { name: file.name.clone(), source }.into())
}

impl JobRun<'_> {
    /// Reads a staged backup back. Bytes that are not those written fail the pair and are never published; content
    /// that fails is the source's own state: it goes on to be published, unproven, with what failed.
    pub(super) fn verify(&mut self, step: &Step, asked: Level) -> StepResult {
        let index = self.pair(step)?;
        let name = step.target.clone().unwrap_or_default();
        let proof = {
            let captured = self
                .captured
                .get(&name)
                .ok_or_else(|| StepError::new(FailureCode::Capture, "nothing was captured"))?;
            let source = self.source(step)?;
            let target = self.target(step)?;
            let read = self.pairs[index].staged.as_mut().map(|staged| std::mem::take(&mut staged.read));
            let staged = self.pairs[index].staged.as_ref();
            let staged = staged
                .ok_or_else(|| StepError::new(FailureCode::Storage, "nothing was staged in this store"))?;
            let shown = &captured.capture.evidence;
            let recorded = Previous {
                id: staged.staging.id().to_string(),
                bytes: staged.files.iter().map(|file| file.plain_bytes).sum(),
                answers: shown
                    .checks
                    .iter()
                    .filter_map(|check| Some((check.name.clone(), check.actual.clone()?)))
                    .collect(),
                tables: shown.tables.clone(),
            };
            let caller = StepCaller { run: self, step };
            // What the capture showed on exactly this content needs no second look, but for `restore`, which is about
            // the stored file itself.
            let needed = asked == Level::Restore
                || (asked >= Level::Integrity && shown.integrity == Integrity::Skipped);
            let has_answers = !shown.checks.is_empty();
            let request = ExamineRequest {
                level: if asked == Level::Checks && has_answers { Level::Integrity } else { asked },
                checks: &target.checks,
                tables: target.tables.as_ref(),
                recorded: &recorded,
                previous: captured.previous.as_ref(),
                captured_at: self.tag.now,
                scratch: captured.scratch.path(),
                caller: &caller,
                facts: &captured.capture.facts,
            };
            let examine = needed.then_some((&*source.engine, &request));
            let listener = self.order.listener;
            let tell = |progress: Progress| {
                let (done_bytes, total_bytes) = (progress.done_bytes, progress.total_bytes);
                listener(&Event::Progress { step, done_bytes, total_bytes });
            };
            let watch = self.watch(&tell);
            watch.check().map_err(StepError::stopped)?;
            let open = |file: &str| staged.staging.open(file);
            let result = match examine {
                None => read_rest(&staged.files, read.unwrap_or_default(), &open, &watch).map(|()| None),
                Some(_) => read_back(&staged.files, &open, examine, &watch),
            };
            let (second, unable) = match result {
                Ok(second) => (second, None),
                // The stored bytes are those written: it is the look at them that failed, for want of room, say. They
                // may be the last there is.
                Err(VerifyError::Engine(error)) if !matches!(error, EngineError::Stopped(_)) => {
                    (None, Some(format!("could not be verified: {error}")))
                }
                Err(error) => return Err(verify_error(&error)),
            };
            let mut proof = judge(asked, shown, captured.capture.checked_on, second);
            proof.proves &= unable.is_none();
            proof.failures.extend(unable);
            proof
        };
        for warning in &proof.warned {
            let text = format!("{name}: {warning}");
            if self.warned.insert(text.clone()) {
                self.tell(&Event::Warning(text));
            }
        }
        let unproven = !proof.proves;
        let (level, failures) = (proof.level, proof.failures.join("; "));
        if let Some(staged) = &mut self.pairs[index].staged {
            staged.proof = Some(proof);
        }
        if unproven {
            let store = step.store.clone();
            let why = if failures.is_empty() { "it could not be shown".to_owned() } else { failures };
            let message = format!("level {asked} was asked, {level} was reached: {why}");
            self.note_failure(step, store, StepError::new(FailureCode::Unproven, message));
            return Ok(format!("unproven: level {level} of {asked}"));
        }
        Ok(format!("verified to level {level}"))
    }
}

/// Joins what the capture showed with what the stored bytes, which passed `checksum`, showed.
fn judge(asked: Level, shown: &Evidence, checked_on: CheckedOn, second: Option<Evidence>) -> Proof {
    let on_copy = second.is_some() && shown.integrity == Integrity::Skipped;
    let was_tried = asked == Level::Restore && second.is_some();
    let evidence = match second {
        Some(second) => shown.clone().joined(second),
        None => shown.clone(),
    };
    let proves = evidence.proves(asked) && (was_tried || asked != Level::Restore);
    let level = if proves { asked } else { evidence.level().min(asked) };
    Proof {
        proves,
        level,
        failures: evidence.failures(),
        warned: evidence.warned(),
        warnings: evidence.warnings,
        checks: evidence.checks,
        tables: evidence.tables,
        checked_on: (asked >= Level::Integrity).then_some(if on_copy { CheckedOn::Copy } else { checked_on }),
    }
}

pub(super) fn verify_error(error: &VerifyError) -> StepError {
    match error {
        VerifyError::Store(error) => store_error(error),
        VerifyError::Mismatch(Mismatch::Stopped(stopped))
        | VerifyError::Engine(EngineError::Stopped(stopped)) => StepError::stopped(*stopped),
        VerifyError::Mismatch(mismatch) => StepError::new(
            FailureCode::Storage,
            format!("the stored bytes are not those written: {mismatch}"),
        ),
        VerifyError::Engine(error) => StepError::new(FailureCode::Storage, error.to_string()),
    }
}
