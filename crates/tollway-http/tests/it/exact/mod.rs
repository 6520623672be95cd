//! Payments that move money at once, through the gate: both flows, and every way in which a handler, a
//! facilitator, a buyer or the machine can fail in the middle.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod bills;
mod demands;
mod identifiers;
mod paid;
mod passes;
mod refused;
mod remote;
mod shop;
mod unknown;
mod upfront;
mod version_1;
