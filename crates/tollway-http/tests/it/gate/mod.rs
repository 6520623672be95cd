//! The gate against honest, careless and hostile clients and origins.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod caching;
mod credit;
mod delivery;
mod dresses;
mod methods;
mod paths;
mod payments;
mod refusals;
mod replays;
mod sloppy;
mod unavailable;
mod published;
mod registration;
