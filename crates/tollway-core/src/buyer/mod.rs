//! The buyer's engine: choose an offer, hold the money, write it down, and only then sign.
//! [`Approved`] is the one thing that may be signed, and only [`Buyer::approve`] makes it.

mod approved;
mod audit;
mod budget;
pub mod exact;
mod shelf;

pub use approved::{Approved, Buyer};
pub use audit::{AuditLine, Journal};
pub use budget::{Budget, BudgetView, Held};
pub use shelf::Shelf;
