//! Reading exact payments and paid statements back.

use super::{entry, parse};
use crate::body::exact::{ExactClaimBody, ExactSettledBody, ExactStepBody, RefundOwedBody};
use crate::books::BooksError;
use crate::exact::{BillPayment, ExactRecord};
use crate::id::{AgentId, PaymentId, Sequence};
use crate::journal::{Entry, EntryKind};
use crate::period::Period;
use crate::records::{PaymentRow, Records, RecordsError};
use crate::sale::{Delivery, Posting};
use crate::statement::StatementFilter;

/// What the books know of a payment.
///
/// # Errors
///
/// What storage answers.
pub fn exact_lookup(records: &mut dyn Records, id: &PaymentId) -> Result<Option<ExactRecord>, RecordsError> {
    let row = records.payment(id)?;
    row.map(|row| exact_record(records, row)).transpose()
}

/// What the books know under a client's own identifier.
///
/// # Errors
///
/// What storage answers.
pub fn exact_by_identifier(records: &mut dyn Records, identifier: &str) -> Result<Option<ExactRecord>, RecordsError> {
    let row = records.payment_by_identifier(identifier)?;
    row.map(|row| exact_record(records, row)).transpose()
}

/// Payments without a final state, oldest first, at most `limit`.
///
/// # Errors
///
/// What storage answers.
pub fn exact_open(records: &mut dyn Records, limit: usize) -> Result<Vec<ExactRecord>, RecordsError> {
    let rows = records.open_payments(limit)?;
    rows.into_iter().map(|row| exact_record(records, row)).collect()
}

/// Payments claimed after a place, at most `limit`.
///
/// # Errors
///
/// What storage answers.
pub fn exact_list(records: &mut dyn Records, after: Sequence, limit: usize) -> Result<Vec<ExactRecord>, RecordsError> {
    let rows = records.payments(after, limit)?;
    rows.into_iter().map(|row| exact_record(records, row)).collect()
}

/// The payment of a statement, if it was paid.
///
/// # Errors
///
/// What storage answers.
pub fn bill_payment(
    records: &mut dyn Records,
    agent: &AgentId,
    period: &Period,
) -> Result<Option<BillPayment>, RecordsError> {
    let filter = StatementFilter { agent: Some(agent.clone()), period: Some(*period) };
    Ok(records.statements(&filter)?.into_iter().next().and_then(|statement| statement.paid))
}

/// Everything that the entries of a payment say of it.
pub(crate) fn exact_record(records: &mut dyn Records, row: PaymentRow) -> Result<ExactRecord, RecordsError> {
    let first = entry(records, row.first)?;
    let sale = parse::<ExactClaimBody<'static>>(&first)?.into_sale().ok_or_else(|| damaged(&first))?;
    let last = if row.last == row.first { first.clone() } else { entry(records, row.last)? };
    let reason = match last.kind {
        EntryKind::ExactFailed => parse::<ExactStepBody<'static>>(&last)?.reason,
        EntryKind::RefundOwed => Some(parse::<RefundOwedBody<'static>>(&last)?.reason),
        _ => None,
    };
    let delivery = match row.settled {
        Some(settled) => parse::<ExactSettledBody<'static>>(&entry(records, settled)?)?.into_delivery(),
        None => Delivery::default(),
    };
    Ok(ExactRecord {
        sale,
        state: row.state,
        transaction: row.transaction,
        reason: reason.map(std::borrow::Cow::into_owned),
        delivery,
        claimed_at: first.at,
        claim: posting(&first),
        posting: posting(&last),
    })
}

/// What a receipt names of an entry.
pub(crate) fn posting(entry: &Entry) -> Posting {
    Posting { sequence: entry.sequence, head: entry.hash, posted_at: entry.at }
}

fn damaged(entry: &Entry) -> BooksError {
    BooksError::Corrupt { detail: format!("entry {} has no such scale", entry.sequence) }
}
