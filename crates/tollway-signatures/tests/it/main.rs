//! The published vectors, the negative set applied to each, and what attackers try.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod agents;
mod corpus;
mod derived;
mod directories;
mod documents;
mod grammar;
mod keys;
mod negative;
mod properties;
mod threats;
mod vectors;
