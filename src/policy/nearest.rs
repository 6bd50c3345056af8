//! "Did you mean": the nearest of the words that are known at a place.

/// The known word that is nearest to a written one, if any is near enough to be meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase().replace('-', "_");
    let reach = match written.chars().count() {
        0 | 1 => return None,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase().replace('-', "_")), word))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, word)| word)
}

/// Known words as a sentence part: `a`, `b` and `c`; at most twelve of them.
pub fn listed<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [some @ .., last] if words.len() <= 12 => format!("{} and {last}", some.join(", ")),
        many => format!("{} and {} more", many[..11].join(", "), many.len() - 11),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["retention", "retry", "rpo", "stores"];
        assert_eq!(nearest("retension", known), Some("retention"));
        assert_eq!(nearest("Stores", known), Some("stores"));
        assert_eq!(nearest("store", known), Some("stores"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("x", known), None);
    }

    #[test]
    fn words_are_listed_as_a_sentence_part() {
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
