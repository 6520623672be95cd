//! Calls that are sold, over real books.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod copies;
mod refusals;
mod results;
mod rig;
mod sdk;
mod selling;
