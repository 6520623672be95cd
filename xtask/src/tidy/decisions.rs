//! Decision records are `docs/decisions/NNNN-words.md`, one number each, all listed in that folder's README.md.

use std::collections::BTreeMap;

use super::{Violation, tree::Tree};

const FOLDER: &str = "docs/decisions/";
const LIST: &str = "docs/decisions/README.md";

/// Records with another name, with a number used before, or not listed; a list that is missing or names no record.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let Some(list) = tree.find(LIST) else {
        return vec![Violation::of_file(LIST, "missing: the list of decisions")];
    };
    let mut found = Vec::new();
    let mut numbers = BTreeMap::new();
    for name in records(tree) {
        let path = format!("{FOLDER}{name}");
        let Some(number) = number(name) else {
            found.push(Violation::of_file(&path, "name it NNNN-words.md"));
            continue;
        };
        if let Some(first) = numbers.insert(number, name) {
            let what = format!("has the number of {first}");
            found.push(Violation::of_file(&path, what));
        }
        if !list.text.contains(&format!("({name})")) {
            let what = format!("not linked from {LIST}");
            found.push(Violation::of_file(&path, what));
        }
    }
    for (at, line) in list.text.lines().enumerate() {
        for name in linked(line).filter(|name| tree.find(&format!("{FOLDER}{name}")).is_none()) {
            let what = format!("there is no record {name}");
            found.push(Violation::on_line(LIST, at + 1, what));
        }
    }
    found
}

/// File names in the folder but for its list.
fn records(tree: &Tree) -> impl Iterator<Item = &str> {
    tree.files().iter().filter(|file| file.path != LIST).filter_map(|file| file.path.strip_prefix(FOLDER))
}

/// The four digits of `NNNN-words.md`, words being lower case and digits with single hyphens.
fn number(name: &str) -> Option<&str> {
    let (number, words) = name.strip_suffix(".md")?.split_once('-')?;
    let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    let is_word = |word: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        !word.is_empty() && word.bytes().all(plain)
    };
    (is_number && words.split('-').all(is_word)).then_some(number)
}

/// The records that a line of the list links to.
fn linked(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| number(target).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &str, records: &[&str]) -> Vec<String> {
        let paths: Vec<String> = records.iter().map(|name| format!("{FOLDER}{name}")).collect();
        let mut samples = vec![(LIST, list)];
        samples.extend(paths.iter().map(|path| (path.as_str(), "# Words\n")));
        let violations = check(&Tree::of(&samples));
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn numbered_named_and_listed_is_clean() {
        let list = "[a](0001-axes.md) and [b](0002-v1-is-a-decoder.md), [c](https://x.example)";
        assert!(found(list, &["0001-axes.md", "0002-v1-is-a-decoder.md"]).is_empty());
    }

    #[test]
    fn odd_names_are_found() {
        for name in ["1-a.md", "0001_a.md", "0001-A.md", "0001-a--b.md", "0001-.md", "0001-a.txt"] {
            assert_eq!(found("", &[name]).len(), 1, "{name}");
        }
    }

    #[test]
    fn unlisted_doubled_and_absent_records_are_found() {
        assert_eq!(found("", &["0001-a.md"]).len(), 1);
        assert_eq!(found("[a](0001-a.md)[b](0001-b.md)", &["0001-a.md", "0001-b.md"]).len(), 1);
        let absent = found("\n[a](0001-a.md)", &[]);
        assert_eq!(absent, ["docs/decisions/README.md:2: there is no record 0001-a.md"]);
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
