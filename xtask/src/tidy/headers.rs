//! Each payment header's name is a string literal in one shipped file: the protocol crate's `header.rs`.
//!
//! A second spelling is how two ends of a program come to disagree about a header. Tests may spell them: a test that
//! took the name from the code under test would not notice a change.

use super::{Violation, shipped, tokens::Token, tree::Tree};

/// The file that spells the names.
const HOME: &str = "crates/tollway-protocol/src/header.rs";

/// The names, in parts so that this file does not spell them either.
const NAMES: &[&[&str]] = &[
    &["crawler", "charged"],
    &["crawler", "error"],
    &["crawler", "exact", "price"],
    &["crawler", "max", "price"],
    &["crawler", "price"],
    &["payment", "required"],
    &["payment", "response"],
    &["payment", "signature"],
    &["x", "payment"],
    &["x", "payment", "response"],
];

/// Names spelled elsewhere, and names that their home does not spell.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut missing: Vec<String> = NAMES.iter().map(|parts| parts.join("-")).collect();
    let names = missing.clone();
    let mut found = Vec::new();
    for file in tree.rust() {
        for lexeme in shipped::lexemes(file) {
            let Token::Literal(text) = lexeme.token else {
                continue;
            };
            let Some(name) = names.iter().find(|name| text.eq_ignore_ascii_case(name)) else {
                continue;
            };
            if file.path == HOME {
                missing.retain(|other| other != name);
            } else {
                let what = format!("`{name}` is spelled in {HOME}: use its constant");
                found.push(Violation::on_line(&file.path, lexeme.line, what));
            }
        }
    }
    for name in missing {
        found.push(Violation::of_file(HOME, format!("does not spell `{name}`")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> String {
        let spell = |parts: &&[&str]| format!("const A: &str = \"{}\";\n", parts.join("-"));
        NAMES.iter().map(spell).collect()
    }

    fn found(path: &str, text: &str) -> Vec<Violation> {
        check(&Tree::of(&[(HOME, &home()), (path, text)]))
    }

    #[test]
    fn constants_tests_and_comments_are_clean() {
        let text = "//! \"crawler-price\"\nuse header::CRAWLER_PRICE; // \"x-payment\"\n\
                    #[cfg(test)]\nmod tests { const A: &str = \"crawler-price\"; }\n";
        assert!(found("crates/a/src/lib.rs", text).is_empty());
        assert!(found("crates/a/tests/it/main.rs", "f(\"crawler-price\")").is_empty());
        assert!(found("crates/a/src/b.rs", "f(\"crawler-price: USD 1\")").is_empty());
    }

    #[test]
    fn a_second_spelling_is_found_in_any_case_and_kind_of_literal() {
        let text = "f(\"Crawler-Price\");\ng(b\"x-payment\");\nh(r#\"PAYMENT-REQUIRED\"#);";
        let found = found("crates/a/src/lib.rs", text);
        let lines: Vec<_> = found.iter().map(|violation| violation.line).collect();
        assert_eq!(lines, [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn a_test_module_at_the_top_does_not_excuse_the_rest() {
        let text = "#[cfg(test)]\nmod samples;\nfn f() { g(\"crawler-error\") }\n";
        assert_eq!(found("crates/a/src/lib.rs", text).len(), 1);
    }

    #[test]
    fn a_name_its_home_does_not_spell_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), NAMES.len());
    }
}
