//! README.md exists and names the one command that tests everything.

use super::{Violation, tree::Tree};

const PATH: &str = "README.md";

/// The command a change must pass.
const COMMAND: &str = "cargo xtask test";

/// A README that is missing or does not name the command.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    match tree.find(PATH) {
        None => vec![Violation::of_file(PATH, "missing: the front door")],
        Some(file) if file.text.contains(COMMAND) => Vec::new(),
        Some(_) => {
            let what = format!("does not name the test command `{COMMAND}`");
            vec![Violation::of_file(PATH, what)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_with_the_command_is_clean() {
        let tree = Tree::of(&[(PATH, "Test:\n\n    cargo xtask test --core\n")]);
        assert!(check(&tree).is_empty());
    }

    #[test]
    fn a_readme_without_it_or_none_is_found() {
        assert_eq!(check(&Tree::of(&[(PATH, "cargo test")])).len(), 1);
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
