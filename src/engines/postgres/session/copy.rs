//! Rows in the text format of COPY (sql-copy.html, "Text Format"), as they come, and the line behind them.
//!
//! Memory stays flat however many rows and however long values there are: what is not kept is counted.

/// Bytes of one value that are kept.
const VALUE_MAX: usize = 1 << 20;
/// Bytes of a row beyond the limit that are looked at, to know the line that ends the answer.
const GLANCE: usize = 256;

/// What a query answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// The first rows, by columns; `None` is NULL. A value of more than 1 MiB is cut, and says at its end how long it
    /// was.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many there were in all.
    pub count: u64,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// As COPY writes rows.
    Copy,
    /// As psql prints what is asked without COPY: a line break may belong to a value, and nothing is escaped.
    Plain,
}

/// Reads an answer up to the line that ends it.
#[derive(Debug)]
pub(super) struct Answer {
    tag: String,
    format: Format,
    limit: usize,
    rows: Rows,
    row: Vec<Option<String>>,
    field: Vec<u8>,
    /// The bytes of the present value, kept or not.
    field_bytes: u64,
    is_null: bool,
    is_escaped: bool,
    /// The columns of the present row that have ended.
    columns: usize,
    /// What stood behind the tag, once it came.
    end: Option<String>,
}

impl Answer {
    /// An answer that ends with a line of `tag`, a blank and one more word; the first `limit` rows are kept.
    pub(super) fn new(tag: &str, format: Format, limit: usize) -> Self {
        Self {
            tag: tag.to_owned(),
            format,
            limit,
            rows: Rows::default(),
            row: Vec::new(),
            field: Vec::new(),
            field_bytes: 0,
            is_null: false,
            is_escaped: false,
            columns: 0,
            end: None,
        }
    }

    /// Takes what came.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first().copied() {
            if self.is_escaped {
                self.is_escaped = false;
                self.escape(first);
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let is_special = |byte: &u8| match self.format {
                Format::Copy => matches!(byte, b'\t' | b'\n' | b'\\'),
                Format::Plain => *byte == b'\n',
            };
            let plain = bytes.iter().position(is_special).unwrap_or(bytes.len());
            let (before, behind) = bytes.split_at(plain);
            self.push(before);
            match behind.first() {
                Some(b'\t') => self.end_field(),
                Some(b'\n') => self.end_row(),
                Some(_) => self.is_escaped = true,
                None => {}
            }
            bytes = behind.get(1..).unwrap_or_default();
        }
    }

    /// What stood behind the tag in the last line, once that came.
    pub(super) fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// The rows before that line.
    pub(super) fn into_rows(self) -> Rows {
        self.rows
    }

    fn is_kept(&self) -> bool {
        self.rows.rows.len() < self.limit
    }

    fn push(&mut self, bytes: &[u8]) {
        self.field_bytes = self.field_bytes.saturating_add(bytes.len() as u64);
        let most = match (self.is_kept(), self.columns) {
            (true, _) => VALUE_MAX,
            (false, 0) => GLANCE,
            (false, _) => 0,
        };
        let room = most.saturating_sub(self.field.len()).min(bytes.len());
        self.field.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    fn escape(&mut self, byte: u8) {
        let byte = match byte {
            // Alone in its column: the text `\N` is written as `\\N`.
            b'N' => {
                self.is_null = true;
                return;
            }
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            other => other,
        };
        self.push(&[byte]);
    }

    fn end_field(&mut self) {
        let is_null = std::mem::take(&mut self.is_null);
        let length = std::mem::take(&mut self.field_bytes);
        if self.is_kept() || self.columns == 0 {
            let value = (!is_null).then(|| text(&self.field, length));
            self.row.push(value);
        }
        self.columns += 1;
        self.field.clear();
    }

    fn end_row(&mut self) {
        self.end_field();
        let row = std::mem::take(&mut self.row);
        if std::mem::take(&mut self.columns) == 1
            && let Some(Some(only)) = row.first()
            && let Some(end) = only.strip_prefix(&self.tag)
        {
            self.end = Some(end.trim().to_owned());
            return;
        }
        self.rows.count = self.rows.count.saturating_add(1);
        if self.is_kept() {
            self.rows.rows.push(row);
        }
    }
}

/// A value, of which `field` is the beginning; the server sends UTF-8, but for a database without an encoding.
fn text(field: &[u8], length: u64) -> String {
    if length <= field.len() as u64 {
        return String::from_utf8_lossy(field).into_owned();
    }
    // Not within a character; what is no UTF-8 before that stays for the replacement character.
    let whole = match std::str::from_utf8(field) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => field.len(),
    };
    format!("{}… ({length} bytes)", String::from_utf8_lossy(field.get(..whole).unwrap_or(field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], limit: usize, piece: usize) -> (Rows, Option<String>) {
        let mut answer = Answer::new("tag7", Format::Copy, limit);
        text.chunks(piece).for_each(|piece| answer.feed(piece));
        let end = answer.end().map(ToOwned::to_owned);
        (answer.into_rows(), end)
    }

    #[test]
    fn every_escape_is_read_however_the_text_is_divided() {
        let text = "1\t\\N\t\ta\\tb\\nc\\\\d\\\\N\\r\\b\\f\\v\nü\\N\n\n\\\\N\t\ntag7 false\n".as_bytes();
        for piece in 1..text.len() {
            let (rows, end) = read(text, 10, piece);
            let some = |text: &str| Some(text.to_owned());
            let expected = vec![
                vec![some("1"), None, some(""), some("a\tb\nc\\d\\N\r\u{8}\u{c}\u{b}")],
                vec![None],
                vec![some("")],
                vec![some("\\N"), some("")],
            ];
            assert_eq!((rows.rows, rows.count, end.as_deref()), (expected, 4, Some("false")));
        }
    }

    #[test]
    fn what_is_no_copy_ends_with_its_line_as_well() {
        let mut answer = Answer::new("tag7", Format::Plain, 9);
        answer.feed(b"a\tb\\\n\\\ntag7 false\n");
        assert_eq!(answer.end(), Some("false"));
        let rows = answer.into_rows().rows;
        assert_eq!(rows, [[Some("a\tb\\".to_owned())], [Some("\\".to_owned())]]);
    }

    #[test]
    fn rows_beyond_the_limit_are_counted_and_long_values_cut() {
        let (rows, end) = read(b"a\tb\nc\td\ne\n\\N\ntag7\tx\ntag7 true\n", 1, 3);
        assert_eq!((rows.rows.len(), rows.count, end.as_deref()), (1, 5, Some("true")));
        let mut text = "ü".repeat(VALUE_MAX).into_bytes();
        text.insert(0, b'x');
        text.extend_from_slice(b"\ntag7 false\n");
        let (rows, _) = read(&text, 5, 60_000);
        let value = rows.rows[0][0].clone().unwrap();
        assert!(value.ends_with("ü… (2097153 bytes)") && value.len() < VALUE_MAX + 40, "{}", value.len());
        let (rows, end) = read(&text, 0, 60_000);
        assert_eq!((rows.rows.len(), rows.count, end.as_deref()), (0, 1, Some("false")));
    }
}
