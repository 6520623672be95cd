//! The tree names no path of one machine and no package registry: it must read the same everywhere.

use super::{Violation, tree::Tree};

/// Beginnings of paths that exist on one machine only, built so that this file does not hold them.
const MACHINE: &[&str] =
    &[concat!("/", "home", "/"), concat!("/", "root", "/"), concat!("/", "Users", "/"), concat!("/", "work", "/")];

/// Hosts that hand out packages: the business of the package tools, not of these files.
const HOSTS: &[&str] =
    &[concat!("crates", ".io"), concat!("deb", ".debian"), concat!("npm", "js"), concat!("py", "pi")];

/// Written by cargo and npm, which name the registry in every line, and hash whatever spells its name by chance.
const LOCKS: [&str; 2] = ["Cargo.lock", "package-lock.json"];

/// Lines of any text file that hold either.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.files() {
        for (at, line) in file.text.lines().enumerate() {
            let path = MACHINE.iter().find(|path| begins_in(line, path));
            if let Some(path) = path {
                let what = format!("a path of one machine: {path}");
                found.push(Violation::on_line(&file.path, at + 1, what));
            }
            let lower = line.to_ascii_lowercase();
            let host = HOSTS.iter().find(|host| lower.contains(*host));
            if let Some(host) = host.filter(|_| !is_lock(&file.path)) {
                let what = format!("a package registry: {host}");
                found.push(Violation::on_line(&file.path, at + 1, what));
            }
        }
    }
    found
}

/// Whether a file is written by a package tool, wherever it stands.
fn is_lock(path: &str) -> bool {
    LOCKS.contains(&path.rsplit('/').next().unwrap_or(path))
}

/// Whether a path begins with this, rather than goes on with it (`https://seller.example/work/1`).
fn begins_in(line: &str, path: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "._-~*%})]>".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(goes_on))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn addresses_and_relative_paths_are_clean() {
        for path in MACHINE {
            let text = format!("https://seller.example{path}1 {{origin}}{path} ..{path} ~{path}\n");
            assert_eq!(found("docs/a.md", &text), 0, "{text}");
        }
        assert_eq!(found("docs/a.md", "crates and npm, at homework\n"), 0);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for path in MACHINE {
            for text in [format!("cd {path}x"), format!("\"{path}\""), format!("{path}x")] {
                assert_eq!(found("docs/a.md", &text), 1, "{text}");
            }
            assert_eq!(found("a.toml", &format!("url = \"file://{path}\"")), 1);
        }
    }

    #[test]
    fn registries_are_found_except_in_locks() {
        for host in HOSTS {
            assert_eq!(found("docs/a.md", &format!("see {}", host.to_uppercase())), 1);
            assert_eq!((found("Cargo.lock", host), found("interop/x/package-lock.json", host)), (0, 0));
        }
    }
}
