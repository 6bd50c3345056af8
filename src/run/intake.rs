//! Where a capture streams to: one pass through the codec into every store, and, as soon as the content is whole, onto
//! their disks.

use super::{follow::Follower, job::Staged};
use crate::{
    engines::Outlet,
    pipe::{Encoder, Stoppable, Tee},
    policy::values::Compression,
    store::{StoreError, manifest::StoredFile},
    watch::Watch,
};
use std::io::{self, Write};

/// One of the stores that are written to.
pub(super) struct Taker {
    /// The pair's index.
    pub(super) pair: usize,
    /// Reads the file back behind the writer; ended before the staged files are removed.
    pub(super) follower: Option<Follower>,
    pub(super) staged: Staged,
    /// Why the whole file is not on this store's disk.
    pub(super) unsynced: Option<StoreError>,
}

/// The places that are written to, one for each taker in their order.
pub(super) type Outs = Tee<Box<dyn Write + Send>>;

/// The one pass: digest, codec, digest, stores.
pub(super) struct Intake<'w, 't> {
    encoder: Option<Encoder<Stoppable<'w, &'t mut Outs>>>,
    takers: &'t mut [Taker],
    name: &'t str,
    file: Option<StoredFile>,
}

impl<'w, 't> Intake<'w, 't> {
    pub(super) fn new(
        compression: Compression,
        outs: &'t mut Outs,
        takers: &'t mut [Taker],
        name: &'t str,
        watch: &'w Watch<'w>,
    ) -> io::Result<Self> {
        let encoder = Encoder::new(compression, Stoppable::new(outs, watch))?;
        Ok(Self { encoder: Some(encoder), takers, name, file: None })
    }

    /// What was stored; the content is whole.
    pub(super) fn finish(mut self) -> io::Result<StoredFile> {
        self.store()?;
        self.file.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Ends the file and makes it durable in every store that took all of it.
    fn store(&mut self) -> io::Result<()> {
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        let (file, out) = encoder.finish(self.name)?;
        let outs = out.into_inner();
        for (n, taker) in self.takers.iter_mut().enumerate() {
            if outs.is_there(n) {
                taker.unsynced = taker.staged.settle(&file).err();
                if let (None, Some(follower)) = (&taker.unsynced, &taker.follower) {
                    follower.settled();
                }
            }
        }
        self.file = Some(file);
        Ok(())
    }
}

impl Write for Intake<'_, '_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.encoder.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Outlet for Intake<'_, '_> {
    /// Stores what was written: while the engine still examines the content, the rest of it is read back.
    fn complete(&mut self) -> io::Result<()> {
        self.store()
    }
}
