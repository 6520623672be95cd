//! The life of a pass: opened by a payment, used request by request, over by time, count or word.

use tollway_protocol::{Reason, Refusal};

use super::{Outcome, append};
use crate::body::pass::{PassOpenedBody, PassReturnedBody, PassRevokedBody, PassUsedBody};
use crate::exact::{NAME_MAX_BYTES, TEXT_MAX_BYTES};
use crate::exposure::{full, replayed};
use crate::id::{PassId, Sequence};
use crate::journal::EntryKind;
use crate::nonce::{nonce_bucket, nonce_key};
use crate::pass::{Pass, PassNonce, PassRecord, PassTaken, PassUse, REQUESTS_MAX};
use crate::records::{Index, Records, RecordsError};

pub(super) fn open(records: &mut dyn Records, pass: &Pass, now: u64) -> Result<Outcome, RecordsError> {
    if let Some(known) = records.pass(&pass.id)? {
        // The end is counted from the first opening; who asks again asks a moment later.
        let same = Pass { ends: known.pass.ends, ..pass.clone() } == known.pass;
        return Ok(if same { Outcome::Pass(Box::new(known)) } else { Outcome::Refused(another()) });
    }
    if let Err(refusal) = check_bounds(pass) {
        return Ok(Outcome::Refused(refusal));
    }
    let opened = |sequence| PassOpenedBody::of(pass, now, sequence);
    let posting = append(records, EntryKind::PassOpened, Index::Place, now, opened)?;
    let first = posting.sequence;
    let record = PassRecord { pass: pass.clone(), used: 1, revoked: false, opened_at: now, first };
    records.put_pass(&record)?;
    Ok(Outcome::Pass(Box::new(record)))
}

pub(super) fn take(records: &mut dyn Records, id: &PassId, used: &PassUse, now: u64) -> Result<Outcome, RecordsError> {
    let Some(mut record) = records.pass(id)? else { return Ok(Outcome::Refused(unknown())) };
    if let Some(refusal) = ended(&record, now) {
        return Ok(Outcome::Refused(refusal));
    }
    if used.url.len() > TEXT_MAX_BYTES || used.method.len() > NAME_MAX_BYTES {
        let detail = "the request's line is longer than the books keep";
        return Ok(Outcome::Refused(Refusal::new(Reason::PaymentTooLarge, detail)));
    }
    if let Some(nonce) = &used.nonce
        && let Err(refusal) = take_nonce(records, nonce, now)?
    {
        return Ok(Outcome::Refused(refusal));
    }
    record.used += 1;
    let number = record.used;
    let posting = append(records, EntryKind::PassUsed, Index::Place, now, |sequence| {
        PassUsedBody::of(id, used, number, (now, sequence))
    })?;
    records.put_pass(&record)?;
    Ok(Outcome::PassTaken(Box::new(PassTaken { record, posting })))
}

pub(super) fn give_back(
    records: &mut dyn Records,
    id: &PassId,
    taken: Sequence,
    now: u64,
) -> Result<Outcome, RecordsError> {
    let Some(mut record) = records.pass(id)? else { return Ok(Outcome::Refused(unknown())) };
    append(records, EntryKind::PassReturned, Index::Place, now, |sequence| PassReturnedBody {
        at: now,
        id: *id,
        kind: EntryKind::PassReturned,
        sequence,
        taken,
    })?;
    record.used = record.used.saturating_sub(1);
    records.put_pass(&record)?;
    Ok(Outcome::Done)
}

pub(super) fn revoke(records: &mut dyn Records, id: &PassId, now: u64) -> Result<Outcome, RecordsError> {
    let Some(mut record) = records.pass(id)? else { return Ok(Outcome::Refused(unknown())) };
    if !record.revoked {
        append(records, EntryKind::PassRevoked, Index::Place, now, |sequence| PassRevokedBody {
            at: now,
            id: *id,
            kind: EntryKind::PassRevoked,
            sequence,
        })?;
        record.revoked = true;
        records.put_pass(&record)?;
    }
    Ok(Outcome::Pass(Box::new(record)))
}

fn take_nonce(records: &mut dyn Records, nonce: &PassNonce, now: u64) -> Result<Result<(), Refusal>, RecordsError> {
    let key = nonce_key(&nonce.thumbprint, &nonce.nonce);
    if records.nonce_used(&key, now)? {
        return Ok(Err(replayed()));
    }
    records.drop_nonces(now)?;
    if records.nonces(now)? >= records.nonce_capacity() {
        return Ok(Err(full()));
    }
    records.put_nonce(&key, nonce_bucket(nonce.expires))?;
    Ok(Ok(()))
}

fn check_bounds(pass: &Pass) -> Result<(), Refusal> {
    let named = |text: &str| (1..=NAME_MAX_BYTES).contains(&text.len());
    if named(&pass.payer) && named(&pass.rule) && (1..=REQUESTS_MAX).contains(&pass.requests) {
        return Ok(());
    }
    let detail = "a pass has a payer and a rule of at most 256 bytes and at most a million requests";
    Err(Refusal::new(Reason::MalformedPayment, detail))
}

fn ended(record: &PassRecord, now: u64) -> Option<Refusal> {
    let detail = if record.revoked {
        "the seller has revoked this pass"
    } else if now >= record.pass.ends {
        "the time of this pass is over"
    } else if record.left() == 0 {
        "every request of this pass is taken"
    } else {
        return None;
    };
    Some(Refusal::new(Reason::PassEnded, detail))
}

fn unknown() -> Refusal {
    Refusal::new(Reason::PassUnknown, "the books hold no such pass")
}

fn another() -> Refusal {
    Refusal::new(Reason::ReplayMismatch, "this payment has opened another pass")
}
