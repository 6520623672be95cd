//! Rows of a facilitator's books, and the values they stand for.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tollway_ledger::{
    Attempt, BooksError, Hash, PaymentId, SettlementClaim, SettlementRecord, SettlementState, SignerAddress,
    TransactionHash,
};
use tollway_protocol::{Amount, Network};

use crate::failure::{damaged, failure};

const COLUMNS: &str = "id, digest, network, asset, payer, pay_to, amount, expires, body, state, hash, block, \
    reason, claimed_at, changed_at";

pub(super) const CLAIMED: i64 = 0;
pub(super) const BROADCAST: i64 = 1;
pub(super) const UNKNOWN: i64 = 2;
pub(super) const SETTLED: i64 = 3;
pub(super) const FAILED: i64 = 4;

/// A row as SQLite gives it, not yet believed.
type Raw<T> = Result<T, BooksError>;

pub(super) fn record(connection: &Connection, id: &PaymentId) -> Raw<Option<SettlementRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM claims WHERE id = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    let row = statement.query_row([&id.as_bytes()[..]], |row| Ok(read_record(row))).optional().map_err(failure)?;
    row.transpose()
}

pub(super) fn by_transaction(connection: &Connection, hash: &TransactionHash) -> Raw<Vec<SettlementRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM claims WHERE hash = ? ORDER BY id");
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    let rows = statement.query_map([&hash[..]], |row| Ok(read_record(row))).map_err(failure)?;
    rows.map(|row| row.map_err(failure)?).collect()
}

pub(super) fn open(
    connection: &Connection,
    network: &Network,
    after: Option<PaymentId>,
    limit: usize,
) -> Raw<Vec<SettlementRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM claims WHERE state < 3 AND network = ? AND id > ? ORDER BY id LIMIT ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    let values = params![network.as_str(), after, i64::try_from(limit).unwrap_or(i64::MAX)];
    let rows = statement.query_map(values, |row| Ok(read_record(row))).map_err(failure)?;
    rows.map(|row| row.map_err(failure)?).collect()
}

/// Attempts of a signer, or those with one account nonce of it.
pub(super) fn attempts(
    connection: &Connection,
    network: &Network,
    signer: SignerAddress,
    nonce: Option<u64>,
) -> Raw<Vec<Attempt>> {
    let sql = "SELECT nonce, hash, raw, max_fee, tip, gas, head, claims, at, value FROM attempts \
        WHERE network = ?1 AND signer = ?2 AND (?3 IS NULL OR nonce = ?3) ORDER BY nonce, number";
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let values = params![network.as_str(), &signer[..], nonce.map(integer).transpose()?];
    let rows = statement.query_map(values, |row| Ok(read_attempt(row, network, signer))).map_err(failure)?;
    rows.map(|row| row.map_err(failure)?).collect()
}

pub(super) fn spent(connection: &Connection, network: &Network, day: u64) -> Raw<u64> {
    let day = integer(day)?;
    let known: Option<i64> = connection
        .prepare_cached("SELECT gwei FROM spent WHERE network = ? AND day = ?")
        .map_err(failure)?
        .query_row(params![network.as_str(), day], |row| row.get(0))
        .optional()
        .map_err(failure)?;
    // A slot counts on the day of its first attempt, with the dearest of its rivals.
    let sql = "SELECT max(most) FROM attempts WHERE network = ? GROUP BY signer, nonce HAVING min(day) = ?";
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let open = statement.query_map(params![network.as_str(), day], |row| row.get::<_, i64>(0)).map_err(failure)?;
    let mut sum = natural(known.unwrap_or(0))?;
    for most in open {
        sum = sum.saturating_add(natural(most.map_err(failure)?)?);
    }
    Ok(sum)
}

fn read_record(row: &Row<'_>) -> Raw<SettlementRecord> {
    let text = |index| row.get::<_, String>(index).map_err(failure);
    let hash = row.get::<_, Option<Vec<u8>>>(10).map_err(failure)?;
    let hash = hash.map(|bytes| bytes.try_into().map_err(|_| damaged("a transaction's hash"))).transpose()?;
    let sent = || hash.ok_or_else(|| damaged("a transaction's hash"));
    let state = match row.get::<_, i64>(9).map_err(failure)? {
        CLAIMED => SettlementState::Claimed,
        BROADCAST => SettlementState::Broadcast { transaction: sent()? },
        UNKNOWN => SettlementState::Unknown { transaction: sent()? },
        SETTLED => SettlementState::Settled { transaction: sent()?, block: number(row, 11)? },
        FAILED => SettlementState::Failed { reason: text(12)?, transaction: hash },
        _ => return Err(damaged("a claim's state")),
    };
    let claim = SettlementClaim {
        id: PaymentId::from_bytes(bytes(row, 0)?),
        digest: Hash::from_bytes(bytes(row, 1)?),
        network: text(2)?.parse().map_err(|_| damaged("a network"))?,
        asset: text(3)?.parse().map_err(|_| damaged("an asset"))?,
        payer: text(4)?,
        pay_to: text(5)?,
        amount: Amount::new(u128::from_be_bytes(bytes(row, 6)?)),
        expires: number(row, 7)?,
        order: row.get(8).map_err(failure)?,
    };
    Ok(SettlementRecord { claim, state, claimed_at: number(row, 13)?, changed_at: number(row, 14)? })
}

fn read_attempt(row: &Row<'_>, network: &Network, signer: SignerAddress) -> Raw<Attempt> {
    let claims: Vec<u8> = row.get(7).map_err(failure)?;
    let (ids, rest) = claims.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(damaged("an attempt's claims"));
    }
    Ok(Attempt {
        network: network.clone(),
        signer,
        nonce: number(row, 0)?,
        transaction: bytes(row, 1)?,
        raw: row.get(2).map_err(failure)?,
        max_fee: u128::from_be_bytes(bytes(row, 3)?),
        tip: u128::from_be_bytes(bytes(row, 4)?),
        gas: number(row, 5)?,
        head: number(row, 6)?,
        claims: ids.iter().map(|id| PaymentId::from_bytes(*id)).collect(),
        at: number(row, 8)?,
        value: u128::from_be_bytes(bytes(row, 9)?),
    })
}

fn bytes<const N: usize>(row: &Row<'_>, index: usize) -> Raw<[u8; N]> {
    let bytes: Vec<u8> = row.get(index).map_err(failure)?;
    bytes.try_into().map_err(|_| damaged("a value of fixed length"))
}

fn number(row: &Row<'_>, index: usize) -> Raw<u64> {
    natural(row.get(index).map_err(failure)?)
}

fn natural(value: i64) -> Raw<u64> {
    u64::try_from(value).map_err(|_| damaged("a number"))
}

/// SQLite's integers are signed. What does not fit is no time, height, nonce or gas of any chain.
pub(super) fn integer(value: u64) -> Raw<i64> {
    i64::try_from(value).map_err(|_| BooksError::Unavailable { detail: "a number is too large to keep".to_owned() })
}
