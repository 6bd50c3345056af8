//! Folders of plain files with plain names, as other programs' exports are, as one tar stream.
#![expect(clippy::disallowed_methods, reason = "reads and makes the files of exports, in the scratch folder")]

use super::{
    EngineError,
    files::{create_private, stream},
};
use crate::{fault::OnPath, pipe::Stoppable, watch::Watch};
use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

/// A member that stands before the files and is none of them.
pub(super) struct Note<'n> {
    pub(super) name: &'static str,
    pub(super) text: &'n str,
}

/// Longest text of a note, in bytes.
const NOTE_BYTES: u64 = 64;

/// Packs the files of a folder, in the order of their names.
pub(super) fn pack(
    folder: &Path,
    note: Option<&Note<'_>>,
    out: &mut dyn Write,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).on("read the folder", folder)? {
        names.push(entry.on("read the folder", folder)?.file_name());
    }
    names.sort();
    let mut tar = tar::Builder::new(Stoppable::new(out, watch));
    let mut append = |name: &Path, length: u64, content: &mut dyn Read| {
        let mut head = tar::Header::new_gnu();
        head.set_entry_type(tar::EntryType::Regular);
        head.set_mode(0o600);
        head.set_size(length);
        tar.append_data(&mut head, name, content).map_err(EngineError::Out)
    };
    if let Some(Note { name, text }) = note {
        append(Path::new(name), text.len() as u64, &mut text.as_bytes())?;
    }
    for name in names {
        let path = folder.join(&name);
        let mut file = File::open(&path).on("open", &path)?;
        let length = file.metadata().on("look at", &path)?.len();
        append(Path::new(&name), length, &mut file)?;
    }
    tar.into_inner().map(drop).map_err(EngineError::Out)
}

/// Unpacks such a stream into a folder that is there and empty, and returns the text of the note, which is no file. Nothing
/// but plain files of plain names is made.
pub(super) fn unpack(
    archive: &mut dyn Read,
    folder: &Path,
    note: &str,
    watch: &Watch<'_>,
) -> Result<Option<String>, EngineError> {
    let mut text = None;
    let damaged =
        |error: std::io::Error| EngineError::Damaged(format!("it is no archive of an export: {error}"));
    let mut tar = tar::Archive::new(archive);
    for entry in tar.entries().map_err(damaged)? {
        watch.check()?;
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.into_owned();
        let is_plain = name.components().count() == 1 && name.file_name() == Some(name.as_os_str());
        if !is_plain || entry.header().entry_type() != tar::EntryType::Regular {
            return Err(EngineError::Damaged(format!(
                "it has a member `{}`, which no export has",
                name.display()
            )));
        }
        if name == Path::new(note) {
            let mut found = String::new();
            entry.take(NOTE_BYTES).read_to_string(&mut found).map_err(damaged)?;
            text = Some(found);
            continue;
        }
        let path = folder.join(name);
        let mut file = create_private(&path)?;
        stream(&mut entry, |bytes| Ok(file.write_all(bytes).on("write", &path)?), None, watch)?;
    }
    Ok(text)
}

/// Removes such a folder.
pub(super) fn remove(folder: &Path) -> Result<(), EngineError> {
    Ok(fs::remove_dir_all(folder).on("remove", folder)?)
}
