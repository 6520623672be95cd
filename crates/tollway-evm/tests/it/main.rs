//! Exact payments from signing to settlement, against published words and a real chain.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;
mod permit2;
mod settle;
mod signed;
mod stage;
mod verify;
