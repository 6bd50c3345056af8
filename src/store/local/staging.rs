//! A backup being made in a folder of its own, and the commit point.
#![expect(clippy::disallowed_methods, reason = "the store writes to its folder")]

use super::durable;
use crate::{
    fault::{Fault, OnPath},
    platform::files,
    store::{
        BackupId, Manifest, Staging, StoreError, Syncer,
        layout::{self, MANIFEST_FILE, OWNER_FILE, Passing, SUMS_FILE},
    },
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// A temporary folder `.staging-…` beside the backups of its series. While its maker lives, the file `.owner` in it is
/// locked; that file is the last to go, so a folder without it holds nothing.
pub(super) struct LocalStaging {
    id: BackupId,
    series_folder: PathBuf,
    folder: PathBuf,
    /// The locked file.
    owner: Option<File>,
    /// The files made so far: the very handles they are written through, since an fsync through another one may miss an
    /// error that the system met while writing back.
    files: BTreeMap<String, Arc<Made>>,
}

/// A file that was made.
struct Made {
    file: File,
    /// Whether it is broken. A failed fsync is final: the system may have thrown the dirty pages away, and the next fsync
    /// would succeed. One at a time, so that none passes while another meets the error.
    is_broken: Mutex<bool>,
}

impl Made {
    fn sync(&self, how: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let mut is_broken = self.is_broken.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_broken {
            return Err(io::Error::other("an earlier write to disk failed"));
        }
        let synced = how(&self.file);
        *is_broken = synced.is_err();
        if synced.is_ok() {
            files::drop_cache(&self.file);
        }
        synced
    }

    fn is_broken(&self) -> bool {
        *self.is_broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalStaging {
    /// Makes the folder; that of the series must exist.
    pub(super) fn begin(id: BackupId, series_folder: PathBuf) -> Result<Self, StoreError> {
        let dated = series_folder.join(id.stamp.to_string());
        match fs::symlink_metadata(&dated) {
            Ok(_) => return Err(StoreError::Taken(id.to_string())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).on("look at", &dated)?,
        }
        loop {
            let random = durable::random().on("name a folder in", &series_folder)?;
            let folder = series_folder.join(Passing::Staging.name(id.stamp, std::process::id(), random));
            files::make_private_folder(&folder).on("create the folder", &folder)?;
            let owner = folder.join(OWNER_FILE);
            match durable::claim(&owner) {
                Ok(Some(file)) => {
                    let owner = Some(file);
                    return Ok(Self { id, series_folder, folder, owner, files: BTreeMap::new() });
                }
                // A sweeper met the folder before it was locked, and removed it.
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    let _ = fs::remove_dir(&folder);
                    return Err(e).on("create", &owner)?;
                }
            }
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, Fault> {
        let path = self.folder.join(name);
        if layout::is_data_name(name) {
            Ok(path)
        } else {
            invalid("use the name", &path, "no name of a data file")
        }
    }

    fn sync_file(&self, name: &str) -> Result<(), Fault> {
        let path = self.path(name)?;
        self.made(name)?.sync(File::sync_all).on("make durable", &path)
    }

    fn made(&self, name: &str) -> Result<&Arc<Made>, Fault> {
        match self.files.get(name) {
            Some(made) => Ok(made),
            None => invalid("write", &self.folder.join(name), "it was not created"),
        }
    }

    /// Refuses a manifest that is not about what lies in the folder: it could never be proven again.
    fn check_manifest(&self, manifest: &Manifest) -> Result<(), Fault> {
        let path = self.folder.join(MANIFEST_FILE);
        let series = &self.id.series;
        let names = (&manifest.policy, &manifest.job, &manifest.target);
        if manifest.id != self.id.to_string() || names != (&series.policy, &series.job, &series.target) {
            return invalid("write", &path, &format!("it is of `{}`, not of `{}`", manifest.id, self.id));
        }
        if manifest.files.is_empty() || manifest.files.len() != self.files.len() {
            return invalid("write", &path, "it does not list the files that were made");
        }
        for listed in &manifest.files {
            let Some(made) = self.files.get(&listed.name) else {
                return invalid("write", &path, &format!("it lists `{}`, which was not made", listed.name));
            };
            let bytes = made.file.metadata().on("look at", self.folder.join(&listed.name))?.len();
            if bytes != listed.bytes || !layout::is_digest(&listed.sha256) {
                return invalid(
                    "write",
                    &path,
                    &format!("`{}` has {bytes} bytes, not {}", listed.name, listed.bytes),
                );
            }
        }
        Ok(())
    }

    /// Writes one of the store's own files into the folder and makes it durable.
    fn write_own(&self, name: &str, text: &str) -> Result<(), Fault> {
        let path = self.folder.join(name);
        let mut file = files::new_private_file().open(&path).on("create", &path)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).on("write", &path)
    }
}

impl Staging for LocalStaging {
    fn id(&self) -> &BackupId {
        &self.id
    }

    fn create(&mut self, name: &str) -> Result<Box<dyn Write + Send>, StoreError> {
        let path = self.path(name)?;
        let file = files::new_private_file().open(&path).on("create", &path)?;
        let kept = file.try_clone().on("open", &path)?;
        self.files.insert(name.to_owned(), Arc::new(Made { file: kept, is_broken: Mutex::new(false) }));
        // Not buffered: a buffer's error at its end would be lost.
        Ok(Box::new(file))
    }

    fn sync(&mut self, name: &str) -> Result<(), StoreError> {
        Ok(self.sync_file(name)?)
    }

    fn syncer(&self, name: &str) -> Result<Syncer, StoreError> {
        let made = Arc::clone(self.made(name)?);
        Ok(Box::new(move || made.sync(File::sync_data)))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>, StoreError> {
        let path = self.path(name)?;
        Ok(Box::new(File::open(&path).on("open", &path)?))
    }

    fn publish(mut self: Box<Self>, manifest: Manifest) -> Result<Manifest, StoreError> {
        // Any error on the way drops `self`, which removes the folder: nothing is published.
        if self.files.values().any(|made| made.is_broken()) {
            invalid::<()>("publish", &self.folder, "an earlier write to disk failed")?;
        }
        self.check_manifest(&manifest)?;

        // 1. All data is on disk before anything says that it is there.
        for name in self.files.keys() {
            self.sync_file(name)?;
        }
        self.write_own(SUMS_FILE, &manifest.sums())?;

        // 2. The manifest last, and only one that will be readable.
        let (sealed, text) = manifest.seal();
        let path = self.folder.join(MANIFEST_FILE);
        if !Manifest::read(text.as_bytes()).is_ok_and(|read| read == sealed) {
            return invalid("write", &path, "it would not read back as it is")?;
        }
        self.write_own(MANIFEST_FILE, &text)?;
        files::sync_folder(&self.folder).on("make durable", &self.folder)?;

        // 3. The commit point: one rename, which replaces nothing. The folder goes with its lock inside: were the lock
        //    removed before, a sweeper could take the finished backup for a dead one's remains; after the rename no
        //    sweeper looks at it any more. A kill in between leaves an empty file in the backup, which harms nothing.
        self.files.clear();
        if cfg!(windows) {
            // Windows renames no folder with an open file in it; there the series' lock alone keeps sweepers away.
            self.owner = None;
        }
        let dated = self.series_folder.join(self.id.stamp.to_string());
        match files::rename_new(&self.folder, &dated) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Taken(self.id.to_string()));
            }
            result => result.on("publish as", &dated)?,
        }

        // 4. The name is durable before anybody relies on it. When that fails it is taken back, so that an error always
        //    means that nothing was published; the drop then removes it.
        if let Err(failed) = files::sync_folder(&self.series_folder) {
            files::rename_new(&dated, &self.folder).on("take back", &dated)?;
            return Err(failed).on("make durable", &self.series_folder)?;
        }
        let _ = fs::remove_file(dated.join(OWNER_FILE)); // harmless where it stays
        Ok(sealed)
    }
}

impl Drop for LocalStaging {
    fn drop(&mut self) {
        // After publishing there is nothing of this name. What cannot be removed here, the next sweep finds: the lock
        // ends with us.
        self.files.clear();
        let _ = remove_passing(&self.folder);
    }
}

/// Removes a folder that is not a backup. Links in it are removed, never followed.
///
/// First the manifest, so that what is left after a kill can not be mistaken for a backup even when somebody renames it
/// back; the locked file last, so that a folder without one holds nothing.
pub(super) fn remove_passing(folder: &Path) -> Result<(), Fault> {
    let manifest = folder.join(MANIFEST_FILE);
    if durable::remove_if_there(&manifest, fs::remove_file(&manifest))? {
        files::sync_folder(folder).on("make durable", folder)?;
    }
    for name in durable::all_names(folder)? {
        if name == OWNER_FILE {
            continue;
        }
        let path = folder.join(&name);
        let is_folder = match fs::symlink_metadata(&path) {
            Ok(seen) => seen.is_dir(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e).on("look at", &path),
        };
        durable::remove_if_there(
            &path,
            if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) },
        )?;
    }
    let owner = folder.join(OWNER_FILE);
    durable::remove_if_there(&owner, fs::remove_file(&owner))?;
    durable::remove_if_there(folder, fs::remove_dir(folder)).map(drop)
}

/// A fault of what was asked, not of the disk.
pub(super) fn invalid<T>(verb: &'static str, path: &Path, why: &str) -> Result<T, Fault> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, why)).on(verb, path)
}
