//! Sales that are paid at once: from a payment to the right to be served, and from an answer in hand
//! to a settlement. A payment has three answers: paid, not paid, not known; what is not known keeps
//! its claim and is resolved by asking, never by a fresh demand.

mod admit;
mod receipt;
mod resolve;
mod settle;

pub use admit::{ExactAdmission, ExactKnown, ExactPurchase};
pub use receipt::ExactReceipt;
pub use resolve::Resolved;
pub use settle::{ExactVerified, Paid, Settling};

use std::sync::Arc;

use tollway_ledger::{BooksError, ExactBooks};
use tollway_protocol::{Reason, Refusal};

use super::Seller;
use super::bills::BillWays;
use crate::facilitator::Facilitator;
use crate::scheme::exact::ExactScheme;

/// What a seller needs besides to be paid at once. Cheap to clone.
#[derive(Clone)]
pub struct ExactParts {
    /// The same books, as exact payments need them.
    pub books: Arc<dyn ExactBooks>,
    /// Reads payloads.
    pub scheme: Arc<dyn ExactScheme>,
    /// Verifies and settles.
    pub facilitator: Arc<dyn Facilitator>,
    /// How bills are paid, where they are.
    pub bills: Option<BillWays>,
}

impl Seller {
    /// The parts of exact payments, where this seller takes them.
    pub fn exact(&self) -> Option<&ExactParts> {
        self.shared.exact.as_ref()
    }

    pub(super) fn exact_parts(&self) -> Result<&ExactParts, Refusal> {
        self.exact().ok_or_else(|| Refusal::new(Reason::UnsupportedScheme, "`exact` is not taken here"))
    }
}

/// The books gave no answer, or their answer is no.
pub(in crate::seller) fn from_books(error: BooksError) -> Refusal {
    match error {
        BooksError::Refused(refusal) => refusal,
        other => super::unavailable(&other),
    }
}
