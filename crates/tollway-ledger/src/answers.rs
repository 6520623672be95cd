//! What outcomes of [`apply`](crate::apply::apply) mean to those who asked about exact payments and passes:
//! shared by every implementation of [`ExactBooks`](crate::exact::ExactBooks) and [`PassBooks`](crate::pass::PassBooks).

use crate::apply::Outcome;
use crate::books::BooksError;
use crate::exact::{BillOutcome, ExactClaim};
use crate::pass::{PassRecord, PassTaken};
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

/// The pass as it is now.
///
/// # Errors
///
/// [`BooksError::Refused`] if it was not opened, or there is none.
pub fn pass_answered(outcome: Outcome) -> Result<PassRecord, BooksError> {
    match outcome {
        Outcome::Pass(record) => Ok(*record),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// The request that was taken.
///
/// # Errors
///
/// [`BooksError::Refused`] if none was.
pub fn pass_taken(outcome: Outcome) -> Result<PassTaken, BooksError> {
    match outcome {
        Outcome::PassTaken(taken) => Ok(*taken),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}
