//! Our signatures held against other people's: what they sign we verify, what we sign they verify. Nothing of this is
//! shipped.
//!
//! Crates of others are asked in `tests/it`. Packages for Node.js are asked by `interop/verify_packages.mjs`, which puts
//! [`Question`]s to the program of this crate: JSON in, JSON out.

mod question;

pub use question::{Answer, Asked, Question, answer};
