//! The payer against sellers that are honest, slow, broken or lying.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod budgets;
mod exact;
mod forged;
mod lost;
mod market;
mod offers;
mod orders;
