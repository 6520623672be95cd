//! The rules of the house, held over the tree as it is: one test for each rule.

use xtask::tidy::{CHECKS, tree::Tree};

/// Runs one rule and prints its violations as the failure.
fn holds(name: &str) {
    let tree = Tree::load(&xtask::root()).expect("the tree is readable");
    let check = CHECKS.iter().find(|check| check.name == name);
    let check = check.expect("the rule is in the table");
    let violations: Vec<String> = (check.run)(&tree).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "this no longer holds: {}\n{}", check.promise, violations.join("\n"));
}

/// One test for each rule, and one that none was forgotten.
macro_rules! rules {
    ($($test:ident $name:literal)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn every_rule_has_a_test() {
            let tested = [$($name),*];
            let rules: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
            assert_eq!(rules, tested);
        }
    };
}

rules! {
    architecture "architecture"
    changelog "changelog"
    decisions "decisions"
    headers "headers"
    leftovers "leftovers"
    length "length"
    module_docs "module-docs"
    names "names"
    places "places"
    readme "readme"
    security "security"
    site "site"
}
