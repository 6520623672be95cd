//! The gate against honest, careless and hostile clients and origins.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod account;
mod allocations;
mod caching;
mod cloudflare;
mod credit;
mod delivery;
mod dresses;
mod identity;
mod methods;
mod passes;
mod paths;
mod payments;
mod published;
mod refusals;
mod registration;
mod replays;
mod sloppy;
mod smuggling;
mod spellings;
mod unavailable;
