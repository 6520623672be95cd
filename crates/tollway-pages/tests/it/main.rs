//! The console over books in memory, behind its door, as a browser would ask.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod console;
mod scene;
