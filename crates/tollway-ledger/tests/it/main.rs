//! The ledger's rules, one table each: outcomes in their order, faults of an export, sales in flight.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod audit;
mod audit_exact;
mod audit_passes;
mod exposure;
mod outcomes;
mod scene;
