//! Reserving a sale: the road every implementation of [`Books`](crate::books::Books) shares.

use std::sync::Arc;

use tollway_protocol::{Reason, Refusal};

use crate::apply::Outcome;
use crate::books::{BooksError, Claim, Ledger, PostOutcome, Reserve};
use crate::exposure::{Admission, ExposureTable, Look, mismatch, other_asset};
use crate::id::CommitmentId;
use crate::read::Glance;
use crate::sale::Sale;

/// Reserves `sale` in `table`; `glance` reads the books, possibly more than once.
///
/// # Errors
///
/// What `glance` answers; nothing stays reserved then.
pub fn reserve(
    table: &Arc<ExposureTable>,
    ledger: &Ledger,
    sale: Sale,
    now: u64,
    mut glance: impl FnMut(&Sale) -> Result<Glance, BooksError>,
) -> Result<Reserve, BooksError> {
    loop {
        // The lock is taken twice, briefly; never while the books are read.
        let look = table.lock().look(&sale.id, &sale.fingerprint);
        let ticket = match look {
            Look::Go(ticket) => ticket,
            Look::InFlight => return Ok(Reserve::InFlight),
            Look::Refused(refusal) => return Ok(Reserve::Refused(refusal)),
        };
        let seen = match glance(&sale) {
            Ok(Glance::Unknown(seen)) if sale.asset == ledger.asset => *seen,
            other => {
                table.lock().abandon(ticket);
                return Ok(match other? {
                    Glance::Known(known) if known.fingerprint == sale.fingerprint => Reserve::Known(known),
                    Glance::Known(_) => Reserve::Refused(mismatch()),
                    Glance::Unknown(_) => Reserve::Refused(other_asset()),
                });
            }
        };
        let admission = table.lock().admit(ticket, &sale, seen, now);
        match admission {
            Admission::Reserved => return Ok(Reserve::Reserved(table.reservation(sale))),
            Admission::LookAgain => {}
            Admission::InFlight => return Ok(Reserve::InFlight),
            Admission::Refused(refusal) => return Ok(Reserve::Refused(refusal)),
        }
    }
}

/// What the outcome of a posting means to the one who posted.
///
/// # Errors
///
/// [`BooksError::Corrupt`] for an outcome that no posting has.
pub fn posted(outcome: Outcome) -> Result<PostOutcome, BooksError> {
    match outcome {
        Outcome::Posted(posting) => Ok(PostOutcome::Posted(posting)),
        Outcome::Known(known) => Ok(PostOutcome::Known(known)),
        Outcome::Refused(refusal) => Ok(PostOutcome::Refused(refusal)),
        other => Err(unexpected(&other)),
    }
}

/// What the outcome of a claim means to the one who claimed.
///
/// # Errors
///
/// [`BooksError::Refused`] if the claim was not made.
pub fn claimed(outcome: Outcome, id: CommitmentId) -> Result<Claim, BooksError> {
    match outcome {
        Outcome::Claimed(posting) => Ok(Claim::assertion(id, posting)),
        Outcome::Known(_) => {
            let detail = "the commitment was written meanwhile";
            Err(Refusal::new(Reason::ReplayPending, detail).into())
        }
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

/// A change that only has to be made.
///
/// # Errors
///
/// [`BooksError::Refused`] if it was not.
pub fn done(outcome: Outcome) -> Result<(), BooksError> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Refused(refusal) => Err(refusal.into()),
        // Only the voiding of a claim that was posted comes here.
        Outcome::Known(_) => {
            let detail = "the claim was posted before";
            Err(Refusal::new(Reason::ReplayMismatch, detail).into())
        }
        other => Err(unexpected(&other)),
    }
}

/// An outcome that the command cannot have.
#[must_use]
pub fn unexpected(outcome: &Outcome) -> BooksError {
    BooksError::Corrupt { detail: format!("the books answered another question: {outcome:?}") }
}
