//! Signatures held against crates of others.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod web_bot_auth;
mod wycheproof;
