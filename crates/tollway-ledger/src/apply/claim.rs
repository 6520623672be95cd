//! What becomes of a sale after it was written: claims posted or ended, answers noted.

use tollway_protocol::{Reason, Refusal};

use super::{EXPIRE_AT_ONCE, Outcome, append};
use crate::account::{Account, add, less};
use crate::body::{DeliveryBody, EndedBody, PostedBody, SaleBody, UndeliveredBody, payer_account, revenue_account};
use crate::books::BooksError;
use crate::id::CommitmentId;
use crate::journal::EntryKind;
use crate::read::{entry, parse, recorded};
use crate::records::{CommitmentRow, Index, Records, RecordsError};
use crate::sale::{Delivery, DeliveryNote, SaleState};

pub(super) fn post_claim(
    records: &mut dyn Records,
    id: &CommitmentId,
    delivery: &Delivery,
    now: u64,
) -> Result<Outcome, RecordsError> {
    let Some(mut row) = records.commitment(id)? else {
        return Ok(Outcome::Refused(not_found()));
    };
    match row.state {
        SaleState::Pending => {}
        SaleState::Posted | SaleState::Undelivered => {
            return Ok(Outcome::Known(Box::new(recorded(records, &row)?)));
        }
        SaleState::Voided | SaleState::Expired => {
            let detail = "the claim had ended before it was posted";
            return Ok(Outcome::Refused(Refusal::new(Reason::Expired, detail)));
        }
    }
    let mut account = account_of(records, &row)?;
    let rule = rule_of(records, &row)?;
    let index = Index::Line(&row.agent);
    let posting = append(records, EntryKind::SalePosted, index, now, |sequence| PostedBody {
        agent: row.agent.clone(),
        amount: row.amount,
        at: now,
        bytes: delivery.bytes,
        credit: revenue_account(&rule),
        debit: payer_account(&row.agent),
        digest: delivery.digest,
        id: row.id,
        kind: EntryKind::SalePosted,
        sequence,
        status: delivery.status,
        validator: delivery.validator.clone(),
    })?;
    account.pending = less(account.pending, row.amount);
    account.posted = add(account.posted, row.amount);
    account.touched = posting.sequence;
    records.put_account(&account)?;
    row.state = SaleState::Posted;
    row.posted = Some(posting.sequence);
    records.put_commitment(&row)?;
    Ok(Outcome::Posted(posting))
}

pub(super) fn void_claim(records: &mut dyn Records, id: &CommitmentId, now: u64) -> Result<Outcome, RecordsError> {
    match records.commitment(id)? {
        None => Ok(Outcome::Refused(not_found())),
        Some(row) => match row.state {
            SaleState::Pending => {
                end_claim(records, row, SaleState::Voided, now)?;
                Ok(Outcome::Done)
            }
            SaleState::Voided | SaleState::Expired => Ok(Outcome::Done),
            SaleState::Posted | SaleState::Undelivered => Ok(Outcome::Known(Box::new(recorded(records, &row)?))),
        },
    }
}

/// How long after its signature's end a claim may still be answered for: longer than any handler runs.
const CLAIM_GRACE_SECONDS: u64 = 600;

pub(super) fn expire_claims(records: &mut dyn Records, now: u64) -> Result<Outcome, RecordsError> {
    let ended = records.ended_claims(now.saturating_sub(CLAIM_GRACE_SECONDS), EXPIRE_AT_ONCE)?;
    let mut count = 0;
    for row in ended {
        end_claim(records, row, SaleState::Expired, now)?;
        count += 1;
    }
    Ok(Outcome::Expired(count))
}

fn end_claim(
    records: &mut dyn Records,
    mut row: CommitmentRow,
    state: SaleState,
    now: u64,
) -> Result<(), RecordsError> {
    let mut account = account_of(records, &row)?;
    let kind = match state {
        SaleState::Voided => EntryKind::Void,
        _ => EntryKind::Expire,
    };
    let posting = append(records, kind, Index::Place, now, |sequence| EndedBody {
        agent: row.agent.clone(),
        amount: row.amount,
        at: now,
        id: row.id,
        kind,
        sequence,
    })?;
    account.pending = less(account.pending, row.amount);
    account.unspend(row.amount, row.at);
    account.touched = posting.sequence;
    records.put_account(&account)?;
    row.state = state;
    records.put_commitment(&row)
}

pub(super) fn write_note(
    records: &mut dyn Records,
    id: &CommitmentId,
    note: DeliveryNote,
    now: u64,
) -> Result<Outcome, RecordsError> {
    let Some(mut row) = records.commitment(id)? else {
        return Ok(Outcome::Refused(not_found()));
    };
    match row.state {
        SaleState::Posted | SaleState::Undelivered if row.noted => return Ok(Outcome::Done),
        SaleState::Posted => {}
        _ => return Ok(Outcome::Refused(not_found())),
    }
    if note.complete {
        append(records, EntryKind::Delivery, Index::Place, now, |sequence| DeliveryBody {
            agent: row.agent.clone(),
            at: now,
            bytes: note.bytes,
            digest: note.digest,
            id: row.id,
            kind: EntryKind::Delivery,
            sequence,
        })?;
    } else {
        take_back(records, &row, note, now)?;
        row.state = SaleState::Undelivered;
    }
    row.noted = true;
    records.put_commitment(&row)?;
    Ok(Outcome::Done)
}

fn take_back(records: &mut dyn Records, row: &CommitmentRow, note: DeliveryNote, now: u64) -> Result<(), RecordsError> {
    let mut account = account_of(records, row)?;
    let rule = rule_of(records, row)?;
    let index = Index::Line(&row.agent);
    let posting = append(records, EntryKind::Undelivered, index, now, |sequence| UndeliveredBody {
        agent: row.agent.clone(),
        amount: row.amount,
        at: now,
        bytes: note.bytes,
        credit: payer_account(&row.agent),
        debit: revenue_account(&rule),
        digest: note.digest,
        id: row.id,
        kind: EntryKind::Undelivered,
        rule: rule.clone(),
        sequence,
    })?;
    account.undelivered = add(account.undelivered, row.amount);
    account.unspend(row.amount, row.at);
    account.touched = posting.sequence;
    records.put_account(&account)
}

fn account_of(records: &mut dyn Records, row: &CommitmentRow) -> Result<Account, RecordsError> {
    let account = records.account(&row.agent)?;
    account.ok_or_else(|| BooksError::Corrupt {
        detail: format!("commitment {} belongs to an agent without a row", row.id),
    })
}

fn rule_of(records: &mut dyn Records, row: &CommitmentRow) -> Result<String, RecordsError> {
    let entry = entry(records, row.first)?;
    Ok(parse::<SaleBody<'static>>(&entry)?.rule.into_owned())
}

fn not_found() -> Refusal {
    Refusal::new(Reason::NotFound, "the books hold no such charge")
}
