//! CHANGELOG.md is written for the one who upgrades: a section for what comes, or one for each version.

use super::{Violation, tree::Tree};

const PATH: &str = "CHANGELOG.md";

/// A changelog that is missing or has no section.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let Some(file) = tree.find(PATH) else {
        return vec![Violation::of_file(PATH, "missing: write it, by hand")];
    };
    if file.text.lines().any(is_section) {
        return Vec::new();
    }
    let what = "no section `## Unreleased` or `## 1.2.3`";
    vec![Violation::of_file(PATH, what)]
}

fn is_section(line: &str) -> bool {
    let Some(title) = line.strip_prefix("## ") else {
        return false;
    };
    let name = title.trim_start_matches('[');
    name.starts_with("Unreleased") || is_version(name)
}

/// Whether the text begins with three numbers and two points between them.
fn is_version(text: &str) -> bool {
    let number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    parts.len() == 3 && parts.into_iter().all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Tree::of(&[(PATH, text)])).len()
    }

    #[test]
    fn a_section_of_either_kind_is_clean() {
        assert_eq!(found("# Changelog\n\n## Unreleased\n"), 0);
        assert_eq!(found("# Changelog\n\n## [0.1.0] - 2026-01-01\n"), 0);
        assert_eq!(found("## 0.1.0\n"), 0);
    }

    #[test]
    fn no_file_or_no_section_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
        assert_eq!(found("# Changelog\n\n## Soon\n### 0.1.0\n"), 1);
    }
}
