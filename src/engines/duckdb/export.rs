//! The portable format: Parquet files and the statements that make the schema, in one tar archive.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{EngineError, Outlet, files::create_private},
    copy::Copied,
    reader::{have_done, name_of, told},
    report::Task,
};
use crate::{
    fault::OnPath,
    pipe::Stoppable,
    platform::files::{make_private, make_private_folder},
    watch::Watch,
};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

/// The member that says which storage version the exported database had.
const STORAGE: &str = "storage_version";

/// Longest text of that member, in bytes.
const STORAGE_BYTES: u64 = 64;

/// Exports a copy, and hands the archive of it on to the pipe.
pub(super) fn export(
    copied: &Copied,
    scratch: &Path,
    out: &mut dyn Outlet,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let folder = scratch.join("export");
    let task = Task::Export { path: told(&copied.main)?, to: told(&folder)? };
    let report = have_done(&task, watch)?;
    if let Some(why) = report.trouble() {
        return Err(EngineError::Library {
            verb: "export",
            path: name_of(&copied.main),
            message: why.to_owned(),
        });
    }
    let archived = archive(&folder, report.storage.as_deref(), out, watch);
    fs::remove_dir_all(&folder).on("remove", &folder)?;
    archived?;
    out.complete().map_err(EngineError::Out)
}

fn archive(
    folder: &Path,
    storage: Option<&str>,
    out: &mut dyn Outlet,
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
    if let Some(storage) = storage {
        append(Path::new(STORAGE), storage.len() as u64, &mut storage.as_bytes())?;
    }
    for name in names {
        let path = folder.join(&name);
        let mut file = File::open(&path).on("open", &path)?;
        let length = file.metadata().on("look at", &path)?.len();
        append(Path::new(&name), length, &mut file)?;
    }
    tar.into_inner().map(drop).map_err(EngineError::Out)
}

/// Makes a database of an archive at a place where nothing is.
pub(super) fn import(archive: &mut dyn Read, place: &Path, watch: &Watch<'_>) -> Result<(), EngineError> {
    let mut folder = place.as_os_str().to_owned();
    folder.push(".import");
    let folder = Path::new(&folder);
    make_private_folder(folder).on("create the folder", folder)?;
    let imported = unpack(archive, folder, watch).and_then(|storage| {
        let task = Task::Import { from: told(folder)?, to: told(place)?, storage };
        let report = have_done(&task, watch)?;
        match report.trouble() {
            None => Ok(make_private(place).on("set the mode of", place)?),
            Some(why) => Err(EngineError::Library {
                verb: "import into",
                path: name_of(place),
                message: why.to_owned(),
            }),
        }
    });
    fs::remove_dir_all(folder).on("remove", folder)?;
    imported
}

/// Unpacks an archive, and returns the storage version. Nothing but plain files of plain names is made.
fn unpack(archive: &mut dyn Read, folder: &Path, watch: &Watch<'_>) -> Result<Option<String>, EngineError> {
    let mut storage = None;
    let damaged = |error: io::Error| EngineError::Damaged(format!("it is no archive of an export: {error}"));
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
        if name == Path::new(STORAGE) {
            let mut text = String::new();
            entry.take(STORAGE_BYTES).read_to_string(&mut text).map_err(damaged)?;
            storage = Some(text);
            continue;
        }
        let path = folder.join(name);
        let mut file = create_private(&path)?;
        super::super::files::stream(
            &mut entry,
            |bytes| Ok(file.write_all(bytes).on("write", &path)?),
            None,
            watch,
        )?;
    }
    Ok(storage)
}
