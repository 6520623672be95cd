//! Nothing unfinished is shipped, and no test is switched off.

use super::{
    Violation, shipped,
    tokens::{self, Lexeme},
    tree::Tree,
};

/// Macros that mark code as unfinished or print for debugging.
const MACROS: &[&str] = &["dbg", "todo", "unimplemented"];

/// Such macros in shipped code, and ignored tests anywhere.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        for pair in shipped::lexemes(file).windows(2) {
            let called = MACROS.iter().find(|name| pair[0].is_word(name));
            if let Some(name) = called.filter(|_| pair[1].is_mark('!')) {
                let what = format!("`{name}!` in shipped code");
                found.push(Violation::on_line(&file.path, pair[0].line, what));
            }
        }
        for three in tokens::read(&file.text).windows(3).filter(is_ignored) {
            let what = "a test that does not run proves nothing: mend it or delete it";
            found.push(Violation::on_line(&file.path, three[0].line, what));
        }
    }
    found
}

fn is_ignored(three: &&[Lexeme<'_>]) -> bool {
    three[0].is_mark('#') && three[1].is_mark('[') && three[2].is_word("ignore")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Tree::of(&[("crates/a/src/lib.rs", text)])).len()
    }

    #[test]
    fn words_in_comments_strings_and_other_macros_are_clean() {
        assert_eq!(found("// todo!()\nf(\"dbg!\"); #[must_use] fn g() { panic!() }"), 0);
        assert_eq!(found("#[cfg(test)] mod tests { fn f() { unimplemented!() } }"), 0);
        assert_eq!(found("let ignore = todo; a != b"), 0);
    }

    #[test]
    fn unfinished_code_is_found() {
        assert_eq!(found("fn f() { todo!() } fn g() { unimplemented!(\"x\") }"), 2);
        assert_eq!(found("let a = dbg!(b);"), 1);
    }

    #[test]
    fn an_ignored_test_is_found_in_test_code_too() {
        assert_eq!(found("#[cfg(test)] mod tests { #[test] #[ignore = \"slow\"] fn f() {} }"), 1);
    }
}
