//! The money logic: one pure function from (records, command, now) to an outcome.
//!
//! A command is checked to its end before its first write, so a refused command leaves no trace and
//! can share a transaction with others. Checks run in the order of the refusals listed at
//! [`Books::reserve`](crate::books::Books::reserve).

use serde::Serialize;
use tollway_protocol::{Reason, Refusal};

use crate::account::{Account, AgentTerms, add, less};
use crate::body::{
    AgentBody, BlockBody, DeliveryBody, DocumentBody, EndedBody, FORMAT, GenesisBody, PostedBody,
    SaleBody, UndeliveredBody, payer_account, revenue_account,
};
use crate::books::{BooksError, CloseOutcome};
use crate::canonical::to_canonical;
use crate::closing::{SignedClose, write_close};
use crate::document::{DOCUMENT_MAX_BYTES, Document, DocumentKind};
use crate::exposure::{full, mismatch, other_asset, replayed, unknown_agent};
use crate::id::{AgentId, CommitmentId, Hash, Sequence};
use crate::journal::{Entry, EntryKind};
use crate::nonce::{NONCE_SKEW_SECONDS, nonce_bucket, nonce_key};
use crate::read::{parse, recorded};
use crate::records::{CommitmentRow, Index, Records, RecordsError};
use crate::sale::{Delivery, DeliveryNote, Posting, Recorded, Sale, SaleState};

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
}

/// Carries out a command at the Unix second `now`.
///
/// # Errors
///
/// Only what storage answers; give the transaction up then. A refusal is an outcome, not an error.
pub fn apply(
    records: &mut dyn Records,
    command: Command<'_>,
    now: u64,
) -> Result<Outcome, RecordsError> {
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
    let nonce = sale
        .nonce
        .as_deref()
        .map(|nonce| nonce_key(&sale.thumbprint, nonce));
    let mut account = match check_sale(records, sale, nonce.as_ref(), now)? {
        Ok(account) => account,
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    let kind = if delivery.is_some() {
        EntryKind::Sale
    } else {
        EntryKind::Claim
    };
    let index = match kind {
        EntryKind::Sale => Index::Line(&sale.agent),
        _ => Index::Place,
    };
    let posting = append(records, kind, index, now, |sequence| {
        SaleBody::of(sale, delivery, now, sequence)
    })?;
    if let Some(nonce) = &nonce {
        records.put_nonce(nonce, nonce_bucket(sale.expires))?;
    }
    let posted = delivery.is_some();
    records.put_commitment(&CommitmentRow {
        id: sale.id,
        fingerprint: sale.fingerprint,
        state: if posted {
            SaleState::Posted
        } else {
            SaleState::Pending
        },
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
    let total = if posted {
        &mut account.posted
    } else {
        &mut account.pending
    };
    *total = add(*total, sale.amount);
    records.put_account(&account)?;
    Ok(if posted {
        Outcome::Posted(posting)
    } else {
        Outcome::Claimed(posting)
    })
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
    if let Err(refusal) = account.admit(sale.amount, tollway_protocol::Amount::ZERO, now) {
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

fn post_claim(
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
    let posting = append(records, EntryKind::SalePosted, index, now, |sequence| {
        PostedBody {
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
        }
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

fn void_claim(
    records: &mut dyn Records,
    id: &CommitmentId,
    now: u64,
) -> Result<Outcome, RecordsError> {
    match records.commitment(id)? {
        None => Ok(Outcome::Refused(not_found())),
        Some(row) => match row.state {
            SaleState::Pending => {
                end_claim(records, row, SaleState::Voided, now)?;
                Ok(Outcome::Done)
            }
            SaleState::Voided | SaleState::Expired => Ok(Outcome::Done),
            SaleState::Posted | SaleState::Undelivered => {
                Ok(Outcome::Known(Box::new(recorded(records, &row)?)))
            }
        },
    }
}

fn expire_claims(records: &mut dyn Records, now: u64) -> Result<Outcome, RecordsError> {
    let ended = records.ended_claims(now.saturating_sub(NONCE_SKEW_SECONDS), EXPIRE_AT_ONCE)?;
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

fn write_note(
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
        append(
            records,
            EntryKind::Delivery,
            Index::Place,
            now,
            |sequence| DeliveryBody {
                agent: row.agent.clone(),
                at: now,
                bytes: note.bytes,
                digest: note.digest,
                id: row.id,
                kind: EntryKind::Delivery,
                sequence,
            },
        )?;
    } else {
        take_back(records, &row, note, now)?;
        row.state = SaleState::Undelivered;
    }
    row.noted = true;
    records.put_commitment(&row)?;
    Ok(Outcome::Done)
}

fn take_back(
    records: &mut dyn Records,
    row: &CommitmentRow,
    note: DeliveryNote,
    now: u64,
) -> Result<(), RecordsError> {
    let mut account = account_of(records, row)?;
    let rule = rule_of(records, row)?;
    let index = Index::Line(&row.agent);
    let posting = append(records, EntryKind::Undelivered, index, now, |sequence| {
        UndeliveredBody {
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
        }
    })?;
    account.undelivered = add(account.undelivered, row.amount);
    account.unspend(row.amount, row.at);
    account.touched = posting.sequence;
    records.put_account(&account)
}

fn put_agent(
    records: &mut dyn Records,
    terms: &AgentTerms,
    now: u64,
) -> Result<Outcome, RecordsError> {
    let known = records.account(&terms.agent)?;
    if known
        .as_ref()
        .is_some_and(|account| account.terms == *terms)
    {
        return Ok(Outcome::Done);
    }
    let posting = append(records, EntryKind::Agent, Index::Place, now, |sequence| {
        AgentBody {
            agent: terms.agent.clone(),
            at: now,
            credit_limit: terms.credit_limit,
            daily_budget: terms.daily_budget,
            kind: EntryKind::Agent,
            sequence,
        }
    })?;
    let mut account = known.unwrap_or_else(|| Account::new(terms.clone(), now));
    account.terms = terms.clone();
    account.touched = posting.sequence;
    records.put_account(&account)?;
    Ok(Outcome::Done)
}

fn block_agent(
    records: &mut dyn Records,
    agent: &AgentId,
    blocked: bool,
    now: u64,
) -> Result<Outcome, RecordsError> {
    let Some(mut account) = records.account(agent)? else {
        return Ok(Outcome::Refused(unknown_agent()));
    };
    if account.blocked == blocked {
        return Ok(Outcome::Done);
    }
    let posting = append(records, EntryKind::Block, Index::Place, now, |sequence| {
        BlockBody {
            agent: agent.clone(),
            at: now,
            blocked,
            kind: EntryKind::Block,
            sequence,
        }
    })?;
    account.blocked = blocked;
    account.touched = posting.sequence;
    records.put_account(&account)?;
    Ok(Outcome::Done)
}

fn put_document(
    records: &mut dyn Records,
    kind: DocumentKind,
    id: &str,
    body: &[u8],
    now: u64,
) -> Result<Outcome, RecordsError> {
    let hash = Hash::of(body);
    if let Some(known) = records.document(kind, id)? {
        return Ok(if known.hash == hash {
            Outcome::Kept(hash)
        } else {
            let detail = "another document stands under this name";
            Outcome::Refused(Refusal::new(Reason::ReplayMismatch, detail))
        });
    }
    if body.len() > DOCUMENT_MAX_BYTES {
        let detail = "a document is at most 1 MiB";
        return Ok(Outcome::Refused(Refusal::new(Reason::BodyTooLarge, detail)));
    }
    append(
        records,
        EntryKind::Document,
        Index::Place,
        now,
        |sequence| DocumentBody {
            at: now,
            document: kind,
            id: id.to_owned(),
            kind: EntryKind::Document,
            sequence,
            sha256: hash,
        },
    )?;
    let body = body.to_vec();
    records.put_document(&Document {
        kind,
        id: id.to_owned(),
        hash,
        at: now,
        body,
    })?;
    Ok(Outcome::Kept(hash))
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
        let genesis = chain(
            prev,
            last.next(),
            at,
            EntryKind::Genesis,
            to_canonical(&genesis),
        );
        records.append(&genesis, Index::Place)?;
        (last, prev) = (genesis.sequence, genesis.hash);
    }
    let entry = chain(
        prev,
        last.next(),
        at,
        kind,
        to_canonical(&body(last.next())),
    );
    records.append(&entry, index)?;
    Ok(Posting {
        sequence: entry.sequence,
        head: entry.hash,
        posted_at: at,
    })
}

fn chain(prev: Hash, sequence: Sequence, at: u64, kind: EntryKind, body: String) -> Entry {
    let hash = prev.chain(body.as_bytes());
    Entry {
        sequence,
        at,
        kind,
        body,
        prev,
        hash,
    }
}

fn account_of(records: &mut dyn Records, row: &CommitmentRow) -> Result<Account, RecordsError> {
    let account = records.account(&row.agent)?;
    account.ok_or_else(|| BooksError::Corrupt {
        detail: format!("commitment {} belongs to an agent without a row", row.id),
    })
}

fn rule_of(records: &mut dyn Records, row: &CommitmentRow) -> Result<String, RecordsError> {
    let entry = crate::read::entry(records, row.first)?;
    Ok(parse::<SaleBody<'static>>(&entry)?.rule.into_owned())
}

fn not_found() -> Refusal {
    Refusal::new(Reason::NotFound, "the books hold no such charge")
}
