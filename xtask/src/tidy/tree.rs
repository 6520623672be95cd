//! The text files of the repository, read once; in tests, a handful of samples in memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// Files above this size are data, not text to hold to a style: 2 MiB.
const SIZE_MAX: u64 = 2 * 1024 * 1024;

/// Folders that never belong to the sources, for a copy without git.
const SKIPPED: &[&str] = &[".git", "node_modules", "target"];

/// One text file.
pub struct File {
    /// Path from the root, with `/` between folders.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl File {
    /// Whether this is a Rust source of ours.
    #[must_use]
    pub fn is_rust(&self) -> bool {
        let ours = self.path.starts_with("crates/") || self.path.starts_with("xtask/");
        ours && Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// Whether the whole file is test code by its place: a `tests` folder or a `tests.rs`.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }
}

/// The files of the repository, ordered by path.
pub struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads every text file that git knows or would add, or every file where there is no git.
    ///
    /// # Errors
    ///
    /// When the root cannot be listed, or a listed file cannot be read.
    pub fn load(root: &Path) -> Result<Self> {
        let mut paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        paths.sort();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            files.extend(read(root, path)?);
        }
        Ok(Self { files })
    }

    /// A tree of samples: pairs of path and text.
    #[must_use]
    pub fn of(samples: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
        Self { files: samples.iter().map(file).collect() }
    }

    /// Every file.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The Rust sources of our crates.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The file at this path, when there is one.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// `None` where there is no git, or no checkout.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let list = Command::new("git")
        // A checkout made by another user (a container's mount) is still the tree to look at.
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(list.stdout).ok()?;
    let mut paths: Vec<String> = names.split_terminator('\0').map(str::to_owned).collect();
    paths.dedup();
    Some(paths)
}

fn walked(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let place = root.join(&folder);
        let entries = fs::read_dir(&place).with_context(|| place.display().to_string())?;
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if entry.file_type()?.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    folders.push(folder.join(name));
                }
            } else {
                let path = folder.join(name);
                paths.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(paths)
}

/// `None` for what is not text: binary, too large, a link, or deleted but still in git's index.
fn read(root: &Path, path: String) -> Result<Option<File>> {
    let place = root.join(&path);
    let Ok(about) = fs::symlink_metadata(&place) else {
        return Ok(None);
    };
    if !about.is_file() || about.len() > SIZE_MAX {
        return Ok(None);
    }
    let bytes = fs::read(&place).with_context(|| place.display().to_string())?;
    Ok(String::from_utf8(bytes).ok().map(|text| File { path, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_tests_are_told_apart_by_place() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", ""),
            ("crates/a/src/gate/tests.rs", ""),
            ("crates/a/tests/it/main.rs", ""),
            ("docs/sample.rs", ""),
        ]);
        let rust: Vec<_> = tree.rust().map(|file| file.is_test()).collect();
        assert_eq!(rust, [false, true, true]);
    }

    #[test]
    fn both_ways_of_listing_find_this_file() {
        let root = crate::root();
        let own = "xtask/src/tidy/tree.rs";
        assert!(Tree::load(&root).unwrap().find(own).is_some());
        assert!(walked(&root).unwrap().iter().any(|path| path == own));
    }
}
