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
    let length = lower.chars().count();
    known
        .into_iter()
        // So many characters more or less are so many changes at least.
        .filter(|word| word.chars().count().abs_diff(length) <= reach)
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase().replace('-', "_")), word))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, word)| word)
}

/// Known words as a sentence part: `a`, `b` and `c`; at most twelve of them.
pub fn listed<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known = known.into_iter();
    let mut words: Vec<String> = known.by_ref().take(13).map(|word| format!("`{word}`")).collect();
    if words.len() == 13 {
        words.truncate(11);
        return format!("{} and {} more", words.join(", "), known.count() + 2);
    }
    match words.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
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
        assert!(listed(["a"; 12]).ends_with("`a` and `a`"));
        assert!(listed(["a"; 40]).ends_with("`a` and 29 more"));
    }
}
