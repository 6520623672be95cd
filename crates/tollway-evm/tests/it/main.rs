//! Exact payments from signing to settlement, against published words and a real chain.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod settle;
mod signed;
