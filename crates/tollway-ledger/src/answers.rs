//! What outcomes of [`apply`](crate::apply::apply) mean to those who asked about exact payments:
//! shared by every implementation of [`ExactBooks`](crate::exact::ExactBooks).

use crate::apply::Outcome;
use crate::books::BooksError;
use crate::exact::{BillOutcome, ExactClaim};
use crate::reserving::unexpected;
use crate::sale::Posting;

/// The answer to a claim.
///
/// # Errors
///
/// [`BooksError::Corrupt`] for an outcome that no claim has.
pub fn exact_claimed(outcome: Outcome) -> Result<ExactClaim, BooksError> {
    match outcome {
        Outcome::Written(posting) => Ok(ExactClaim::Claimed(posting)),
        Outcome::ExactKnown(known) => Ok(ExactClaim::Known(known)),
        Outcome::Refused(refusal) => Ok(ExactClaim::Refused(refusal)),
        other => Err(unexpected(&other)),
    }
}

/// The entry of a payment's outcome.
///
/// # Errors
///
/// [`BooksError::Refused`] if the payment cannot go on so.
pub fn exact_went_on(outcome: Outcome) -> Result<Posting, BooksError> {
    match outcome {
        Outcome::Written(posting) | Outcome::Stood(posting) => Ok(posting),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// The answer to a payment of a statement.
///
/// # Errors
///
/// [`BooksError::Corrupt`] for an outcome that no such payment has.
pub fn bill_answered(outcome: Outcome) -> Result<BillOutcome, BooksError> {
    match outcome {
        Outcome::Written(posting) => Ok(BillOutcome::Paid(posting)),
        Outcome::Stood(posting) => Ok(BillOutcome::Known(posting)),
        Outcome::Refused(refusal) => Ok(BillOutcome::Refused(refusal)),
        other => Err(unexpected(&other)),
    }
}
