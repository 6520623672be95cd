//! ARCHITECTURE.md is the map: each crate has a line on it.

use super::{Violation, tree::Tree};

const PATH: &str = "ARCHITECTURE.md";

/// A map that is missing, or crates that are not on it.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let Some(map) = tree.find(PATH) else {
        return vec![Violation::of_file(PATH, "missing: draw the map")];
    };
    crates(tree)
        .filter(|name| !names(&map.text, name))
        .map(|name| Violation::of_file(PATH, format!("no line names the crate `{name}`")))
        .collect()
}

/// The names of the crates: folders with a manifest, folder name being crate name.
fn crates(tree: &Tree) -> impl Iterator<Item = &str> {
    tree.files().iter().filter_map(|file| {
        let folder = file.path.strip_suffix("/Cargo.toml")?;
        let name = folder.strip_prefix("crates/").unwrap_or(folder);
        (!name.contains('/')).then_some(name)
    })
}

/// Whether the text names the crate in backticks, or links its folder.
fn names(text: &str, name: &str) -> bool {
    [format!("`{name}`"), format!("crates/{name}`"), format!("crates/{name})")]
        .iter()
        .any(|form| text.contains(form.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(map: &str) -> Vec<String> {
        let tree = Tree::of(&[
            (PATH, map),
            ("Cargo.toml", ""),
            ("crates/tollway/Cargo.toml", ""),
            ("crates/tollway-core/Cargo.toml", ""),
            ("xtask/Cargo.toml", ""),
        ]);
        check(&tree).into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn a_map_with_every_crate_is_clean() {
        assert!(found("`tollway`, [core](crates/tollway-core), `xtask`").is_empty());
    }

    #[test]
    fn a_crate_is_not_named_by_a_longer_name() {
        let found = found("`tollway-core` and `xtask`");
        assert_eq!(found, ["no line names the crate `tollway`"]);
    }

    #[test]
    fn no_map_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
