//! docs/security.md says which tests hold each known attack off. Every test that it names is there, and every test
//! named `threat_NN_…` stands in row NN.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Violation,
    tokens::{self, Lexeme, Token},
    tree::{File, Tree},
};

const PATH: &str = "docs/security.md";

/// Where the crates are: paths on the page start behind it.
const CRATES: &str = "crates/";

/// A page that is missing, tests on it that are not there, and tests against an attack that are not on it.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let Some(page) = tree.find(PATH) else {
        return vec![Violation::of_file(PATH, "missing: say what is promised against which attack")];
    };
    let sources: BTreeMap<&str, Tests<'_>> = tree.rust().map(|file| (short(&file.path), tests_in(file))).collect();
    let mut found = Vec::new();
    let mut stands = BTreeSet::new();
    for (at, row) in page.text.lines().enumerate().filter_map(|(at, line)| Some((at, row(line)?))) {
        for named in row.tests() {
            found.extend(named.problem(&sources).map(|what| Violation::on_line(PATH, at + 1, what)));
            stands.insert((row.number, named.path, named.test));
        }
    }
    for file in tree.rust() {
        for (test, line) in &sources[short(&file.path)] {
            if let Some(number) = attack(test).filter(|number| !stands.contains(&(*number, short(&file.path), *test))) {
                let what = format!("`{test}` does not stand in row {number} of {PATH}");
                found.push(Violation::on_line(&file.path, *line, what));
            }
        }
    }
    found
}

/// The path as the page writes it.
fn short(path: &str) -> &str {
    path.strip_prefix(CRATES).unwrap_or(path)
}

/// The number in `threat_NN_…`.
fn attack(test: &str) -> Option<u32> {
    test.strip_prefix("threat_")?.split('_').next()?.parse().ok()
}

/// A row of the table: the number of an attack, and the cell that names its tests.
struct Row<'a> {
    number: u32,
    last: &'a str,
}

/// A test that a row names, behind the file it is in.
struct Named<'a> {
    path: &'a str,
    test: &'a str,
}

/// The row of an attack, where the line is one.
fn row(line: &str) -> Option<Row<'_>> {
    let cells = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let number = cells.split('|').next()?.trim().parse().ok()?;
    Some(Row { number, last: cells.rsplit('|').next()? })
}

impl<'a> Row<'a> {
    /// What stands in backticks in the last cell: files, each followed by its tests.
    fn tests(&self) -> impl Iterator<Item = Named<'a>> + use<'a> {
        let mut path = "";
        self.last.split('`').skip(1).step_by(2).filter_map(move |word| {
            if is_source(word) {
                path = word;
                return None;
            }
            Some(Named { path, test: word })
        })
    }
}

fn is_source(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(_, extension)| extension == "rs")
}

impl Named<'_> {
    /// Why there is no such test.
    fn problem(&self, sources: &BTreeMap<&str, Tests<'_>>) -> Option<String> {
        let Self { path, test } = self;
        if path.is_empty() {
            return Some(format!("`{test}` stands behind no file"));
        }
        match sources.get(path) {
            None => Some(format!("there is no source `{path}` under {CRATES}")),
            Some(tests) if tests.contains_key(test) => None,
            Some(_) => Some(format!("`{test}` is no test in `{path}`")),
        }
    }
}

/// The tests of one file with their lines.
type Tests<'a> = BTreeMap<&'a str, usize>;

/// Functions under `#[test]`, or under a runtime's own such as `#[tokio::test]`; and those named as a test against an
/// attack, which a macro may run several times.
fn tests_in(file: &File) -> Tests<'_> {
    let all = tokens::read(&file.text);
    let mut tests = Tests::new();
    let mut is_test = false;
    for (at, lexeme) in all.iter().enumerate() {
        is_test |= lexeme.is_mark('#') && begins_test(&all[at + 1..]);
        let Some(Lexeme { token: Token::Word(name), line }) = all.get(at + 1).filter(|_| lexeme.is_word("fn")) else {
            continue;
        };
        if is_test || attack(name).is_some() {
            tests.insert(*name, *line);
        }
        is_test = false;
    }
    tests
}

/// Whether the last word of an attribute's path is `test`.
fn begins_test(attribute: &[Lexeme<'_>]) -> bool {
    let path = attribute.iter().skip(1).take_while(|lexeme| matches!(lexeme.token, Token::Word(_) | Token::Path));
    attribute.first().is_some_and(|open| open.is_mark('[')) && path.last().is_some_and(|word| word.is_word("test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "#[tokio::test(flavor = \"a\")]\nasync fn threat_05_heads() {}\n\
        proptest! { #![a(b)]\n/// Why.\n#[test]\nfn odd(n in 0..9) {} }\n#[cfg(test)]\nfn no_test() {}";

    fn found(row: &str) -> Vec<String> {
        let page = format!("| # | attack | tests |\n| --- | --- | --- |\n{row}\n");
        let tree =
            Tree::of(&[(PATH, &page), ("crates/a/src/lib.rs", SOURCE), ("xtask/tests/b.rs", "#[test] fn b() {}")]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_whose_tests_are_there_are_clean() {
        let row = "| 5 | `HEAD` runs | `a/src/lib.rs`: `threat_05_heads`, `odd`; `xtask/tests/b.rs`: `b` |";
        assert_eq!(found(row), Vec::<String>::new());
    }

    #[test]
    fn a_test_against_an_attack_stands_in_the_row_of_its_number() {
        let missing = "crates/a/src/lib.rs:2: `threat_05_heads` does not stand in row 5 of docs/security.md";
        for row in
            ["", "5. `threat_05_heads`", "| 5 | `threat_05_heads` | |", "| 6 | | `a/src/lib.rs` `threat_05_heads` |"]
        {
            assert_eq!(found(row), [missing], "{row}");
        }
    }

    #[test]
    fn what_is_no_test_is_found() {
        for (named, what) in [
            ("`a/src/lib.rs`: `even`", "`even` is no test in `a/src/lib.rs`"),
            ("`a/src/lib.rs`: `no_test`", "`no_test` is no test in `a/src/lib.rs`"),
            ("`a/src/lib.rs`: `b`", "`b` is no test in `a/src/lib.rs`"),
            ("`a/src/c.rs`: `odd`", "there is no source `a/src/c.rs` under crates/"),
            ("`odd`", "`odd` stands behind no file"),
        ] {
            let row = format!("| 7 | x | {named} |\n| 5 | | `a/src/lib.rs`: `threat_05_heads` |");
            assert_eq!(found(&row), [format!("docs/security.md:3: {what}")]);
        }
    }

    #[test]
    fn a_test_that_a_macro_runs_is_one() {
        let tree =
            Tree::of(&[(PATH, ""), ("crates/a/tests/it/main.rs", "async fn threat_46_others(books: &dyn Books) {}")]);
        assert_eq!(check(&tree).len(), 1);
    }

    #[test]
    fn no_page_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
