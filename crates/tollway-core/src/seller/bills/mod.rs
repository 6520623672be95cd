//! Bills that are paid at once: each statement has a URL that only its agent is told, and an exact
//! payment of its sum pays it. One payment at a time is let near a bill, and the books say so before
//! any money moves.

mod attempt;
mod bill;
mod pay_off;
mod token;

pub use bill::{Bill, BillWays};
pub use pay_off::PaidOff;
pub use token::{BILLS_PATH, bill_token};

pub(super) use attempt::{Attempt, under_way};

/// The rule under which payments of bills stand in the books.
pub const BILLS: &str = "bills";
