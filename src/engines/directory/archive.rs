//! The archive: what a member is, and how one is written so that any tar(1) reads it.
//!
//! The format is GNU tar's, whose long names (`L`, `K`) and large numbers every reader in use knows, and which takes
//! names as bytes where pax wants UTF-8; the one thing it lacks, the part of a time below a second, stands in a pax
//! record before the member, which readers that do not know it skip. References: tar(5); "Basic Tar Format" in the
//! manual of GNU tar; pax(1) in POSIX.1-2017.

use crate::platform::folder::{Kind, Meta, Moment};
use std::io::{self, BufWriter, Write};
use tar::Header;

/// The unit of an archive in bytes.
pub(super) const BLOCK: usize = 512;
/// What every member's name begins with, as `tar -C folder -cf - .` has it: no name is absolute or looks like an option.
pub(super) const PREFIX: &[u8] = b"./";
/// Room of the header for a name.
const NAME_ROOM: usize = 100;

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path below the folder; empty for the folder itself.
    pub(super) path: Vec<u8>,
    pub(super) form: Form,
    /// Permission bits with set-id and sticky bits.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) modified: Moment,
    /// Bytes of content; 0 for all but files.
    pub(super) size: u64,
}

/// What kind of member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Folder,
    File,
    /// A symbolic link and its target as written.
    Link(Vec<u8>),
    /// A further name of a file earlier in the archive, given by its path.
    HardLink(Vec<u8>),
}

impl Member {
    /// Makes a member of what the system says.
    pub(super) fn new(path: Vec<u8>, form: Form, meta: &Meta) -> Self {
        let size = if form == Form::File { meta.size } else { 0 };
        Self { path, form, mode: meta.mode, uid: meta.uid, gid: meta.gid, modified: meta.modified, size }
    }

    /// What is to be set on the restored member.
    pub(super) fn wanted(&self) -> Meta {
        let (uid, gid, mode, modified) = (self.uid, self.gid, self.mode, self.modified);
        let (kind, changed) = (Kind::File, Moment::default());
        Meta { kind, mode, uid, gid, size: self.size, modified, changed, dev: 0, ino: 0, names: 1 }
    }
}

/// A path below the folder as a person may see it: control characters and bytes that are no text are escaped, so that a
/// name can neither move the cursor of a terminal nor forge a line of a log.
pub(super) fn shown(path: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            let reordering = matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if character.is_control() || reordering {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        for byte in chunk.invalid() {
            shown.extend(byte.escape_ascii().map(char::from));
        }
    }
    if shown.is_empty() { ".".to_owned() } else { shown }
}

/// Writes an archive.
pub(super) struct Archive<'w> {
    out: BufWriter<&'w mut dyn Write>,
    written: u64,
}

impl<'w> Archive<'w> {
    /// Begins an archive.
    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self { out: BufWriter::with_capacity(1 << 18, out), written: 0 }
    }

    /// Writes what stands before a member's content.
    pub(super) fn header(&mut self, member: &Member) -> io::Result<()> {
        let mut name = [PREFIX, &member.path].concat();
        let mut target = None;
        let kind = match &member.form {
            Form::Folder => {
                if !member.path.is_empty() {
                    name.push(b'/');
                }
                b'5'
            }
            Form::File => b'0',
            Form::Link(to) => {
                target = Some(to.clone());
                b'2'
            }
            Form::HardLink(to) => {
                target = Some([PREFIX, to].concat());
                b'1'
            }
        };
        if let Some(record) = time_record(member.modified) {
            self.extra(b'x', b"././@PaxHeader", &record)?;
        }
        if let Some(target) = target.as_ref().filter(|target| target.len() > NAME_ROOM) {
            self.extra(b'K', b"././@LongLink", &[target, &b"\0"[..]].concat())?;
        }
        if name.len() > NAME_ROOM {
            self.extra(b'L', b"././@LongLink", &[&name, &b"\0"[..]].concat())?;
        }
        let mut header = new_header(kind, &name, member.size);
        header.set_mode(member.mode);
        header.set_uid(member.uid.into());
        header.set_gid(member.gid.into());
        header.set_mtime(u64::try_from(member.modified.secs).unwrap_or(0));
        if let (Some(target), Some(fields)) = (target, header.as_gnu_mut()) {
            fill(&mut fields.linkname, &target);
        }
        self.seal(header)
    }

    /// Writes a part of the content.
    pub(super) fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Writes `count` zeros of content.
    pub(super) fn zeros(&mut self, mut count: u64) -> io::Result<()> {
        let block = [0; BLOCK];
        while count > 0 {
            let part = usize::try_from(count).unwrap_or(BLOCK).min(BLOCK);
            self.content(&block[..part])?;
            count -= part as u64;
        }
        Ok(())
    }

    /// Fills the last block of content of `size` bytes.
    pub(super) fn pad(&mut self, size: u64) -> io::Result<()> {
        self.zeros(padding(size))
    }

    /// Writes the end and passes everything on; returns the bytes of the archive.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.content(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.written)
    }

    /// Writes a record that speaks about the next member.
    fn extra(&mut self, kind: u8, name: &[u8], record: &[u8]) -> io::Result<()> {
        let mut header = new_header(kind, name, record.len() as u64);
        header.set_mode(0o644);
        self.seal(header)?;
        self.content(record)?;
        self.pad(record.len() as u64)
    }

    fn seal(&mut self, mut header: Header) -> io::Result<()> {
        header.set_cksum();
        self.content(header.as_bytes())
    }
}

/// Bytes that fill the last block of content.
pub(super) fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

fn new_header(kind: u8, name: &[u8], size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    if let Some(fields) = header.as_gnu_mut() {
        fill(&mut fields.name, name);
    }
    header
}

fn fill(field: &mut [u8; NAME_ROOM], bytes: &[u8]) {
    let length = bytes.len().min(NAME_ROOM);
    field[..length].copy_from_slice(&bytes[..length]);
}

/// The pax record of a time that the header cannot hold: parts of a second, and anything before 1970.
fn time_record(modified: Moment) -> Option<Vec<u8>> {
    if modified.nanos == 0 && modified.secs >= 0 {
        return None;
    }
    let time = if modified.secs < 0 && modified.nanos > 0 {
        // Minus two seconds and a quarter forward reads -1.75.
        format!("-{}.{:09}", (modified.secs + 1).unsigned_abs(), 1_000_000_000 - modified.nanos)
    } else {
        format!("{}.{:09}", modified.secs, modified.nanos)
    };
    // The record's length counts its own digits: 30 bytes or so, always two.
    let rest = format!(" mtime={time}\n");
    Some(format!("{}{rest}", rest.len() + 2).into_bytes())
}

/// Reads what [`time_record`] wrote.
pub(super) fn read_time(text: &str) -> Option<Moment> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.is_empty() {
        return None;
    }
    let secs: i64 = whole.parse().ok()?;
    let nanos: u32 = format!("{:0<9}", part.get(..part.len().min(9))?).parse().ok()?;
    Some(match (negative, nanos) {
        (false, _) => Moment { secs, nanos },
        (true, 0) => Moment { secs: -secs, nanos },
        (true, _) => Moment { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
    })
}
