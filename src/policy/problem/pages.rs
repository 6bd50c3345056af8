//! The long text of each code: what it means, an example, and how to mend it.

/// All pages, one after the other; each begins with `## ` and its code.
const PAGES: &str = include_str!("pages.md");

/// The page of a code, by its path, without the heading.
pub fn page(code: &str) -> Option<&'static str> {
    pages().find(|(path, _)| *path == code).map(|(_, text)| text)
}

/// Every page with its code, in the order of the file.
pub fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.split("\n## ").skip(1).filter_map(|page| {
        let (code, text) = page.split_once('\n')?;
        Some((code.trim(), text.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::problem::Code;

    #[test]
    fn every_code_has_a_page_with_an_example_and_a_mend_and_every_page_a_code() {
        for code in Code::ALL {
            let text = page(code.as_str()).unwrap_or_else(|| panic!("{code} has no page"));
            assert!(text.contains("```yaml") || text.contains("```sh"), "{code} shows no example");
            assert!(text.contains("Mend: "), "{code} shows no mend");
        }
        for (path, _) in pages() {
            assert!(Code::parse(path).is_some(), "page of unknown code {path}");
        }
    }
}
