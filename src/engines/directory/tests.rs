//! The folder engine against real folders, real tools, and archives that nobody means well with.
#![expect(clippy::disallowed_methods, reason = "tests make and read real folders and call the stock tools")]
#![cfg(unix)]

mod hostile;
mod round_trip;
mod swapping;

use super::{Directory, members};
use crate::{
    engines::{
        AtPath as _, Capture, CaptureRequest, Engine as _, EngineError, ExamineRequest, Previous,
        StoredContent,
    },
    evidence::Evidence,
    fault::Fault,
    policy::{model::Expect, values::Level},
    watch::{Cancel, Progress, Watch},
};
use chrono::{DateTime, Utc};
use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder to work in, with a source in it.
struct Bench {
    dir: TempDir,
}

/// One capture with its bytes.
struct Shot {
    capture: Capture,
    tar: Vec<u8>,
    members: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: TempDir::new().unwrap() };
        fs::create_dir(bench.source()).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn source(&self) -> PathBuf {
        self.path("source")
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        write(&self.source().join(name), content);
    }

    fn engine(&self, include: &[&str], exclude: &[&str]) -> Directory {
        Directory::new(self.source(), include.iter().copied(), exclude.iter().copied()).unwrap()
    }

    fn shoot(&self, engine: &Directory) -> Shot {
        self.try_shoot(engine, &Expect::default(), None).unwrap()
    }

    fn try_shoot(
        &self,
        engine: &Directory,
        expect: &Expect,
        previous: Option<&Previous>,
    ) -> Result<Shot, EngineError> {
        let scratch = TempDir::new_in(self.dir.path()).unwrap();
        let request = CaptureRequest {
            compress: crate::policy::values::Compression::None,
            spec: &crate::engines::testing::spec(),
            caller: &crate::engines::testing::NoCaller,
            level: Level::Integrity,
            expect,
            checks: &[],
            tables: None,
            previous,
            now: DateTime::<Utc>::UNIX_EPOCH,
            scratch: scratch.path(),
        };
        let mut tar = Vec::new();
        let capture = watched(|watch| engine.capture(&request, &mut tar, watch))?;
        let members = fs::read(&capture.side_files[0].1).unwrap();
        Ok(Shot { capture, tar, members })
    }

    fn examine(&self, level: Level, tar: &[u8], members: Option<&[u8]>) -> Evidence {
        let scratch = TempDir::new_in(self.dir.path()).unwrap();
        let request = ExamineRequest {
            caller: &crate::engines::testing::NoCaller,
            facts: &BTreeMap::new(),
            level,
            checks: &[],
            tables: None,
            recorded: &Previous::default(),
            previous: None,
            captured_at: DateTime::<Utc>::UNIX_EPOCH,
            scratch: scratch.path(),
        };
        let mut main = Cursor::new(tar);
        let evidence = stored(&mut main, members, |stored| {
            watched(|watch| self.engine(&[], &[]).examine(stored, &request, watch)).unwrap()
        });
        assert_eq!(main.position(), tar.len() as u64, "an examination reads to the very end");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "an examination leaves nothing behind");
        evidence
    }

    fn restore(&self, tar: &[u8], members: Option<&[u8]>, place: &Path) -> Result<Vec<String>, EngineError> {
        let mut main = Cursor::new(tar);
        stored(&mut main, members, |stored| {
            watched(|watch| self.engine(&[], &[]).materialize(stored, place, watch))
        })
    }
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn watched<T>(work: impl FnOnce(&Watch<'_>) -> T) -> T {
    let (cancel, tell) = (Cancel::default(), |_: Progress| {});
    work(&Watch::new(&cancel, None, &tell))
}

fn stored<T>(
    main: &mut dyn Read,
    members: Option<&[u8]>,
    work: impl FnOnce(&mut StoredContent<'_>) -> T,
) -> T {
    let side = |extension: &str| -> Result<Option<Box<dyn Read + Send>>, Fault> {
        assert_eq!(extension, members::EXTENSION);
        Ok(members.map(|bytes| Box::new(Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>))
    };
    work(&mut StoredContent { main, side: &side })
}

/// Everything about a folder that a restore must bring back: kind, mode, owner, time, content, and which names share it.
fn picture(root: &Path) -> BTreeMap<Vec<u8>, String> {
    fn look(
        root: &Path,
        at: &Path,
        seen: &mut BTreeMap<u64, Vec<u8>>,
        picture: &mut BTreeMap<Vec<u8>, String>,
    ) {
        let meta = fs::symlink_metadata(at).unwrap();
        let name = at.strip_prefix(root).unwrap().as_os_str().as_encoded_bytes().to_vec();
        let body = if meta.is_symlink() {
            format!("-> {}", fs::read_link(at).unwrap().display())
        } else if meta.is_dir() {
            "folder".to_owned()
        } else {
            use sha2::Digest;
            let first = seen.entry(meta.ino()).or_insert_with(|| name.clone()).clone();
            format!("{} as {first:?}", hex::encode(sha2::Sha256::digest(fs::read(at).unwrap())))
        };
        let (mode, uid, gid, secs, nanos) =
            (meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec());
        picture.insert(name, format!("{mode:o} {uid}:{gid} {secs}.{nanos:09} {body}"));
        if meta.is_dir() {
            let mut names: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()).collect();
            names.sort();
            for name in names {
                look(root, &name, seen, picture);
            }
        }
    }
    let mut picture = BTreeMap::new();
    look(root, root, &mut BTreeMap::new(), &mut picture);
    picture
}
