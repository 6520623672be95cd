//! Every Rust source begins with `//!`: what the file is, before how it is done.

use super::{Violation, tree::Tree};

/// Sources whose first line is not module documentation with words in it.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.rust()
        .filter(|file| !says_something(&file.text))
        .map(|file| Violation::on_line(&file.path, 1, "begin the file with `//!` and what it is"))
        .collect()
}

fn says_something(text: &str) -> bool {
    let first = text.lines().next().and_then(|line| line.strip_prefix("//!"));
    first.is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_begins_with_docs_is_clean() {
        let tree = Tree::of(&[("crates/a/src/lib.rs", "//! Words.\n\nfn f() {}\n")]);
        assert!(check(&tree).is_empty());
    }

    #[test]
    fn a_file_without_docs_or_with_empty_docs_is_not() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "fn f() {}\n"),
            ("crates/a/src/b.rs", "//!\nfn f() {}\n"),
            ("xtask/src/c.rs", ""),
        ]);
        assert_eq!(check(&tree).len(), 3);
    }
}
