//! Names that say nothing, and names of another field, are refused where a thing is named.
//!
//! What other crates call their own things is theirs: a word beside `::` or behind `.` is a use, not a naming.

use super::{
    Violation,
    tokens::{self, Lexeme, Token},
    tree::{File, Tree},
};

/// Words that say nothing about what is inside. Refused as a word of any identifier, file or folder name.
const EMPTY: &[&str] = &["helper", "manager", "misc", "util"];

/// A word that is empty as a whole name but good inside one (`common_prefix`).
const EMPTY_ALONE: &str = "common";

/// Words that the glossary replaces, with its own. Refused in names of functions, types, traits and modules.
const REPLACED: &[(&str, &str)] = &[
    ("backend", "upstream"),
    ("capture", "settle"),
    ("customer", "client or buyer"),
    ("frontend", "downstream"),
    ("merchant", "seller"),
    ("paywall", "gate"),
    ("voucher", "commitment"),
];

/// Keywords whose next word names an item that the glossary rules.
const ITEMS: &[&str] = &["enum", "fn", "mod", "struct", "trait"];

/// Refused words in the sources.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        check_path(file, &mut found);
        check_words(file, &mut found);
    }
    found
}

fn check_path(file: &File, found: &mut Vec<Violation>) {
    for part in file.path.split('/') {
        let name = part.strip_suffix(".rs").unwrap_or(part);
        if let Some(word) = empty_word(name) {
            let what = format!("`{word}` in a path says nothing about what is inside");
            found.push(Violation::of_file(&file.path, what));
        }
    }
}

fn check_words(file: &File, found: &mut Vec<Violation>) {
    let lexemes = tokens::read(&file.text);
    for (at, lexeme) in lexemes.iter().enumerate() {
        let Token::Word(name) = lexeme.token else {
            continue;
        };
        let before = at.checked_sub(1).map(|before| lexemes[before]);
        let after = lexemes.get(at + 1).copied();
        if !is_use(before, after) && empty_word(name).is_some() {
            let what = format!("`{name}` says nothing: name what it does");
            found.push(Violation::on_line(&file.path, lexeme.line, what));
        }
        let names_item = before.is_some_and(|word| ITEMS.iter().any(|item| word.is_word(item)));
        if let Some((word, ours)) = replaced_word(name).filter(|_| names_item) {
            let what = format!("`{name}`: the glossary says {ours}, not {word}");
            found.push(Violation::on_line(&file.path, lexeme.line, what));
        }
    }
}

/// Whether a word beside these two is used rather than given as a name.
fn is_use(before: Option<Lexeme<'_>>, after: Option<Lexeme<'_>>) -> bool {
    let is_path = |lexeme: Option<Lexeme<'_>>| lexeme.is_some_and(|l| l.token == Token::Path);
    is_path(before) || is_path(after) || before.is_some_and(|lexeme| lexeme.is_mark('.'))
}

fn empty_word(name: &str) -> Option<String> {
    let words = words(name);
    let whole = words.len() == 1 && words[0] == EMPTY_ALONE;
    words.into_iter().find(|word| whole || EMPTY.contains(&word.as_str()))
}

fn replaced_word(name: &str) -> Option<(&'static str, &'static str)> {
    let words = words(name);
    let is_in = |word: &str| words.iter().any(|own| own == word);
    REPLACED.iter().copied().find(|(word, _)| is_in(word))
}

/// The words of a name in `snake_case`, `CamelCase` or `kebab-case`, lower case and in the singular.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let ends_acronym = before.is_uppercase() && rest.peek().is_some_and(|c| c.is_lowercase());
        let starts = c.is_uppercase() && (!before.is_uppercase() || ends_acronym);
        if starts || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    for word in &mut words {
        if word.ends_with('s') {
            word.pop();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[(path, text)]);
        check(&tree).into_iter().map(|found| found.what).collect()
    }

    fn in_source(text: &str) -> usize {
        found("crates/a/src/lib.rs", text).len()
    }

    #[test]
    fn names_that_say_something_are_clean() {
        assert_eq!(in_source("fn common_prefix() {} struct Mutil; mod futility;"), 0);
        assert_eq!(in_source("let recapture = capture_groups; /* helper */ \"utils\""), 0);
    }

    #[test]
    fn names_that_other_crates_gave_are_clean() {
        assert_eq!(in_source("use hyper_util::rt::TokioIo; use tower::util::Oneshot;"), 0);
        assert_eq!(in_source("window.manager().start(io::misc)"), 0);
    }

    #[test]
    fn empty_names_are_refused_wherever_they_are_given() {
        assert_eq!(in_source("mod utils; fn url_helper() {} struct KeyManager;"), 3);
        assert_eq!(in_source("let misc = 1; struct S { helper: u8 } mod common;"), 3);
    }

    #[test]
    fn paths_are_names_too() {
        assert_eq!(found("crates/a/tests/common/mod.rs", "").len(), 1);
        assert_eq!(found("crates/a/src/string_utils.rs", "").len(), 1);
        assert_eq!(found("crates/a/src/gate/mod.rs", "").len(), 0);
    }

    #[test]
    fn words_the_glossary_replaces_are_refused_in_items_only() {
        let message = &found("crates/a/src/lib.rs", "struct MerchantId;")[0];
        assert_eq!(message, "`MerchantId`: the glossary says seller, not merchant");
        assert_eq!(in_source("fn capture() {} enum Vouchers {} trait HTTPBackend {}"), 3);
        assert_eq!(in_source("let merchant = \"merchant\"; const CUSTOMER: u8 = 1;"), 0);
    }
}
