//! The portable format: Parquet files and the statements that make the schema, in one tar archive.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        EngineError, Outlet,
        flat::{Note, pack, unpack},
    },
    copy::Copied,
    reader::{have_done, name_of, told},
    report::Task,
};
use crate::{
    fault::OnPath,
    platform::files::{make_private, make_private_folder},
    watch::Watch,
};
use std::{fs, io::Read, path::Path};

/// The member that says which storage version the exported database had.
const STORAGE: &str = "storage_version";

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
    let note = report.storage.as_deref().map(|text| Note { name: STORAGE, text });
    let archived = pack(&folder, note.as_ref(), &mut *out, watch);
    fs::remove_dir_all(&folder).on("remove", &folder)?;
    archived?;
    out.complete().map_err(EngineError::Out)
}

/// Makes a database of an archive at a place where nothing is.
pub(super) fn import(archive: &mut dyn Read, place: &Path, watch: &Watch<'_>) -> Result<(), EngineError> {
    let mut folder = place.as_os_str().to_owned();
    folder.push(".import");
    let folder = Path::new(&folder);
    make_private_folder(folder).on("create the folder", folder)?;
    let imported = unpack(archive, folder, STORAGE, watch).and_then(|storage| {
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
