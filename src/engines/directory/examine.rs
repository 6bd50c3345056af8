//! The examination: one pass over a stored archive that holds every member against the list of digests, and at will
//! restores it on the way; and the second look at what was restored.

use super::{
    archive::{Form, Member, shown},
    extract::{Durability, Extraction, remove_tree},
    members::{Against, Digest, EXTENSION, escape},
    reader::Reader,
    selection::Selection,
    walk::{Entry, Excluded, Step, Walk},
};
use crate::{
    engines::{EngineError, StoredContent},
    evidence::Integrity,
    fault::OnPath,
    platform::folder::{Folder, Kind},
    watch::Watch,
};
use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, Write},
    path::Path,
};

/// So many lines are kept of what could be a million.
const LINES: usize = 100;
/// So many findings are kept.
const FINDINGS: usize = 20;

/// Lines for people, bounded.
#[derive(Debug, Default)]
pub(super) struct Notes {
    lines: Vec<String>,
    more: u64,
}

impl Notes {
    /// Adds a line, or counts it.
    pub(super) fn add(&mut self, line: String) {
        if self.lines.len() < LINES {
            self.lines.push(line);
        } else {
            self.more += 1;
        }
    }

    /// The lines, with one that counts the rest.
    pub(super) fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("… and {} more", self.more));
        }
        self.lines
    }
}

/// What a pass over an archive saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Files, each name counted.
    pub(super) files: u64,
    /// What is wrong with it.
    pub(super) findings: Vec<String>,
    /// What must be told.
    pub(super) warnings: Vec<String>,
}

/// Reads a stored archive to its very end and examines it; damage is a finding, and only what kept it from being read
/// is an error.
pub(super) fn examine(
    stored: &mut StoredContent<'_>,
    watch: &Watch<'_>,
) -> Result<(Seen, Integrity), EngineError> {
    let seen = pass(stored, None, None, watch);
    judge(stored, seen, watch)
}

/// Does what [`examine`] does, restores it below `scratch` meanwhile, looks at every restored file again, and removes
/// all of it.
pub(super) fn rehearse(
    stored: &mut StoredContent<'_>,
    scratch: &Path,
    watch: &Watch<'_>,
) -> Result<(Seen, Integrity), EngineError> {
    let room =
        tempfile::Builder::new().prefix("folder-").tempdir_in(scratch).on("create a folder in", scratch)?;
    let (place, ledger_path) = (room.path().join("restored"), room.path().join("ledger"));
    let mut ledger = BufWriter::new(File::create_new(&ledger_path).on("create", &ledger_path)?);
    let seen = restore(stored, &place, Some((&mut ledger, &ledger_path)), watch);
    let judged = judge(stored, seen, watch)?;
    let outcome = match judged {
        (mut seen, Integrity::Sound) => {
            let mut ledger =
                ledger.into_inner().map_err(std::io::IntoInnerError::into_error).on("write", &ledger_path)?;
            ledger.rewind().on("read", &ledger_path)?;
            let differences = compare(&place, &mut BufReader::new(ledger), &ledger_path, watch)?;
            remove_tree(&place)?;
            seen.findings.extend(differences.content);
            let integrity = match (seen.findings.is_empty(), differences.dress.is_empty()) {
                (true, true) => Integrity::Sound,
                (false, _) => Integrity::Damaged(seen.findings.clone()),
                // The scratch folder's file system may not keep modes or times: that says nothing about the backup.
                (true, false) => Integrity::Unverifiable(differences.dress),
            };
            (seen, integrity)
        }
        damaged => damaged,
    };
    room.close().on("remove", scratch)?;
    Ok(outcome)
}

/// Reads every file of a restored folder again and holds it against the list of digests.
pub(super) fn inspect(
    place: &Path,
    list: Option<Box<dyn Read + Send>>,
    watch: &Watch<'_>,
) -> Result<(Seen, Integrity), EngineError> {
    let Some(list) = list else {
        let why = "the list of members' digests is missing".to_owned();
        return Ok((Seen::default(), Integrity::Unverifiable(vec![why])));
    };
    let everything = Selection::everything();
    let root = Folder::root(place).on("open the folder", place)?;
    let mut walk = Walk::new(root, &everything, Excluded::Skip).on("list", place)?;
    let mut against = Against::new(list)?;
    let mut seen = Seen::default();
    let mut buffer = vec![0; 1 << 18];
    while let Some(step) = walk.step() {
        watch.check()?;
        match step {
            Step::Leaf(entry) if entry.meta.kind == Kind::File => {
                let at = place.join(shown(&entry.path));
                let folder = walk.folder().on("open the folder of", &at)?;
                let digest = digest_of(folder, &entry, &mut buffer, watch, &at)?;
                against.member(&entry.path, Some(&digest))?;
                seen.files += 1;
            }
            Step::Vanished(path) => {
                seen.findings.push(format!("`{}` vanished after it was restored", shown(&path)));
            }
            Step::Unreadable(path, error) => {
                seen.findings.push(format!("`{}` was restored and cannot be read: {error}", shown(&path)));
            }
            Step::Leaf(_) | Step::Enter(..) | Step::Leave => {}
        }
    }
    seen.findings.extend(against.finish()?);
    let integrity =
        if seen.findings.is_empty() { Integrity::Sound } else { Integrity::Damaged(seen.findings.clone()) };
    Ok((seen, integrity))
}

/// Restores a stored archive to a new place, and removes what it made when that fails.
pub(super) fn restore(
    stored: &mut StoredContent<'_>,
    place: &Path,
    ledger: Option<(&mut dyn Write, &Path)>,
    watch: &Watch<'_>,
) -> Result<Seen, EngineError> {
    let durability = if ledger.is_some() { Durability::Trial } else { Durability::Kept };
    let mut extraction = Extraction::new(place, durability)?;
    let seen = pass(stored, Some(&mut extraction), ledger, watch).and_then(|mut seen| {
        if let Some(finding) = seen.findings.first() {
            return Err(EngineError::Damaged(finding.clone()));
        }
        seen.warnings.extend(extraction.finish()?);
        Ok(seen)
    });
    if seen.is_err() {
        // Only what was made here goes; that it fails too is less than what went wrong before.
        let _ = remove_tree(place);
    }
    seen
}

fn judge(
    stored: &mut StoredContent<'_>,
    seen: Result<Seen, EngineError>,
    watch: &Watch<'_>,
) -> Result<(Seen, Integrity), EngineError> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(EngineError::Damaged(finding)) => {
            // The caller takes the digest of the same bytes, so they are read to their end also when they are damaged.
            drain(stored.main, watch)?;
            Seen { findings: vec![finding], ..Seen::default() }
        }
        Err(error) => return Err(error),
    };
    let integrity =
        if seen.findings.is_empty() { Integrity::Sound } else { Integrity::Damaged(seen.findings.clone()) };
    Ok((seen, integrity))
}

fn drain(input: &mut dyn Read, watch: &Watch<'_>) -> Result<(), EngineError> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        watch.check()?;
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(EngineError::In(error)),
        }
    }
}

/// The pass itself.
fn pass(
    stored: &mut StoredContent<'_>,
    mut extraction: Option<&mut Extraction>,
    mut ledger: Option<(&mut dyn Write, &Path)>,
    watch: &Watch<'_>,
) -> Result<Seen, EngineError> {
    let mut seen = Seen::default();
    let list = (stored.side)(EXTENSION)?;
    // A restore goes on without the list: the archive may be all that is left.
    if list.is_none() {
        let why = "the list of members' digests is missing".to_owned();
        if extraction.is_some() && ledger.is_none() { &mut seen.warnings } else { &mut seen.findings }
            .push(why);
    }
    let mut against = list.map(Against::new).transpose()?;
    let mut reader = Reader::new(stored.main);
    let mut buffer = vec![0; 1 << 18];
    // A file that changed while it was captured is followed by a second member of its name: only the last one counts.
    let mut pending: Option<(Member, Digest)> = None;
    loop {
        watch.check()?;
        let member = reader.next()?;
        if let Some((last, digest)) = pending.take() {
            let replaced =
                member.as_ref().is_some_and(|next| next.form == Form::File && next.path == last.path);
            if !replaced {
                seen.files += 1;
                if let Some(against) = &mut against {
                    against.member(&last.path, Some(&digest))?;
                }
                note(&mut ledger, &last, Some(&digest))?;
            }
        }
        let Some(member) = member else { break };
        let mut file = match &mut extraction {
            Some(extraction) => extraction.member(&member)?,
            None => None,
        };
        match &member.form {
            Form::File => {
                let mut hasher = blake3::Hasher::new();
                loop {
                    watch.check()?;
                    let count = reader.content(&mut buffer)?;
                    if count == 0 {
                        break;
                    }
                    hasher.update(&buffer[..count]);
                    if let Some(file) = &mut file {
                        file.write_all(&buffer[..count]).on("write the content of", shown(&member.path))?;
                    }
                    watch.tell(reader.bytes(), None);
                }
                if let (Some(extraction), Some(file)) = (&mut extraction, file) {
                    extraction.close(file, &member)?;
                }
                pending = Some((member, hasher.finalize().into()));
            }
            Form::HardLink(_) => {
                seen.files += 1;
                let listed = match &mut against {
                    Some(against) => against.member(&member.path, None)?,
                    None => None,
                };
                note(&mut ledger, &member, listed.as_ref())?;
            }
            Form::Folder | Form::Link(_) => note(&mut ledger, &member, None)?,
        }
    }
    reader.finish()?;
    if let Some(against) = against {
        seen.findings.extend(against.finish()?);
    }
    Ok(seen)
}

/// Writes down what a member must be once it is restored.
fn note(
    ledger: &mut Option<(&mut dyn Write, &Path)>,
    member: &Member,
    digest: Option<&Digest>,
) -> Result<(), EngineError> {
    let Some((ledger, path)) = ledger else { return Ok(()) };
    let body = match &member.form {
        Form::Folder => b"folder".to_vec(),
        Form::Link(target) => [b"link ", escape(target).as_slice()].concat(),
        Form::File | Form::HardLink(_) => hex::encode(digest.copied().unwrap_or_default()).into_bytes(),
    };
    let line = Line { path: &member.path, body, dress: dress(member.mode, member.modified, &member.form) };
    Ok(ledger.write_all(&line.to_bytes()).on("write", path)?)
}

/// One line of the ledger: path, content and dress, in this order and separated by zeros, which no path can hold.
struct Line<'p> {
    path: &'p [u8],
    body: Vec<u8>,
    dress: String,
}

impl Line<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        [escape(self.path).as_slice(), b"\0", self.body.as_slice(), b"\0", self.dress.as_bytes(), b"\n"]
            .concat()
    }
}

/// Mode and time as text. Set-id bits are told by the extraction when their owner cannot be given; links have no mode of
/// their own; Windows keeps neither modes nor the times of folders.
fn dress(mode: u32, modified: crate::platform::folder::Moment, form: &Form) -> String {
    match form {
        _ if cfg!(not(unix)) => String::new(),
        Form::Link(_) => format!("time {}.{:09}", modified.secs, modified.nanos),
        _ => format!("mode {:04o}, time {}.{:09}", mode & 0o1777, modified.secs, modified.nanos),
    }
}

#[derive(Default)]
struct Differences {
    content: Vec<String>,
    dress: Vec<String>,
}

/// Walks a restored folder and holds it against the ledger, which is in the same order.
fn compare(
    place: &Path,
    ledger: &mut dyn BufRead,
    ledger_path: &Path,
    watch: &Watch<'_>,
) -> Result<Differences, EngineError> {
    let everything = Selection::everything();
    let root = Folder::root(place).on("open the folder", place)?;
    let top = root.meta().on("look at", place)?;
    let mut walk = Walk::new(root, &everything, Excluded::Skip).on("list", place)?;
    let mut differences = Differences::default();
    let mut expected = Vec::new();
    let mut buffer = vec![0; 1 << 18];
    let mut found = Some(
        Line { path: b"", body: b"folder".to_vec(), dress: dress(top.mode, top.modified, &Form::Folder) }
            .to_bytes(),
    );
    loop {
        watch.check()?;
        if let Some(found) = found.take() {
            expected.clear();
            ledger.read_until(b'\n', &mut expected).on("read", ledger_path)?;
            if found != expected && !differences.add(&expected, &found) {
                return Ok(differences);
            }
        }
        let Some(step) = walk.step() else { break };
        found = match step {
            Step::Leave => None,
            // One that cannot be listed could not be where it was captured either.
            Step::Enter(entry, _) => Some(line(&entry, b"folder".to_vec(), &Form::Folder)),
            Step::Leaf(entry) => {
                let at = place.join(shown(&entry.path));
                let folder = walk.folder().on("open the folder of", &at)?;
                if entry.meta.kind == Kind::Link {
                    let target = folder.link_target(&entry.name).on("read the link", &at)?;
                    Some(line(&entry, [b"link ", escape(&target).as_slice()].concat(), &Form::Link(target)))
                } else {
                    let digest = digest_of(folder, &entry, &mut buffer, watch, &at)?;
                    Some(line(&entry, hex::encode(digest).into_bytes(), &Form::File))
                }
            }
            Step::Vanished(path) => {
                differences.content.push(format!("`{}` vanished after it was restored", shown(&path)));
                return Ok(differences);
            }
            Step::Unreadable(path, error) => {
                differences
                    .content
                    .push(format!("`{}` was restored and cannot be read: {error}", shown(&path)));
                return Ok(differences);
            }
        };
    }
    expected.clear();
    if ledger.read_until(b'\n', &mut expected).on("read", ledger_path)? > 0 {
        differences.add(&expected, b"");
    }
    Ok(differences)
}

fn line(entry: &Entry, body: Vec<u8>, form: &Form) -> Vec<u8> {
    Line { path: &entry.path, body, dress: dress(entry.meta.mode, entry.meta.modified, form) }.to_bytes()
}

fn digest_of(
    folder: &Folder,
    entry: &Entry,
    buffer: &mut [u8],
    watch: &Watch<'_>,
    at: &Path,
) -> Result<Digest, EngineError> {
    let (mut file, _) = folder.open_file(&entry.name).on("open", at)?;
    let mut hasher = blake3::Hasher::new();
    loop {
        watch.check()?;
        match file.read(buffer).on("read", at)? {
            0 => return Ok(hasher.finalize().into()),
            count => drop(hasher.update(&buffer[..count])),
        }
    }
}

impl Differences {
    /// Says how two lines differ; returns whether the lines after them can be compared.
    fn add(&mut self, expected: &[u8], found: &[u8]) -> bool {
        let parts =
            |line: &[u8]| -> Vec<Vec<u8>> { line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect() };
        let (expected, found) = (parts(expected), parts(found));
        let name = shown(if expected[0].is_empty() { &found[0] } else { &expected[0] });
        if expected[0] != found[0] || expected.len() != found.len() {
            self.content
                .push(format!("`{name}` was not restored as recorded, or something else beside it was"));
            return false;
        }
        if expected.get(1) != found.get(1) {
            self.content.push(format!("`{name}` has another content once it is restored"));
        } else if let (Some(expected), Some(found)) = (expected.get(2), found.get(2)) {
            self.dress.push(format!(
                "`{name}` was restored with {}, recorded is {}: does the scratch folder's file system keep them?",
                shown(found.trim_ascii_end()),
                shown(expected.trim_ascii_end())
            ));
        }
        self.content.len() < FINDINGS && self.dress.len() < FINDINGS
    }
}
