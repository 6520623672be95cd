//! The rules of the house that the compiler does not hold, each a function from the [`Tree`] to its violations.
//!
//! The same functions run as `cargo xtask tidy` and as the test `tests/tidy.rs`, so that no rule is only advice.

pub mod architecture;
pub mod changelog;
pub mod decisions;
pub mod headers;
pub mod leftovers;
pub mod length;
pub mod module_docs;
pub mod names;
pub mod places;
pub mod readme;
pub mod security;
pub mod shipped;
pub mod site;
pub mod tokens;
pub mod tree;

use std::{fmt, process::ExitCode};

use anyhow::Result;
use tree::Tree;

/// One rule.
pub struct Check {
    /// Short name, the first word of each printed violation.
    pub name: &'static str,
    /// What holds when the check finds nothing.
    pub promise: &'static str,
    /// The violations in a tree, in order of path.
    pub run: fn(&Tree) -> Vec<Violation>,
}

/// Every rule, in alphabetic order of name.
pub const CHECKS: &[Check] = &[
    Check { name: "architecture", promise: "every crate has a line in ARCHITECTURE.md", run: architecture::check },
    Check {
        name: "changelog",
        promise: "CHANGELOG.md has a section for what comes or for a version",
        run: changelog::check,
    },
    Check { name: "decisions", promise: "decision records are numbered, named and listed", run: decisions::check },
    Check { name: "headers", promise: "each payment header's name is spelled in one file", run: headers::check },
    Check { name: "leftovers", promise: "nothing unfinished, ignored or printed for debugging", run: leftovers::check },
    Check { name: "length", promise: "no source file is longer than a person reads at a sitting", run: length::check },
    Check { name: "module-docs", promise: "every source file says first what it is", run: module_docs::check },
    Check { name: "names", promise: "names say something, and say it in the words of GLOSSARY.md", run: names::check },
    Check { name: "places", promise: "no path of one machine and no package registry in the tree", run: places::check },
    Check { name: "readme", promise: "README.md names the command that tests everything", run: readme::check },
    Check {
        name: "security",
        promise: "docs/security.md names tests that are there, and every test against a known attack",
        run: security::check,
    },
    Check {
        name: "site",
        promise: "the demonstration site is whole: linked, described, self-contained",
        run: site::check,
    },
];

/// One place where a rule does not hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path from the root.
    pub path: String,
    /// Line, counted from 1, where the rule is about a line.
    pub line: Option<usize>,
    /// What is wrong, and what to do when that is not plain.
    pub what: String,
}

impl Violation {
    /// A violation of a whole file.
    #[must_use]
    pub fn of_file(path: &str, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, what: what.into() }
    }

    /// A violation on one line.
    #[must_use]
    pub fn on_line(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::of_file(path, what) }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

/// Prints every violation, and with `long` the ten longest sources. Exit code 1 when a rule does not hold.
///
/// # Errors
///
/// When the tree cannot be read.
pub fn run(long: bool) -> Result<ExitCode> {
    let tree = Tree::load(&crate::root())?;
    let mut found = 0;
    for check in CHECKS {
        for violation in (check.run)(&tree) {
            println!("{}: {violation}", check.name);
            found += 1;
        }
    }
    if long {
        println!("longest sources, limit {} lines:", length::LINES_MAX);
        for (lines, path) in length::longest(&tree, 10) {
            println!("{lines:6} {path}");
        }
    }
    if found == 0 {
        println!("tidy: {} rules hold", CHECKS.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {found} violations");
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(CHECKS.is_sorted_by_key(|check| check.name));
    }

    #[test]
    fn a_violation_prints_as_editors_read_it() {
        assert_eq!(Violation::on_line("a.rs", 3, "odd").to_string(), "a.rs:3: odd");
        assert_eq!(Violation::of_file("a.rs", "odd").to_string(), "a.rs: odd");
    }
}
