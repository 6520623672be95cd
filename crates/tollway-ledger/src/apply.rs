//! The money logic: one pure function from (records, command, now) to an outcome.
//!
//! A command is checked to its end before its first write, so a refused command leaves no trace and
//! can share a transaction with others. Checks run in the order of the refusals listed at
//! [`Books::reserve`](crate::books::Books::reserve).

use serde::Serialize;
use tollway_protocol::{Amount, Refusal};

use crate::account::{Account, AgentTerms, add};
use crate::body::{FORMAT, GenesisBody, SaleBody};
use crate::books::CloseOutcome;
use crate::canonical::to_canonical;
use crate::closing::{SignedClose, write_close};
use crate::document::DocumentKind;
use crate::exact::{BillPayment, ExactOutcome, ExactRecord, ExactSale};
use crate::exposure::{full, mismatch, other_asset, replayed, unknown_agent};
use crate::id::{AgentId, CommitmentId, Hash, PassId, PaymentId, Sequence};
use crate::journal::{Entry, EntryKind};
use crate::nonce::{nonce_bucket, nonce_key};
use crate::pass::{Pass, PassRecord, PassTaken, PassUse};
use crate::read::recorded;
use crate::records::{CommitmentRow, Index, Records, RecordsError};
use crate::sale::{Delivery, DeliveryNote, Posting, Recorded, Sale, SaleState};

mod bill;
mod claim;
mod exact;
mod pass;
mod terms;

use claim::{expire_claims, post_claim, void_claim, write_note};
use terms::{block_agent, put_agent, put_document};

/// Most claims that one [`Command::ExpireClaims`] ends.
pub const EXPIRE_AT_ONCE: usize = 1_000;

/// A change of the books.
#[derive(Debug, Clone, Copy)]
pub enum Command<'a> {
    /// Charge a sale.
    Post(&'a Sale, &'a Delivery),
    /// Make a sale a pending transfer.
    Claim(&'a Sale),
    /// Charge a pending transfer.
    PostClaim(&'a CommitmentId, &'a Delivery),
    /// Give a pending transfer up.
    VoidClaim(&'a CommitmentId),
    /// Record how an answer ended.
    Note(&'a CommitmentId, DeliveryNote),
    /// End pending transfers whose window has passed, at most [`EXPIRE_AT_ONCE`].
    ExpireClaims,
    /// Open an account or change its terms.
    PutAgent(&'a AgentTerms),
    /// Block or unblock an agent.
    BlockAgent(&'a AgentId, bool),
    /// Keep a document.
    PutDocument(DocumentKind, &'a str, &'a [u8]),
    /// Close a period as planned and signed.
    Close(&'a SignedClose),
    /// Claim an exact payment for a request.
    ExactClaim(&'a ExactSale),
    /// Record how an exact payment went on.
    ExactOutcome(&'a PaymentId, &'a ExactOutcome),
    /// Record that a statement was paid.
    PayBill(&'a BillPayment),
    /// Open a pass.
    OpenPass(&'a Pass),
    /// Take a request from a pass.
    UsePass(&'a PassId, &'a PassUse),
    /// Give the request back whose entry stands at this place.
    ReturnPass(&'a PassId, Sequence),
    /// End a pass.
    RevokePass(&'a PassId),
}

/// What a command came to, from the earliest answer to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The books knew the commitment for this request; nothing changed.
    Known(Box<Recorded>),
    /// No; nothing changed.
    Refused(Refusal),
    /// The books have moved on since the plan was made: plan again. Nothing changed.
    Stale,
    /// Pending.
    Claimed(Posting),
    /// Charged.
    Posted(Posting),
    /// The change was made, or had been made before.
    Done,
    /// This many claims ended.
    Expired(u64),
    /// The document stands under this hash.
    Kept(Hash),
    /// The period is closed.
    Closed(Box<CloseOutcome>),
    /// The books knew the exact payment for this request; nothing changed.
    ExactKnown(Box<ExactRecord>),
    /// This entry stands in the books now.
    Written(Posting),
    /// This entry had said the same before; nothing changed.
    Stood(Posting),
    /// The pass as it is now.
    Pass(Box<PassRecord>),
    /// A request was taken from a pass.
    PassTaken(Box<PassTaken>),
}

/// Carries out a command at the Unix second `now`.
///
/// # Errors
///
/// Only what storage answers; give the transaction up then. A refusal is an outcome, not an error.
pub fn apply(records: &mut dyn Records, command: Command<'_>, now: u64) -> Result<Outcome, RecordsError> {
    match command {
        Command::Post(sale, delivery) => write_sale(records, sale, Some(delivery), now),
        Command::Claim(sale) => write_sale(records, sale, None, now),
        Command::PostClaim(id, delivery) => post_claim(records, id, delivery, now),
        Command::VoidClaim(id) => void_claim(records, id, now),
        Command::Note(id, note) => write_note(records, id, note, now),
        Command::ExpireClaims => expire_claims(records, now),
        Command::PutAgent(terms) => put_agent(records, terms, now),
        Command::BlockAgent(agent, blocked) => block_agent(records, agent, blocked, now),
        Command::PutDocument(kind, id, body) => put_document(records, kind, id, body, now),
        Command::Close(close) => write_close(records, close, now),
        Command::ExactClaim(sale) => exact::claim(records, sale, now),
        Command::ExactOutcome(id, outcome) => exact::go_on(records, id, outcome, now),
        Command::PayBill(payment) => bill::pay(records, payment, now),
        Command::OpenPass(pass) => pass::open(records, pass, now),
        Command::UsePass(id, used) => pass::take(records, id, used, now),
        Command::ReturnPass(id, taken) => pass::give_back(records, id, taken, now),
        Command::RevokePass(id) => pass::revoke(records, id, now),
    }
}

fn write_sale(
    records: &mut dyn Records,
    sale: &Sale,
    delivery: Option<&Delivery>,
    now: u64,
) -> Result<Outcome, RecordsError> {
    if let Some(row) = records.commitment(&sale.id)? {
        return if row.fingerprint == sale.fingerprint {
            Ok(Outcome::Known(Box::new(recorded(records, &row)?)))
        } else {
            Ok(Outcome::Refused(mismatch()))
        };
    }
    let nonce = sale.nonce.as_deref().map(|nonce| nonce_key(&sale.thumbprint, nonce));
    let mut account = match check_sale(records, sale, nonce.as_ref(), now)? {
        Ok(account) => account,
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    let kind = if delivery.is_some() { EntryKind::Sale } else { EntryKind::Claim };
    let index = match kind {
        EntryKind::Sale => Index::Line(&sale.agent),
        _ => Index::Place,
    };
    let posting = append(records, kind, index, now, |sequence| SaleBody::of(sale, delivery, now, sequence))?;
    if let Some(nonce) = &nonce {
        records.put_nonce(nonce, nonce_bucket(sale.expires))?;
    }
    let posted = delivery.is_some();
    records.put_commitment(&CommitmentRow {
        id: sale.id,
        fingerprint: sale.fingerprint,
        state: if posted { SaleState::Posted } else { SaleState::Pending },
        agent: sale.agent.clone(),
        amount: sale.amount,
        expires: sale.expires,
        first: posting.sequence,
        posted: posted.then_some(posting.sequence),
        at: now,
        noted: false,
    })?;
    account.spend(sale.amount, now);
    account.touched = posting.sequence;
    let total = if posted { &mut account.posted } else { &mut account.pending };
    *total = add(*total, sale.amount);
    records.put_account(&account)?;
    Ok(if posted { Outcome::Posted(posting) } else { Outcome::Claimed(posting) })
}

/// Everything that can speak against a sale the books do not know, in order.
fn check_sale(
    records: &mut dyn Records,
    sale: &Sale,
    nonce: Option<&Hash>,
    now: u64,
) -> Result<Result<Account, Refusal>, RecordsError> {
    if sale.asset != records.ledger().asset {
        return Ok(Err(other_asset()));
    }
    if let Some(nonce) = nonce
        && records.nonce_used(nonce, now)?
    {
        return Ok(Err(replayed()));
    }
    let Some(account) = records.account(&sale.agent)? else {
        return Ok(Err(unknown_agent()));
    };
    if let Err(refusal) = account.admit(sale.amount, Amount::ZERO, now) {
        return Ok(Err(refusal));
    }
    if nonce.is_some() {
        records.drop_nonces(now)?;
        if records.nonces(now)? >= records.nonce_capacity() {
            return Ok(Err(full()));
        }
    }
    Ok(Ok(account))
}

/// Chains the next entry. The first entry of a journal says whose it is.
pub(crate) fn append<B: Serialize>(
    records: &mut dyn Records,
    kind: EntryKind,
    index: Index<'_>,
    at: u64,
    body: impl FnOnce(Sequence) -> B,
) -> Result<Posting, RecordsError> {
    let (mut last, mut prev) = records.head()?;
    if last == Sequence::ZERO {
        let ledger = records.ledger().clone();
        let genesis = GenesisBody {
            asset: ledger.asset,
            at,
            format: FORMAT.to_owned(),
            kind: EntryKind::Genesis,
            scale: ledger.scale.get(),
            seller: ledger.seller,
            sequence: last.next(),
        };
        let genesis = chain(prev, last.next(), at, EntryKind::Genesis, to_canonical(&genesis));
        records.append(&genesis, Index::Place)?;
        (last, prev) = (genesis.sequence, genesis.hash);
    }
    let entry = chain(prev, last.next(), at, kind, to_canonical(&body(last.next())));
    records.append(&entry, index)?;
    Ok(Posting { sequence: entry.sequence, head: entry.hash, posted_at: at })
}

fn chain(prev: Hash, sequence: Sequence, at: u64, kind: EntryKind, body: String) -> Entry {
    let hash = prev.chain(body.as_bytes());
    Entry { sequence, at, kind, body, prev, hash }
}
