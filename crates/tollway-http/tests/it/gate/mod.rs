//! The gate against honest, careless and hostile clients and origins.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod dresses;
mod payments;
mod refusals;
