//! Lines and columns of a text.

/// How far apart the marks are, in bytes.
const STEP: usize = 1 << 10;

/// Where the lines of a text begin, counted once, so that any number of places is told quickly, on long lines too.
#[derive(Debug)]
pub struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// The characters before every `STEP`th byte.
    marks: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Counts a text through.
    pub fn new(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut marks = vec![0];
        for chunk in text.as_bytes().chunks(STEP) {
            marks.push(marks.last().copied().unwrap_or(0) + characters(chunk));
        }
        Self { text, marks, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// Line and column of a byte offset, both counted from 1, the column in Unicode scalar values. An offset beyond the
    /// end is the end, one within a character is that character's.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, self.characters_before(offset) - self.characters_before(start) + 1)
    }

    fn characters_before(&self, offset: usize) -> usize {
        let mark = offset / STEP;
        let rest = self.text.as_bytes().get(mark * STEP..offset).unwrap_or_default();
        self.marks.get(mark).copied().unwrap_or(0) + characters(rest)
    }
}

/// Bytes that begin a character.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let lines = Lines::new("aé\nbü x");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(3), (1, 3));
        assert_eq!(lines.position("aé\nbü ".len()), (2, 4));
        assert_eq!(lines.position(999), (2, 5));
        assert_eq!(Lines::new("").position(3), (1, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_place_is_what_counting_from_the_beginning_gives(
            text in prop::collection::vec(prop::sample::select(&["a", "é", "😀", "\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"][..]), 0..900),
            share in 0.0..1.1_f64,
        ) {
            let text = text.concat();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a length")]
            let offset = (text.len() as f64 * share) as usize;
            let end = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let before = &text[..end];
            let line = before.rfind('\n').map_or(0, |n| n + 1);
            let expected = (before.matches('\n').count() + 1, before[line..].chars().count() + 1);
            prop_assert_eq!(Lines::new(&text).position(offset), expected);
        }
    }
}
