//! Which part of a source is shipped code: everything but the items under `#[cfg(test)]`.
//!
//! The item that the attribute stands on is left out, not the rest of the file: a `#[cfg(test)] mod samples;` near
//! the top must not excuse what follows it.

use super::{
    tokens::{self, Lexeme, Token},
    tree::File,
};

/// The lexemes of a file that are not test code; none for a file that is a test by its place.
#[must_use]
pub fn lexemes(file: &File) -> Vec<Lexeme<'_>> {
    if file.is_test() {
        return Vec::new();
    }
    let all = tokens::read(&file.text);
    let mut kept = Vec::with_capacity(all.len());
    let mut at = 0;
    while at < all.len() {
        match attribute(&all, at) {
            Some(found) if found.is_test && found.is_inner => return Vec::new(),
            Some(found) if found.is_test => at = after_item(&all, found.end),
            _ => {
                kept.push(all[at]);
                at += 1;
            }
        }
    }
    kept
}

struct Attribute {
    is_test: bool,
    is_inner: bool,
    end: usize,
}

/// The attribute that begins here, when one does.
fn attribute(all: &[Lexeme<'_>], at: usize) -> Option<Attribute> {
    let is_inner = all.get(at + 1)?.is_mark('!');
    let open = at + 1 + usize::from(is_inner);
    if !all[at].is_mark('#') || !all.get(open)?.is_mark('[') {
        return None;
    }
    let end = after_group(all, open);
    let inside = &all[open + 1..end];
    let has = |word: &str| inside.iter().any(|lexeme| lexeme.is_word(word));
    let is_cfg = inside.first().is_some_and(|first| first.is_word("cfg"));
    Some(Attribute { is_test: is_cfg && has("test") && !has("not"), is_inner, end })
}

/// Past the item that begins here: its further attributes, then up to its `;` or its closing brace.
fn after_item(all: &[Lexeme<'_>], mut at: usize) -> usize {
    while let Some(next) = attribute(all, at) {
        at = next.end;
    }
    while let Some(lexeme) = all.get(at) {
        match lexeme.token {
            Token::Mark('{') => return after_group(all, at),
            Token::Mark(';') => return at + 1,
            Token::Mark('(' | '[') => at = after_group(all, at),
            // The attribute stood on a field or a variant, and its owner ends here.
            Token::Mark('}') => return at,
            _ => at += 1,
        }
    }
    at
}

/// Past the bracket that closes the one that opens here.
fn after_group(all: &[Lexeme<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, lexeme) in all.iter().enumerate().skip(open) {
        match lexeme.token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    all.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.into(), text: text.into() };
        lexemes(&file)
            .iter()
            .filter_map(|lexeme| match lexeme.token {
                Token::Word(word) => Some(word.to_owned()),
                _ => None,
            })
            .collect()
    }

    fn shipped(text: &str) -> Vec<String> {
        words("crates/a/src/lib.rs", text)
    }

    #[test]
    fn only_the_item_under_the_attribute_is_left_out() {
        assert_eq!(shipped("#[cfg(test)] mod tests; mod b;"), ["mod", "b"]);
        assert_eq!(shipped("mod a; #[cfg(test)] mod tests { fn x() { y } }"), ["mod", "a"]);
        assert_eq!(shipped("#[cfg(test)] #[path = \"x\"] fn t<A, B>(a: [u8; 2]) -> u8 { 1 } fn f() {}"), ["fn", "f"]);
        assert_eq!(shipped("struct S { #[cfg(test)] seen: u8 } fn f() {}"), ["struct", "S", "fn", "f"]);
    }

    #[test]
    fn other_attributes_leave_code_shipped() {
        assert_eq!(shipped("#[cfg(not(test))] fn f() {}").last().unwrap(), "f");
        assert_eq!(shipped("#[cfg(unix)] fn f() {}").last().unwrap(), "f");
        assert_eq!(shipped("#[cfg(all(test, unix))] fn f() {}").len(), 0);
    }

    #[test]
    fn whole_files_are_tests_by_place_or_inner_attribute() {
        assert!(words("crates/a/tests/it/main.rs", "fn f() {}").is_empty());
        assert!(shipped("#![cfg(test)]\nfn f() {}").is_empty());
    }

    #[test]
    fn an_attribute_that_never_closes_ends() {
        assert!(shipped("#[cfg(test)").is_empty());
        assert!(shipped("#[").is_empty() && shipped("#").is_empty());
    }
}
