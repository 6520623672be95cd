//! No Rust source is longer than [`LINES_MAX`] lines, tests included. Aim for 100 to 250.

use super::{Violation, tree::Tree};

/// The hard limit; there is no list of exceptions.
pub const LINES_MAX: usize = 600;

/// Sources above the limit.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.rust()
        .map(|file| (file.text.lines().count(), file))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, file)| {
            let what = format!("{lines} lines, the limit is {LINES_MAX}: split it by topic");
            Violation::of_file(&file.path, what)
        })
        .collect()
}

/// The longest sources, longest first, with their lines.
#[must_use]
pub fn longest(tree: &Tree, count: usize) -> Vec<(usize, &str)> {
    let mut files: Vec<_> = tree.rust().map(|file| (file.text.lines().count(), file.path.as_str())).collect();
    files.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    files.truncate(count);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_not() {
        let (full, over) = ("x\n".repeat(LINES_MAX), "x\n".repeat(LINES_MAX + 1));
        let tree = Tree::of(&[("crates/a/src/a.rs", &full), ("crates/a/src/b.rs", &over)]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "crates/a/src/b.rs");
    }

    #[test]
    fn the_longest_come_first() {
        let tree = Tree::of(&[
            ("crates/a/src/a.rs", "1\n"),
            ("crates/a/src/b.rs", "1\n2\n3\n"),
            ("crates/a/src/c.rs", "1\n2\n"),
        ]);
        let longest = longest(&tree, 2);
        assert_eq!(longest, [(3, "crates/a/src/b.rs"), (2, "crates/a/src/c.rs")]);
    }
}
