//! A facilitator's service and its clients over real sockets.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod clients;
mod scripted;
mod service;
