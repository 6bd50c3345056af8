//! Reads an archive of this engine back, in bounded memory, believing nothing.
//!
//! Only what [`super::archive`] writes is accepted. A stored archive is this program's own; anything else in it is damage
//! or an attack, and being liberal would only give two readers two opinions about the same bytes.

use super::archive::{BLOCK, Form, Member, PREFIX, padding, read_time, shown};
use crate::engines::EngineError;
use crate::platform::folder::Moment;
use std::io::{ErrorKind, Read};
use tar::Header;

/// The longest record before a member: sixteen times the longest path Linux takes.
const RECORD_LIMIT: u64 = 1 << 16;

/// An archive being read.
pub(super) struct Reader<'r> {
    input: &'r mut dyn Read,
    /// Content of the current member not read yet, and the padding after it.
    left: u64,
    padding: u64,
    /// Bytes read in all.
    read: u64,
}

/// Records that speak about the next member.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    modified: Option<Moment>,
}

impl<'r> Reader<'r> {
    /// Begins to read.
    pub(super) fn new(input: &'r mut dyn Read) -> Self {
        Self { input, left: 0, padding: 0, read: 0 }
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.read
    }

    /// The next member, past whatever is left of the last one's content; `None` at the end marker.
    pub(super) fn next(&mut self) -> Result<Option<Member>, EngineError> {
        let mut buffer = [0; 8 * BLOCK];
        while self.content(&mut buffer)? > 0 {}
        let mut ahead = Ahead::default();
        loop {
            self.skip_padding()?;
            let mut block = [0; BLOCK];
            self.exact(&mut block)?;
            if block == [0; BLOCK] {
                self.exact(&mut block)?;
                return if block == [0; BLOCK] { Ok(None) } else { Err(damaged("its end marker is torn")) };
            }
            let header = Header::from_byte_slice(&block);
            let sum = |block: &[u8]| block.iter().map(|byte| u32::from(*byte)).sum::<u32>();
            // The sum is taken with its own field as spaces.
            let expected = sum(&block) - sum(&block[148..156]) + 8 * u32::from(b' ');
            if header.cksum().ok() != Some(expected) || header.as_gnu().is_none() {
                return Err(damaged(format!("no member begins at byte {}", self.read - BLOCK as u64)));
            }
            let size = header.entry_size().map_err(|_| damaged("a member's size cannot be read"))?;
            match header.entry_type().as_byte() {
                b'x' if ahead.modified.is_none() => ahead.modified = Some(time_of(&self.record(size)?)?),
                b'L' if ahead.name.is_none() => ahead.name = Some(text_of(self.record(size)?)?),
                b'K' if ahead.target.is_none() => ahead.target = Some(text_of(self.record(size)?)?),
                kind => return self.member(kind, header, size, ahead).map(Some),
            }
        }
    }

    /// Reads on in the current member's content; 0 at its end.
    pub(super) fn content(&mut self, buffer: &mut [u8]) -> Result<usize, EngineError> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        let count = self.some(&mut buffer[..room])?;
        self.left -= count as u64;
        Ok(count)
    }

    /// Reads on to the very end of the input, after which only zeros may follow the end marker.
    pub(super) fn finish(mut self) -> Result<(), EngineError> {
        let mut buffer = [0; 8 * BLOCK];
        let mut clean = true;
        loop {
            match self.raw(&mut buffer)? {
                0 if clean => return Ok(()),
                0 => return Err(damaged("something follows its end marker")),
                count => clean &= buffer[..count].iter().all(|byte| *byte == 0),
            }
        }
    }

    fn member(&mut self, kind: u8, header: &Header, size: u64, ahead: Ahead) -> Result<Member, EngineError> {
        let field = |name: &[u8]| name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        let gnu = header.as_gnu().ok_or_else(|| damaged("a member has a foreign header"))?;
        let name = ahead.name.unwrap_or_else(|| field(&gnu.name));
        let target = ahead.target.unwrap_or_else(|| field(&gnu.linkname));
        let number = |value: std::io::Result<u64>| {
            let value = value.ok().and_then(|value| u32::try_from(value).ok());
            value.ok_or_else(|| damaged(format!("the header of `{}` cannot be read", shown(&name))))
        };
        let form = match kind {
            b'0' => Form::File,
            b'5' => Form::Folder,
            b'2' => Form::Link(target),
            b'1' => Form::HardLink(path_of(&target, false)?),
            b'3' | b'4' => return Err(damaged(format!("`{}` is a device", shown(&name)))),
            _ => return Err(damaged(format!("`{}` is of no kind that is ever stored", shown(&name)))),
        };
        let path = path_of(&name, form == Form::Folder)?;
        if form != Form::File && size != 0 {
            return Err(damaged(format!("`{}` is no file and has content", shown(&name))));
        }
        (self.left, self.padding) = (size, padding_of(size)?);
        let seconds = header.mtime().ok().and_then(|secs| i64::try_from(secs).ok());
        Ok(Member {
            mode: number(header.mode().map(u64::from))? & 0o7777,
            uid: number(header.uid())?,
            gid: number(header.gid())?,
            modified: ahead.modified.unwrap_or(Moment { secs: seconds.unwrap_or(0), nanos: 0 }),
            path,
            form,
            size,
        })
    }

    /// Reads a record whole; its size is capped before anything is kept.
    fn record(&mut self, size: u64) -> Result<Vec<u8>, EngineError> {
        if size > RECORD_LIMIT {
            return Err(damaged(format!("a record before a member claims {size} bytes")));
        }
        let mut record = vec![0; usize::try_from(size).unwrap_or(0)];
        self.exact(&mut record)?;
        self.padding = padding_of(size)?;
        Ok(record)
    }

    fn skip_padding(&mut self) -> Result<(), EngineError> {
        let mut block = [0; BLOCK];
        let count = usize::try_from(std::mem::take(&mut self.padding)).unwrap_or(0).min(BLOCK);
        self.exact(&mut block[..count])
    }

    fn exact(&mut self, mut buffer: &mut [u8]) -> Result<(), EngineError> {
        while !buffer.is_empty() {
            let count = self.some(buffer)?;
            buffer = &mut buffer[count..];
        }
        Ok(())
    }

    /// At least one byte: the archive must go on.
    fn some(&mut self, buffer: &mut [u8]) -> Result<usize, EngineError> {
        match self.raw(buffer)? {
            0 => Err(damaged(format!("it ends at byte {} before its end marker", self.read))),
            count => Ok(count),
        }
    }

    fn raw(&mut self, buffer: &mut [u8]) -> Result<usize, EngineError> {
        loop {
            match self.input.read(buffer) {
                Ok(count) => {
                    self.read += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(EngineError::In(error)),
            }
        }
    }
}

fn damaged(why: impl Into<String>) -> EngineError {
    EngineError::Damaged(why.into())
}

fn padding_of(size: u64) -> Result<u64, EngineError> {
    let block = BLOCK as u64;
    size.checked_next_multiple_of(block)
        .map(|_| padding(size))
        .ok_or_else(|| damaged(format!("a member claims {size} bytes")))
}

/// Names end with a zero in their record.
fn text_of(mut record: Vec<u8>) -> Result<Vec<u8>, EngineError> {
    match record.pop() {
        Some(0) if !record.contains(&0) => Ok(record),
        _ => Err(damaged("a long name is torn")),
    }
}

/// The one pax record there is: `<length> mtime=<time>\n`.
fn time_of(record: &[u8]) -> Result<Moment, EngineError> {
    let text = std::str::from_utf8(record).unwrap_or_default();
    let value = text.split_once(' ').filter(|(length, _)| length.parse() == Ok(text.len()));
    value
        .and_then(|(_, value)| value.strip_prefix("mtime=")?.strip_suffix('\n'))
        .and_then(read_time)
        .ok_or_else(|| damaged("a record before a member says something that is never stored"))
}

/// Checks a member's name and takes its prefix off: no absolute path, no `..`, no empty name can pass.
fn path_of(name: &[u8], is_folder: bool) -> Result<Vec<u8>, EngineError> {
    let unsafe_name = || damaged(format!("the name `{}` is not one that is ever stored", shown(name)));
    let path = name.strip_prefix(PREFIX).ok_or_else(unsafe_name)?;
    if path.is_empty() {
        return if is_folder { Ok(Vec::new()) } else { Err(unsafe_name()) };
    }
    let path = if is_folder { path.strip_suffix(b"/").ok_or_else(unsafe_name)? } else { path };
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    if path.split(|byte| *byte == b'/').all(plain) { Ok(path.to_vec()) } else { Err(unsafe_name()) }
}
