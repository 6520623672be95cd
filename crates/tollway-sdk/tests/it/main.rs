//! One binary for all integration tests: both sides against each other, over sockets and in one process.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod buying;
mod examples;
mod readme;
mod rig;
mod selling;
