//! Reading rows back into what they were written from.

use serde::de::DeserializeOwned;

use crate::body::{CheckpointBody, PostedBody, SaleBody, StatementBody, UndeliveredBody};
use crate::books::BooksError;
use crate::exposure::Seen;
use crate::id::{CommitmentId, Sequence};
use crate::journal::{Entry, EntryKind};
use crate::nonce::nonce_key;
use crate::records::{CommitmentRow, Records, RecordsError};
use crate::sale::{Recorded, Sale};
use crate::statement::{Checkpoint, Line, Statement};

pub mod exact;

/// What the books say of a sale that someone wants to make.
#[derive(Debug)]
pub enum Glance {
    /// They know its commitment.
    Known(Box<Recorded>),
    /// They do not; this is what bears on it.
    Unknown(Box<Seen>),
}

/// Looks a sale up before it is reserved at `now`.
///
/// # Errors
///
/// What storage answers.
pub fn glance(records: &mut dyn Records, sale: &Sale, now: u64) -> Result<Glance, RecordsError> {
    if let Some(known) = lookup(records, &sale.id)? {
        return Ok(Glance::Known(Box::new(known)));
    }
    let nonce_used = match &sale.nonce {
        Some(nonce) => records.nonce_used(&nonce_key(&sale.thumbprint, nonce), now)?,
        None => false,
    };
    Ok(Glance::Unknown(Box::new(Seen {
        account: records.account(&sale.agent)?,
        nonce_used,
        nonces: records.nonces(now)?,
        head: records.head()?.0,
    })))
}

/// What the books know of a commitment.
///
/// # Errors
///
/// What storage answers.
pub fn lookup(records: &mut dyn Records, id: &CommitmentId) -> Result<Option<Recorded>, RecordsError> {
    match records.commitment(id)? {
        Some(row) => recorded(records, &row).map(Some),
        None => Ok(None),
    }
}

/// Lines of a statement after a place, at most `limit`.
///
/// # Errors
///
/// What storage answers.
pub fn lines(
    records: &mut dyn Records,
    statement: &Statement,
    after: Sequence,
    limit: usize,
) -> Result<Vec<Line>, RecordsError> {
    let before = Sequence::new(statement.from.get().saturating_sub(1));
    let after = after.max(before);
    let entries = records.lines(Some(&statement.agent), after, statement.to, limit)?;
    entries.iter().map(|entry| line(records, entry)).collect()
}

pub(crate) fn recorded(records: &mut dyn Records, row: &CommitmentRow) -> Result<Recorded, RecordsError> {
    let first = entry(records, row.first)?;
    let recorded = parse::<SaleBody<'static>>(&first)?.into_recorded(row.state, first.hash);
    match row.posted {
        Some(posted) if posted != row.first => {
            let posted = entry(records, posted)?;
            Ok(parse::<PostedBody>(&posted)?.complete(recorded, posted.hash))
        }
        _ => Ok(recorded),
    }
}

/// The line that an entry indexed as a line stands for.
pub(crate) fn line(records: &mut dyn Records, entry: &Entry) -> Result<Line, RecordsError> {
    match entry.kind {
        EntryKind::Sale => Ok(parse::<SaleBody<'static>>(entry)?.into_line(entry.hash)),
        EntryKind::SalePosted => {
            let posted = parse::<PostedBody>(entry)?;
            let row = records.commitment(&posted.id)?.ok_or_else(|| damaged(entry))?;
            let claim = parse::<SaleBody<'static>>(&self::entry(records, row.first)?)?;
            let rule = claim.rule.clone().into_owned();
            let detail = claim.into_detail(posted.status);
            Ok(posted.into_line(rule, detail, entry.hash))
        }
        EntryKind::Undelivered => Ok(parse::<UndeliveredBody>(entry)?.into_line(entry.hash)),
        _ => Err(damaged(entry)),
    }
}

impl Statement {
    /// The statement that a `statement` entry holds.
    ///
    /// # Errors
    ///
    /// [`BooksError::Corrupt`] for any other entry.
    pub fn from_entry(entry: &Entry) -> Result<Self, BooksError> {
        let body = parse::<StatementBody<'static>>(entry)?;
        let mut statement = body.statement.into_owned();
        statement.jws = body.jws.into_owned();
        statement.sequence = body.sequence;
        Ok(statement)
    }
}

impl Checkpoint {
    /// The checkpoint that a `checkpoint` entry holds.
    ///
    /// # Errors
    ///
    /// [`BooksError::Corrupt`] for any other entry.
    pub fn from_entry(entry: &Entry) -> Result<Self, BooksError> {
        let body = parse::<CheckpointBody<'static>>(entry)?;
        let mut checkpoint = body.checkpoint.into_owned();
        checkpoint.jws = body.jws.into_owned();
        Ok(checkpoint)
    }
}

/// The entry at a place that must exist.
pub(crate) fn entry(records: &mut dyn Records, at: Sequence) -> Result<Entry, RecordsError> {
    records.entry(at)?.ok_or_else(|| BooksError::Corrupt { detail: format!("entry {at} is missing") })
}

pub(crate) fn parse<B: DeserializeOwned>(entry: &Entry) -> Result<B, RecordsError> {
    serde_json::from_str(&entry.body)
        .map_err(|error| BooksError::Corrupt { detail: format!("entry {}: {error}", entry.sequence) })
}

fn damaged(entry: &Entry) -> BooksError {
    BooksError::Corrupt { detail: format!("entry {} ({}) is not a line", entry.sequence, entry.kind) }
}
