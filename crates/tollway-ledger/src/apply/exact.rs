//! The life of an exact payment: claimed, handed over, and ended once.

use std::borrow::Cow;

use tollway_protocol::{Reason, Refusal};

use super::{Outcome, append};
use crate::body::exact::{ExactClaimBody, ExactSettledBody, ExactStepBody, RefundOwedBody};
use crate::exact::{
    ExactOutcome, ExactSale, ExactState, IDENTIFIER_MAX_BYTES, NAME_MAX_BYTES, PAYMENT_MAX_BYTES, REASON_MAX_BYTES,
    TEXT_MAX_BYTES,
};
use crate::id::{PaymentId, Sequence};
use crate::journal::EntryKind;
use crate::read::exact::{exact_record, posting};
use crate::read::{entry, parse};
use crate::records::{Index, PaymentRow, Records, RecordsError};
use crate::sale::Posting;

pub(super) fn claim(records: &mut dyn Records, sale: &ExactSale, now: u64) -> Result<Outcome, RecordsError> {
    if let Some(row) = records.payment(&sale.id)? {
        return if row.fingerprint == sale.fingerprint {
            Ok(Outcome::ExactKnown(Box::new(exact_record(records, row)?)))
        } else {
            let detail = "the payment was made for another request";
            Ok(Outcome::Refused(Refusal::new(Reason::ReplayMismatch, detail)))
        };
    }
    if let Err(refusal) = check_sizes(sale) {
        return Ok(Outcome::Refused(refusal));
    }
    if let Some(identifier) = &sale.identifier
        && records.payment_by_identifier(identifier)?.is_some()
    {
        let detail = "another payment carries this identifier";
        return Ok(Outcome::Refused(Refusal::new(Reason::IdentifierConflict, detail)));
    }
    let body = |sequence| ExactClaimBody::of(sale, now, sequence);
    let posting = append(records, EntryKind::ExactClaim, Index::Place, now, body)?;
    records.put_payment(&PaymentRow {
        id: sale.id,
        fingerprint: sale.fingerprint,
        identifier: sale.identifier.clone(),
        state: ExactState::Claimed,
        transaction: None,
        first: posting.sequence,
        last: posting.sequence,
        settled: None,
    })?;
    Ok(Outcome::Written(posting))
}

pub(super) fn go_on(
    records: &mut dyn Records,
    id: &PaymentId,
    outcome: &ExactOutcome,
    now: u64,
) -> Result<Outcome, RecordsError> {
    let Some(mut row) = records.payment(id)? else {
        let detail = "the books hold no such payment";
        return Ok(Outcome::Refused(Refusal::new(Reason::NotFound, detail)));
    };
    if !transaction_of(outcome).is_none_or(|text| (1..=NAME_MAX_BYTES).contains(&text.len())) {
        return Ok(Outcome::Refused(too_long("the transaction")));
    }
    match step(&row, outcome) {
        Step::Stands(place) => Ok(Outcome::Stood(posting(&entry(records, place)?))),
        Step::Never => {
            let detail = "no payment takes this step from its present state";
            Ok(Outcome::Refused(Refusal::new(Reason::InvalidTransactionState, detail)))
        }
        Step::To(state) => {
            let posting = write(records, &row, outcome, now)?;
            row.last = posting.sequence;
            row.state = state;
            if state == ExactState::Settled {
                row.settled = Some(posting.sequence);
            }
            if let Some(transaction) = transaction_of(outcome) {
                row.transaction = Some(transaction.to_owned());
            }
            records.put_payment(&row)?;
            Ok(Outcome::Written(posting))
        }
    }
}

/// What an outcome does to a payment.
enum Step {
    /// It was recorded before, at this place.
    Stands(Sequence),
    /// It leads to this state.
    To(ExactState),
    /// It cannot be.
    Never,
}

fn step(row: &PaymentRow, outcome: &ExactOutcome) -> Step {
    use ExactOutcome as O;
    use ExactState as S;
    match (row.state, outcome) {
        (S::Unknown, O::Unknown { transaction }) if transaction.is_none() || *transaction == row.transaction => {
            Step::Stands(row.last)
        }
        (S::Claimed | S::Unknown, O::Unknown { .. }) => Step::To(S::Unknown),
        (S::Claimed | S::Unknown, O::Settled { .. }) => Step::To(S::Settled),
        (S::Claimed | S::Unknown, O::Failed { .. }) => Step::To(S::Failed),
        (S::Claimed, O::Released) => Step::To(S::Released),
        (S::Settled, O::RefundOwed { .. }) => Step::To(S::RefundOwed),
        (S::Failed, O::Failed { .. }) | (S::Released, O::Released) | (S::RefundOwed, O::RefundOwed { .. }) => {
            Step::Stands(row.last)
        }
        // Paid by one transfer, once: another one is another story.
        (S::Settled | S::RefundOwed, O::Settled { transaction, .. })
            if row.transaction.as_ref() == Some(transaction) =>
        {
            row.settled.map_or(Step::Never, Step::Stands)
        }
        _ => Step::Never,
    }
}

fn write(
    records: &mut dyn Records,
    row: &PaymentRow,
    outcome: &ExactOutcome,
    now: u64,
) -> Result<Posting, RecordsError> {
    match outcome {
        ExactOutcome::Unknown { .. } => write_step(records, row, EntryKind::ExactUnknown, outcome, now),
        ExactOutcome::Failed { .. } => write_step(records, row, EntryKind::ExactFailed, outcome, now),
        ExactOutcome::Released => write_step(records, row, EntryKind::ExactReleased, outcome, now),
        ExactOutcome::Settled { transaction, delivery } => {
            let claim: ExactClaimBody<'static> = parse(&entry(records, row.first)?)?;
            append(records, EntryKind::ExactSettled, Index::Place, now, |sequence| {
                ExactSettledBody::of(&claim, transaction, delivery, (now, sequence))
            })
        }
        ExactOutcome::RefundOwed { reason } => {
            let claim: ExactClaimBody<'static> = parse(&entry(records, row.first)?)?;
            append(records, EntryKind::RefundOwed, Index::Place, now, |sequence| {
                RefundOwedBody::of(&claim, clipped(reason), (now, sequence))
            })
        }
    }
}

/// A step that moves nothing.
fn write_step(
    records: &mut dyn Records,
    row: &PaymentRow,
    kind: EntryKind,
    outcome: &ExactOutcome,
    now: u64,
) -> Result<Posting, RecordsError> {
    let reason = match outcome {
        ExactOutcome::Failed { reason, .. } => Some(clipped(reason)),
        _ => None,
    };
    append(records, kind, Index::Place, now, |sequence| ExactStepBody {
        at: now,
        id: row.id,
        kind,
        reason: reason.map(Cow::Borrowed),
        sequence,
        transaction: transaction_of(outcome).map(Cow::Borrowed),
    })
}

fn transaction_of(outcome: &ExactOutcome) -> Option<&str> {
    match outcome {
        ExactOutcome::Unknown { transaction } | ExactOutcome::Failed { transaction, .. } => transaction.as_deref(),
        ExactOutcome::Settled { transaction, .. } => Some(transaction),
        ExactOutcome::Released | ExactOutcome::RefundOwed { .. } => None,
    }
}

/// Nothing makes a line longer than an export is read.
fn check_sizes(sale: &ExactSale) -> Result<(), Refusal> {
    if sale.payment.len() > PAYMENT_MAX_BYTES {
        let detail = format!("a payment is at most {PAYMENT_MAX_BYTES} bytes");
        return Err(Refusal::new(Reason::PaymentTooLarge, detail));
    }
    let identifier = sale.identifier.as_deref();
    for (text, most, what) in [
        (Some(sale.payer.as_str()), NAME_MAX_BYTES, "the payer"),
        (Some(&sale.pay_to), NAME_MAX_BYTES, "payTo"),
        (Some(&sale.rule), NAME_MAX_BYTES, "the rule"),
        (Some(&sale.method), NAME_MAX_BYTES, "the method"),
        (Some(&sale.url), TEXT_MAX_BYTES, "the URL"),
        (sale.offer.as_deref(), NAME_MAX_BYTES, "the offer"),
        (identifier, IDENTIFIER_MAX_BYTES, "the identifier"),
    ] {
        if text.is_some_and(|text| text.is_empty() || text.len() > most) {
            return Err(too_long(what));
        }
    }
    Ok(())
}

fn too_long(what: &str) -> Refusal {
    Refusal::new(Reason::MalformedPayment, format!("{what} is empty or longer than the books keep"))
}

/// The beginning of a reason: it is someone else's text.
fn clipped(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_MAX_BYTES)]
}
