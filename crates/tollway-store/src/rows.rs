//! How a row is read back into what it was written from, and how numbers are written.

use rusqlite::Row;
use rusqlite::types::{Type, Value};
use tollway_ledger::{
    Account, AgentTerms, CommitmentId, CommitmentRow, Document, DocumentKind, Entry, ExactState, Fingerprint, Hash,
    PaymentId, PaymentRow, SaleState, Sequence,
};
use tollway_protocol::Amount;

pub(crate) fn account(row: &Row<'_>) -> rusqlite::Result<(i64, Account)> {
    let account = Account {
        terms: AgentTerms {
            agent: text(row, 1)?,
            credit_limit: amount(row, 2)?,
            daily_budget: match row.get::<_, Value>(3)? {
                Value::Null => None,
                _ => Some(amount(row, 3)?),
            },
        },
        blocked: row.get(4)?,
        posted: amount(row, 5)?,
        undelivered: amount(row, 6)?,
        pending: amount(row, 7)?,
        spent_day: natural(row, 8)?,
        spent: amount(row, 9)?,
        since: natural(row, 10)?,
        last_sale: row.get::<_, Option<i64>>(11)?.map(i64::unsigned_abs),
        touched: Sequence::new(natural(row, 12)?),
        paid: amount(row, 13)?,
    };
    Ok((row.get(0)?, account))
}

pub(crate) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let prev: Option<[u8; 32]> = row.get(5)?;
    Ok(Entry {
        sequence: Sequence::new(natural(row, 0)?),
        at: natural(row, 1)?,
        kind: text(row, 2)?,
        body: row.get(3)?,
        hash: Hash::from_bytes(row.get(4)?),
        prev: prev.map_or(Hash::ZERO, Hash::from_bytes),
    })
}

pub(crate) fn commitment(row: &Row<'_>) -> rusqlite::Result<CommitmentRow> {
    let posted: Option<i64> = row.get(7)?;
    Ok(CommitmentRow {
        id: CommitmentId::from_bytes(row.get(0)?),
        fingerprint: Fingerprint::from_bytes(row.get(1)?),
        state: state(row, 2)?,
        agent: text(row, 3)?,
        amount: amount(row, 4)?,
        expires: natural(row, 5)?,
        first: Sequence::new(natural(row, 6)?),
        posted: posted.map(|posted| Sequence::new(posted.unsigned_abs())),
        at: natural(row, 8)?,
        noted: row.get(9)?,
    })
}

pub(crate) fn payment(row: &Row<'_>) -> rusqlite::Result<PaymentRow> {
    let settled: Option<i64> = row.get(7)?;
    Ok(PaymentRow {
        id: PaymentId::from_bytes(row.get(0)?),
        fingerprint: Fingerprint::from_bytes(row.get(1)?),
        identifier: row.get(2)?,
        state: payment_state(row, 3)?,
        transaction: row.get(4)?,
        first: Sequence::new(natural(row, 5)?),
        last: Sequence::new(natural(row, 6)?),
        settled: settled.map(|settled| Sequence::new(settled.unsigned_abs())),
    })
}

/// What paid a statement, if anything: amount, rail, reference.
pub(crate) fn bill_of(row: &Row<'_>) -> rusqlite::Result<Option<(Amount, String, String)>> {
    match row.get::<_, Value>(6)? {
        Value::Null => Ok(None),
        _ => Ok(Some((amount(row, 6)?, row.get(7)?, row.get(8)?))),
    }
}

pub(crate) fn document(kind: DocumentKind, row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document { kind, id: row.get(0)?, hash: Hash::from_bytes(row.get(1)?), at: natural(row, 2)?, body: row.get(3)? })
}

pub(crate) fn place(row: &Row<'_>) -> rusqlite::Result<Sequence> {
    natural(row, 0).map(Sequence::new)
}

pub(crate) fn natural(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

pub(crate) fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Amount> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(Amount::new(u128::from_be_bytes(bytes)))
}

pub(crate) fn text<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| {
        let kind = Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}

pub(crate) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<SaleState> {
    match row.get(column)? {
        0 => Ok(SaleState::Pending),
        1 => Ok(SaleState::Posted),
        2 => Ok(SaleState::Voided),
        3 => Ok(SaleState::Expired),
        4 => Ok(SaleState::Undelivered),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}

/// 0 is the one the partial index `pending` looks for.
pub(crate) fn state_number(state: SaleState) -> i64 {
    match state {
        SaleState::Pending => 0,
        SaleState::Posted => 1,
        SaleState::Voided => 2,
        SaleState::Expired => 3,
        SaleState::Undelivered => 4,
    }
}

fn payment_state(row: &Row<'_>, column: usize) -> rusqlite::Result<ExactState> {
    match row.get(column)? {
        0 => Ok(ExactState::Claimed),
        1 => Ok(ExactState::Unknown),
        2 => Ok(ExactState::Settled),
        3 => Ok(ExactState::Failed),
        4 => Ok(ExactState::Released),
        5 => Ok(ExactState::RefundOwed),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}

/// Below 2 are those that the partial index `open_payments` holds.
pub(crate) fn payment_state_number(state: ExactState) -> i64 {
    match state {
        ExactState::Claimed => 0,
        ExactState::Unknown => 1,
        ExactState::Settled => 2,
        ExactState::Failed => 3,
        ExactState::Released => 4,
        ExactState::RefundOwed => 5,
    }
}

/// SQLite's integers end at 2^63 - 1; a time beyond that means "never" either way.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Big-endian, so that the database sorts amounts as numbers.
pub(crate) fn sum(amount: Amount) -> [u8; 16] {
    amount.get().to_be_bytes()
}
