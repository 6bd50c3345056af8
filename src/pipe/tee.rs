//! One stream into several places.

use std::io::{self, Write};

/// Writes the same bytes to several places; one that fails is left behind with its error while the others go on.
pub struct Tee<W> {
    outs: Vec<Result<W, io::Error>>,
}

impl<W: Write> Tee<W> {
    /// Joins the places.
    pub fn new(outs: Vec<W>) -> Self {
        Self { outs: outs.into_iter().map(Ok).collect() }
    }

    /// Whether a place took everything so far.
    pub fn is_there(&self, n: usize) -> bool {
        self.outs.get(n).is_some_and(Result::is_ok)
    }

    /// The places in order, those that failed with their first error.
    pub fn into_outs(self) -> Vec<Result<W, io::Error>> {
        self.outs
    }

    fn each(&mut self, mut act: impl FnMut(&mut W) -> io::Result<()>) -> io::Result<()> {
        for out in &mut self.outs {
            if let Ok(writer) = out
                && let Err(error) = act(writer)
            {
                *out = Err(error);
            }
        }
        if self.outs.iter().any(Result::is_ok) {
            return Ok(());
        }
        // All are gone: the capture need not go on. The errors themselves are told by `into_outs`.
        let first = self.outs.iter().find_map(|out| out.as_ref().err());
        Err(first
            .map_or_else(|| io::ErrorKind::BrokenPipe.into(), |e| io::Error::new(e.kind(), e.to_string())))
    }
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.each(|out| out.write_all(buffer))?;
        Ok(buffer.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.each(Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_fails_is_left_behind_and_the_others_go_on() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let outs: Vec<Box<dyn Write>> = vec![Box::new(Full), Box::new(Vec::new())];
        let mut tee = Tee::new(outs);
        tee.write_all(b"x").unwrap();
        let outs = tee.into_outs();
        assert!(outs[0].is_err() && outs[1].is_ok());
        assert!(Tee::new(vec![Full]).write_all(b"x").is_err());
    }
}
