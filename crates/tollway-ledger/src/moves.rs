//! What a journal's entries move in revenue, one after the other: for those who sum it up by rule, path, payer or time.
//!
//! Promises, exact payments, and what takes either back. The payment of a bill moves nothing here: its lines did.

use std::borrow::Cow;

use async_trait::async_trait;
use tollway_protocol::{Amount, Asset, Dress, Network, Scale};

use crate::body::exact::{ExactClaimBody, ExactSettledBody, RefundOwedBody, asset_key};
use crate::body::{PostedBody, SaleBody, UndeliveredBody};
use crate::books::BooksError;
use crate::id::{CommitmentId, PaymentId, Sequence};
use crate::journal::{Entry, EntryKind};
use crate::read::{entry, parse};
use crate::records::{Records, RecordsError};

/// Most entries read at once.
pub const ENTRIES_MAX: usize = 1_000;

/// Revenue that one entry moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The entry's place.
    pub sequence: Sequence,
    /// When it was written, Unix seconds.
    pub at: u64,
    /// Earned, or given back.
    pub direction: Direction,
    /// How much, in atomic units of `asset`.
    pub amount: Amount,
    /// What is counted.
    pub asset: Asset,
    /// Decimal digits of its atomic unit.
    pub scale: Scale,
    /// How it was paid.
    pub way: Way,
    /// The agent's URL, or the payer's address on its network.
    pub payer: String,
    /// The pricing rule.
    pub rule: String,
    /// Request method.
    pub method: String,
    /// Target URI.
    pub url: String,
}

/// Which way revenue moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Sold.
    Earned,
    /// Not delivered, or owed back.
    Back,
}

/// How a sale was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By a promise, spoken on this wire.
    Deferred(Dress),
    /// At once, on this network.
    Exact(Network),
}

/// What was read of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moves {
    /// In order.
    pub moves: Vec<Move>,
    /// The last entry looked at: where to go on after. Equal to what was asked where there is no more.
    pub read_to: Sequence,
}

/// The part of the books that is asked for revenue.
#[async_trait]
pub trait MoveBooks: Send + Sync {
    /// What the entries after a place moved: at most `limit` entries, [`ENTRIES_MAX`] in any case.
    async fn moves(&self, after: Sequence, limit: usize) -> Result<Moves, BooksError>;
}

impl Move {
    /// What may be summed together: the asset's name, with its network where it is paid on one.
    #[must_use]
    pub fn asset_key(&self) -> String {
        match &self.way {
            Way::Deferred(_) => self.asset.as_str().to_owned(),
            Way::Exact(network) => asset_key(network, &self.asset),
        }
    }
}

/// Reads what the entries after a place moved.
///
/// # Errors
///
/// What storage answers; [`BooksError::Corrupt`] where an entry names a sale that is not there.
pub fn moves(records: &mut dyn Records, after: Sequence, limit: usize) -> Result<Moves, RecordsError> {
    let entries = records.entries(after.next(), limit.min(ENTRIES_MAX))?;
    let mut moves = Vec::new();
    for entry in &entries {
        moves.extend(move_of(records, entry)?);
    }
    Ok(Moves { moves, read_to: entries.last().map_or(after, |entry| entry.sequence) })
}

fn move_of(records: &mut dyn Records, entry: &Entry) -> Result<Option<Move>, RecordsError> {
    Ok(Some(match entry.kind {
        EntryKind::Sale => promised(records, entry, parse(entry)?, Direction::Earned),
        EntryKind::SalePosted => {
            let sale = sale(records, entry, &parse::<PostedBody>(entry)?.id)?;
            promised(records, entry, sale, Direction::Earned)
        }
        EntryKind::Undelivered => {
            let sale = sale(records, entry, &parse::<UndeliveredBody>(entry)?.id)?;
            promised(records, entry, sale, Direction::Back)
        }
        EntryKind::ExactSettled => {
            let id = parse::<ExactSettledBody<'static>>(entry)?.id;
            paid(records, entry, &id, Direction::Earned)?
        }
        EntryKind::RefundOwed => {
            let id = parse::<RefundOwedBody<'static>>(entry)?.id;
            paid(records, entry, &id, Direction::Back)?
        }
        _ => return Ok(None),
    }))
}

/// The entry in which a promise was written down: as a sale, or as the claim before it.
fn sale(records: &mut dyn Records, from: &Entry, id: &CommitmentId) -> Result<SaleBody<'static>, RecordsError> {
    let row = records.commitment(id)?.ok_or_else(|| lost(from))?;
    parse(&entry(records, row.first)?)
}

fn promised(records: &dyn Records, entry: &Entry, sale: SaleBody<'static>, direction: Direction) -> Move {
    Move {
        sequence: entry.sequence,
        at: entry.at,
        direction,
        amount: sale.amount,
        asset: sale.asset.into_owned(),
        scale: records.ledger().scale,
        way: Way::Deferred(sale.dress),
        payer: sale.agent.as_str().to_owned(),
        rule: sale.rule.into_owned(),
        method: sale.method.into_owned(),
        url: sale.url.into_owned(),
    }
}

fn paid(records: &mut dyn Records, from: &Entry, id: &PaymentId, direction: Direction) -> Result<Move, RecordsError> {
    let row = records.payment(id)?.ok_or_else(|| lost(from))?;
    let claim: ExactClaimBody<'static> = parse(&entry(records, row.first)?)?;
    Ok(Move {
        sequence: from.sequence,
        at: from.at,
        direction,
        amount: claim.amount,
        asset: claim.asset.into_owned(),
        scale: Scale::new(claim.scale).ok_or_else(|| lost(from))?,
        way: Way::Exact(claim.network.into_owned()),
        payer: Cow::into_owned(claim.payer),
        rule: claim.rule.into_owned(),
        method: claim.method.into_owned(),
        url: claim.url.into_owned(),
    })
}

fn lost(entry: &Entry) -> BooksError {
    BooksError::Corrupt { detail: format!("entry {} ({}) names a sale that is not there", entry.sequence, entry.kind) }
}
