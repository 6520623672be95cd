//! Vectors read both ways, every decoder under random input, and the threats this crate answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod decoders;
mod numerals;
mod receipts;
mod v1;
mod vectors;
mod wires;
