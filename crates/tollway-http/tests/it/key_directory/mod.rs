//! The key directory against hosts that are slow, wrong, hostile, or gone.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod addresses;
mod fixture;
mod limits;
mod memory;
mod reasons;
