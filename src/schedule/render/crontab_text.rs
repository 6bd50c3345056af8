//! Our blocks within a crontab whose other lines are somebody else's.
//!
//! A block is what stands between `# policy:begin NAME sha256=HASH` and `# policy:end NAME`. Whatever is not in one stays as
//! it is, to the byte: CRs, blank lines and bytes that are no UTF-8. cron needs a last line that ends; where a crontab's does not, the
//! block that follows it says so, and with the block goes the line's end.
//!
//! Marks that are not exactly in pairs are an error with their lines, and nothing is changed: somebody has edited them, and
//! what is ours can no longer be told.

use std::ops::Range;

use super::{
    super::entry::EntryName,
    File,
    marks::{BEGIN, END},
};

/// What a block's first line ends with where the line before had no end.
const UNFINISHED: &str = " after-unfinished-line";

/// A block of a crontab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The entry's name.
    pub name: EntryName,
    /// The hash that its first line states.
    pub hash: String,
    /// Its bytes, from the first mark to the end of the line of the last.
    pub bytes: Range<usize>,
    /// The number of its first line, from 1.
    pub line: usize,
    /// Whether the line before it had no end until it was put there.
    pub after_unfinished_line: bool,
}

impl Block {
    /// The block as rendered: what [`hash_of`](super::hash_of) judges.
    pub fn file(&self, text: &[u8]) -> File {
        let mut bytes = begin(&self.name, &self.hash).into_bytes();
        let block = text.get(self.bytes.clone()).unwrap_or_default();
        let rest = block.iter().position(|b| *b == b'\n').and_then(|at| block.get(at..));
        bytes.extend_from_slice(rest.unwrap_or_default());
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        File { name: format!("{}.crontab", self.name), bytes }
    }
}

/// A place where marks are not what this program writes: the number of the line from 1, and what is wrong.
pub type Defect = (usize, String);

/// A block's first line.
pub(super) fn begin(name: &EntryName, hash: &str) -> String {
    format!("# {BEGIN} {name} sha256={hash}")
}

/// A block's last line.
pub(super) fn end(name: &EntryName) -> String {
    format!("# {END} {name}")
}

/// A line that is a mark, or was one.
enum Mark {
    Begin(EntryName, String, bool),
    End(EntryName),
    Altered,
}

impl Mark {
    /// Reads a line without its end; `None` for those of other people.
    fn of(line: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(line);
        let comment = text.trim_start().strip_prefix('#')?;
        let word = comment.split_whitespace().next()?;
        if ![BEGIN, END].contains(&word) {
            return None;
        }
        // Only what is written again as it stands is a mark.
        Some(Self::strict(&text).filter(|mark| mark.text() == text).unwrap_or(Self::Altered))
    }

    fn strict(text: &str) -> Option<Self> {
        let text = text.strip_prefix("# ")?;
        if let Some(name) = text.strip_prefix(END).and_then(|rest| rest.strip_prefix(' ')) {
            return EntryName::parse(name).map(Self::End);
        }
        let (name, hash) = text.strip_prefix(BEGIN)?.strip_prefix(' ')?.split_once(" sha256=")?;
        let (hash, unfinished) = hash.strip_suffix(UNFINISHED).map_or((hash, false), |hash| (hash, true));
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let name = EntryName::parse(name).filter(|_| is_hash)?;
        Some(Self::Begin(name, hash.to_owned(), unfinished))
    }

    fn text(&self) -> String {
        match self {
            Self::Begin(name, hash, unfinished) => {
                begin(name, hash) + if *unfinished { UNFINISHED } else { "" }
            }
            Self::End(name) => end(name),
            Self::Altered => String::new(),
        }
    }
}

/// Finds the blocks of a crontab, in order.
///
/// # Errors
/// Every line at which the marks are not exactly one pair a name.
pub fn find_blocks(text: &[u8]) -> Result<Vec<Block>, Vec<Defect>> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut defects = Vec::new();
    let mut open: Option<Block> = None;
    let mut start = 0;
    for (line, number) in text.split_inclusive(|b| *b == b'\n').zip(1..) {
        let stop = start + line.len();
        match Mark::of(line.strip_suffix(b"\n").unwrap_or(line)) {
            None => {}
            Some(Mark::Altered) => {
                defects.push((number, "a mark of a block, but not as it was written".to_owned()));
            }
            Some(Mark::Begin(name, hash, after_unfinished_line)) => {
                if let Some(open) = &open {
                    defects.push((
                        number,
                        format!("`{name}` begins within `{}`, line {}", open.name, open.line),
                    ));
                }
                if let Some(first) = blocks.iter().chain(&open).find(|block| block.name == name) {
                    defects.push((number, format!("`{name}` is there already, line {}", first.line)));
                }
                open = Some(Block { name, hash, bytes: start..stop, line: number, after_unfinished_line });
            }
            Some(Mark::End(name)) => match open.take() {
                Some(block) if block.name == name => {
                    blocks.push(Block { bytes: block.bytes.start..stop, ..block });
                }
                Some(block) => {
                    let Block { name: begun, line, .. } = block;
                    defects.push((number, format!("`{name}` ends where `{begun}` should, line {line}")));
                }
                None => defects.push((number, format!("`{name}` ends and did not begin"))),
            },
        }
        start = stop;
    }
    if let Some(Block { name, line, .. }) = open {
        defects.push((line, format!("`{name}` begins and does not end")));
    }
    if defects.is_empty() { Ok(blocks) } else { Err(defects) }
}

/// Puts a block, as rendered, in the place of the one of its name, or at the end.
///
/// # Errors
/// As [`find_blocks`], for the text or for the block.
pub fn with_block(text: &[u8], block: &[u8]) -> Result<Vec<u8>, Vec<Defect>> {
    let [new] = &find_blocks(block)?[..] else {
        return Err(vec![(1, "what is put there is not one block".to_owned())]);
    };
    let blocks = find_blocks(text)?;
    let old = blocks.iter().find(|old| old.name == new.name);
    let place = old.map_or(text.len()..text.len(), |old| old.bytes.clone());
    let (before, after) =
        (text.get(..place.start).unwrap_or(text), text.get(place.end..).unwrap_or_default());
    let is_unfinished = !before.is_empty() && !before.ends_with(b"\n");
    let mut out = before.to_vec();
    if is_unfinished {
        out.push(b'\n');
    }
    let mark =
        if is_unfinished || old.is_some_and(|old| old.after_unfinished_line) { UNFINISHED } else { "" };
    push_block(&mut out, new, block, mark);
    out.extend_from_slice(after);
    Ok(out)
}

/// Takes a block out; a text without it stays as it is.
///
/// # Errors
/// As [`find_blocks`].
pub fn without_block(text: &[u8], name: &EntryName) -> Result<Vec<u8>, Vec<Defect>> {
    let blocks = find_blocks(text)?;
    let Some(old) = blocks.iter().find(|block| block.name == *name) else {
        return Ok(text.to_vec());
    };
    let mut out = text.get(..old.bytes.start).unwrap_or(text).to_vec();
    let after = text.get(old.bytes.end..).unwrap_or_default();
    if old.after_unfinished_line {
        match blocks.iter().find(|next| next.bytes.start == old.bytes.end) {
            _ if after.is_empty() => {
                out.pop_if(|b| *b == b'\n');
            }
            // The next block stands behind that line now.
            Some(next) => {
                push_block(&mut out, next, text, UNFINISHED);
                out.extend_from_slice(text.get(next.bytes.end..).unwrap_or_default());
                return Ok(out);
            }
            // Somebody has written on below, and needs the line's end.
            None => {}
        }
    }
    out.extend_from_slice(after);
    Ok(out)
}

/// Writes a block of a text with this at the end of its first line.
fn push_block(out: &mut Vec<u8>, block: &Block, text: &[u8], mark: &str) {
    let first = begin(&block.name, &block.hash);
    let file = block.file(text);
    out.extend_from_slice(first.as_bytes());
    out.extend_from_slice(mark.as_bytes());
    out.extend_from_slice(file.bytes.get(first.len()..).unwrap_or_default());
}

#[cfg(test)]
mod tests;
