//! The list of the members' digests, which lies beside the archive: `b3sum -c` reads it in an extracted folder.
//!
//! Its format is that of b3sum(1), which takes names that are UTF-8 alone: a name that holds a line feed or a backslash
//! has them escaped and a backslash before the digest. It has a line for each file and each hard link, in the order of the
//! archive. The digest is BLAKE3, as every byte of a folder passes by it in the capture, and again whenever the archive is
//! examined.

use super::archive::{PREFIX, shown};
use crate::engines::EngineError;
use std::{
    cmp::Ordering,
    io::{self, BufRead, BufReader, Read, Write},
};

/// The extension of the list.
pub(super) const EXTENSION: &str = "members";
/// The longest line that is read.
const LINE_LIMIT: u64 = 1 << 18;
/// So many findings are kept.
const FINDINGS: usize = 20;

/// A BLAKE3 digest.
pub(super) type Digest = [u8; 32];

/// Writes one line; returns its length in bytes.
pub(super) fn write_line(out: &mut dyn Write, digest: &Digest, path: &[u8]) -> io::Result<u64> {
    let mut line = Vec::with_capacity(path.len() + 72);
    let escaped = escape(path);
    if escaped.len() != path.len() {
        line.push(b'\\');
    }
    line.extend_from_slice(hex::encode(digest).as_bytes());
    line.extend_from_slice(b"  ");
    line.extend_from_slice(PREFIX);
    line.extend_from_slice(&escaped);
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(line.len() as u64)
}

/// Escapes a name so that it stands on one line.
pub(super) fn escape(path: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path {
        match byte {
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            _ => escaped.push(*byte),
        }
    }
    escaped
}

fn unescape(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        path.push(match byte {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'\\' => b'\\',
                _ => return None,
            },
            _ => *byte,
        });
    }
    Some(path)
}

/// Holds the list against the members as they come by, one line in memory.
pub(super) struct Against {
    list: BufReader<Box<dyn Read + Send>>,
    next: Option<(Vec<u8>, Digest)>,
    findings: Vec<String>,
}

impl Against {
    /// Begins at the list's first line.
    pub(super) fn new(list: Box<dyn Read + Send>) -> Result<Self, EngineError> {
        let mut against = Self { list: BufReader::new(list), next: None, findings: Vec::new() };
        against.advance()?;
        Ok(against)
    }

    /// Looks a member up, with the digest its content has; `None` for a hard link, which has no content of its own.
    /// Returns the digest that the list has for it.
    pub(super) fn member(
        &mut self,
        path: &[u8],
        digest: Option<&Digest>,
    ) -> Result<Option<Digest>, EngineError> {
        loop {
            match self.next.as_ref().map_or(Ordering::Greater, |(listed, _)| in_archive_order(listed, path)) {
                Ordering::Less => self.missing()?,
                Ordering::Equal => {
                    let listed = self.next.take().map(|(_, listed)| listed);
                    if digest.is_some() && digest != listed.as_ref() {
                        self.find(format!("`{}` has another digest than when it was captured", shown(path)));
                    }
                    self.advance()?;
                    return Ok(listed);
                }
                Ordering::Greater => {
                    self.find(format!("`{}` is not in the list of members", shown(path)));
                    return Ok(None);
                }
            }
        }
    }

    /// Reads the rest of the list; what is left of it is missing from the archive.
    pub(super) fn finish(mut self) -> Result<Vec<String>, EngineError> {
        while self.next.is_some() {
            self.missing()?;
        }
        Ok(self.findings)
    }

    fn missing(&mut self) -> Result<(), EngineError> {
        if let Some((path, _)) = self.next.take() {
            self.find(format!("`{}` is in the list of members and not in the archive", shown(&path)));
        }
        self.advance()
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        }
    }

    fn advance(&mut self) -> Result<(), EngineError> {
        let mut line = Vec::new();
        (&mut self.list).take(LINE_LIMIT).read_until(b'\n', &mut line).map_err(EngineError::In)?;
        if line.is_empty() {
            self.next = None;
            return Ok(());
        }
        let parsed = read_line(&line).ok_or_else(|| {
            EngineError::Damaged("the list of members holds a line that b3sum would not write".to_owned())
        })?;
        self.next = Some(parsed);
        Ok(())
    }
}

fn read_line(line: &[u8]) -> Option<(Vec<u8>, Digest)> {
    let line = line.strip_suffix(b"\n")?;
    let (is_escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |line| (true, line));
    let (digits, name) = line.split_at_checked(64)?;
    let mut digest = [0; 32];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    let name = name.strip_prefix(b"  ")?.strip_prefix(PREFIX)?;
    Some((if is_escaped { unescape(name)? } else { name.to_vec() }, digest))
}

/// The order of the walk: names are compared one by one, so that a folder's content follows it directly.
fn in_archive_order(one: &[u8], other: &[u8]) -> Ordering {
    one.split(|byte| *byte == b'/').cmp(other.split(|byte| *byte == b'/'))
}
