//! Whether restored content can change places with what is at a place: looked at before anything is promised, and
//! again just before the swap.

#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

use crate::{
    fault::{Fault, OnPath},
    platform::files,
};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// What stands at the place of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One file; a link is followed to it.
    File,
    /// One folder; a link would stay, with the old folder behind it.
    Folder,
}

/// Why nothing can be restored to a place as it is.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// A link to nothing: perhaps what it leads to is not mounted, and what is made there would be hidden later.
    #[error("{} is a symbolic link to {}, which is not there", place.display(), leads_to.display())]
    DanglingLink {
        /// The link.
        place: PathBuf,
        /// Where it leads.
        leads_to: PathBuf,
    },
    /// A link where a folder is wanted.
    #[error("{} is a symbolic link to the folder {}", place.display(), leads_to.display())]
    Link {
        /// The link.
        place: PathBuf,
        /// The folder.
        leads_to: PathBuf,
    },
    /// Something of another kind.
    #[error("{} is {found}, not {wanted}", place.display())]
    Foreign {
        /// The place.
        place: PathBuf,
        /// What is there, with article.
        found: &'static str,
        /// What is wanted, with article.
        wanted: &'static str,
    },
    /// A mount point, which the system renames for nobody (rename(2), EBUSY).
    #[error("{} is a mount point, which cannot change places with what is restored", place.display())]
    MountPoint {
        /// The mount point.
        place: PathBuf,
    },
    /// The folder that it is to lie in, or one above it, is something else.
    #[error("{} is no folder", path.display())]
    NoFolder {
        /// What is no folder.
        path: PathBuf,
    },
    /// The folder that it is to lie in cannot be written.
    #[error(transparent)]
    Unwritable(Fault),
    /// It could not be looked at.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Looks at a place; writes nothing.
///
/// # Errors
/// The first obstacle in the way of content of this shape.
pub fn check(place: &Path, shape: Shape) -> Result<(), Obstacle> {
    let there = match fs::symlink_metadata(place) {
        Ok(there) => Some(there),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => return Err(error).on("look at", place)?,
    };
    let Some(there) = there else { return writable_above(place) };
    // What changes places is the file behind a link; a folder's link would only be given another name.
    let mut real = place.to_owned();
    let mut found = there;
    if found.is_symlink() {
        let leads_to = destination(place)?;
        found = match fs::metadata(place) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(Obstacle::DanglingLink { place: place.to_owned(), leads_to });
            }
            Err(error) => return Err(error).on("look at", place)?,
        };
        if shape == Shape::Folder && found.is_dir() {
            return Err(Obstacle::Link { place: place.to_owned(), leads_to });
        }
        real = fs::canonicalize(place).on("resolve", place)?;
    }
    let (fits, wanted) = match shape {
        Shape::File => (found.is_file(), "a file"),
        Shape::Folder => (found.is_dir(), "a folder"),
    };
    if !fits {
        let found = match (found.is_dir(), found.is_file()) {
            (true, _) => "a folder",
            (_, true) => "a file",
            _ => "a pipe, socket or device",
        };
        return Err(Obstacle::Foreign { place: place.to_owned(), found, wanted });
    }
    if files::is_mount_point(&real).on("look at", &real)? {
        return Err(Obstacle::MountPoint { place: real });
    }
    // What is mounted in it would move away with it, and who removes the set-aside copy would empty that disk.
    if shape == Shape::Folder
        && let Some(place) = files::mount_below(&real).on("look for mounts in", &real)?
    {
        return Err(Obstacle::MountPoint { place });
    }
    writable_above(&real)
}

/// Where a link leads, as a path of its own.
fn destination(link: &Path) -> Result<PathBuf, Fault> {
    let to = fs::read_link(link).on("read the link", link)?;
    Ok(link.parent().unwrap_or(Path::new("")).join(to))
}

/// Whether names may be made in the folder that a place lies in, or in the nearest one that is there.
fn writable_above(place: &Path) -> Result<(), Obstacle> {
    for folder in place.ancestors().skip(1) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match fs::symlink_metadata(folder) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error).on("look at", folder)?,
            Ok(_) if !folder.is_dir() => return Err(Obstacle::NoFolder { path: folder.to_owned() }),
            Ok(_) => {
                return crate::platform::rights::may_write_in(folder)
                    .on("write to", folder)
                    .map_err(Obstacle::Unwritable);
            }
        }
    }
    Ok(())
}
