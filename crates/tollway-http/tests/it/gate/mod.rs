//! The gate against honest, careless and hostile clients and origins.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod credit;
mod delivery;
mod dresses;
mod payments;
mod refusals;
mod replays;
mod unavailable;
