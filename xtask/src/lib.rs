//! Chores of the repository, in Rust so that they run wherever the code builds.
//!
//! Promise: a rule of the house is a test here, or it is not a rule. `cargo xtask test` is the one command a change
//! must pass, [`tidy`] holds what the compiler does not (names, sizes, documents), [`edges`] holds which crate may
//! know which, [`contracts`] compiles the contracts, [`interop`] pays and is paid by what others wrote,
//! and [`bench`](mod@bench) measures.
//!
//! Refusal: this crate never ships, nothing depends on it, and it changes no file but the contracts' artifacts.
//!
//! ```
//! use xtask::tidy::{self, tree::Tree};
//!
//! let tree = Tree::of(&[("crates/tollway/src/main.rs", "fn main() {}\n")]);
//! let found = tidy::module_docs::check(&tree);
//! assert_eq!(found.len(), 1, "the file has no module docs");
//! ```
#![allow(clippy::print_stdout, reason = "a chore answers on standard output; it has no log")]

pub mod bench;
pub mod contracts;
pub mod edges;
pub mod fuzz;
pub mod interop;
pub mod test;
pub mod tidy;

use std::{path::PathBuf, process::Command};

/// The root of the repository: the folder that holds this crate's folder.
///
/// Cargo names the folder at run time; the path known at compile time serves when a built binary is started by hand.
#[must_use]
pub fn root() -> PathBuf {
    let own =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), PathBuf::from)
}

/// Keeps from a command what `cargo run` says about this crate: it would make build scripts of others run again.
fn forget_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy();
        if ours.starts_with("CARGO_PKG_") || ours.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}
