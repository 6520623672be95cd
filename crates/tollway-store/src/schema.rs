//! The file: what is in it, how it is recognised, and the settings every connection must have.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use tollway_ledger::{BooksError, Ledger};
use tollway_protocol::Scale;

use crate::failure::{damaged, failure};

/// "TOLL" in ASCII: marks the file as ours.
const APPLICATION_ID: i32 = 0x544f_4c4c;

/// One step for each version of the file; the newest version is their number.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3];

const VERSION_1: &str = "
CREATE TABLE ledger (
    seller TEXT NOT NULL, asset TEXT NOT NULL, scale INTEGER NOT NULL
) STRICT;
CREATE TABLE agents (
    number INTEGER PRIMARY KEY,
    agent TEXT NOT NULL UNIQUE,
    credit_limit BLOB NOT NULL, daily_budget BLOB, blocked INTEGER NOT NULL,
    posted BLOB NOT NULL, undelivered BLOB NOT NULL, pending BLOB NOT NULL,
    spent_day INTEGER NOT NULL, spent BLOB NOT NULL,
    since INTEGER NOT NULL, last_sale INTEGER, touched INTEGER NOT NULL
) STRICT;
CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL, kind TEXT NOT NULL, agent INTEGER, hash BLOB NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX lines ON entries (agent, sequence) WHERE agent IS NOT NULL;
CREATE TABLE commitments (
    id BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL, state INTEGER NOT NULL, agent INTEGER NOT NULL, amount BLOB NOT NULL,
    expires INTEGER NOT NULL, first INTEGER NOT NULL, posted INTEGER, at INTEGER NOT NULL,
    noted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pending ON commitments (expires) WHERE state = 0;
CREATE TABLE nonces (key BLOB PRIMARY KEY, bucket INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_bucket ON nonces (bucket);
CREATE TABLE nonce_buckets (bucket INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
CREATE TABLE documents (
    kind TEXT NOT NULL, id TEXT NOT NULL, hash BLOB NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;
CREATE TABLE statements (
    sequence INTEGER PRIMARY KEY, agent INTEGER NOT NULL, period TEXT NOT NULL, UNIQUE (agent, period)
) STRICT;
CREATE TABLE checkpoints (period TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Exact payments, and statements that are paid.
const VERSION_2: &str = "
ALTER TABLE agents ADD COLUMN paid BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
CREATE TABLE payments (
    id BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL, identifier TEXT UNIQUE, state INTEGER NOT NULL, reference TEXT,
    first INTEGER NOT NULL UNIQUE, last INTEGER NOT NULL, settled INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX open_payments ON payments (first) WHERE state < 2;
CREATE TABLE bills (
    statement INTEGER PRIMARY KEY,
    amount BLOB NOT NULL, rail TEXT NOT NULL, reference TEXT NOT NULL, sequence INTEGER NOT NULL,
    UNIQUE (rail, reference)
) STRICT;
";

/// Passes.
const VERSION_3: &str = "
CREATE TABLE passes (
    id BLOB PRIMARY KEY,
    payer TEXT NOT NULL, rule TEXT NOT NULL, requests INTEGER NOT NULL, ends INTEGER NOT NULL,
    used INTEGER NOT NULL, revoked INTEGER NOT NULL, opened_at INTEGER NOT NULL, first INTEGER NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
CREATE INDEX open_passes ON passes (payer, rule, ends) WHERE revoked = 0 AND used < requests;
";

/// Opens the writing connection, making or migrating the file if `ledger` is given.
pub(crate) fn open(
    path: &Path,
    ledger: Option<&Ledger>,
    busy_wait: Duration,
) -> Result<(Connection, Ledger), BooksError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if ledger.is_some() {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let mut connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.busy_timeout(busy_wait).map_err(failure)?;
    // Looked at before anything is changed: a foreign file stays as it is.
    recognise(&connection)?;
    set(&connection)?;
    let found = migrate(&mut connection, ledger)?;
    Ok((connection, found))
}

/// Opens a further connection that only reads.
pub(crate) fn open_reader(path: &Path, busy_wait: Duration) -> Result<Connection, BooksError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.busy_timeout(busy_wait).map_err(failure)?;
    connection.pragma_update(None, "query_only", true).map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Sets the most pages the file may grow to.
pub(crate) fn limit_pages(connection: &Connection, pages: u32) -> Result<(), BooksError> {
    let sql = format!("PRAGMA max_page_count = {pages}");
    connection.query_row(&sql, [], |_| Ok(())).map_err(failure)
}

/// Whether the connection writes as durably as the books promise.
pub(crate) fn check_durable(connection: &Connection) -> Result<(), BooksError> {
    let journal: String = pragma(connection, "journal_mode")?;
    let synchronous: i64 = pragma(connection, "synchronous")?;
    if journal == "wal" && synchronous == 2 {
        return Ok(());
    }
    let detail = format!("the file would run with journal {journal}, synchronous {synchronous}");
    Err(BooksError::Unavailable { detail })
}

fn recognise(connection: &Connection) -> Result<(), BooksError> {
    let application: i32 = pragma(connection, "application_id")?;
    let version: i64 = pragma(connection, "user_version")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failure)?;
    let newest = newest();
    let detail = match (application, version) {
        (0, 0) if tables == 0 => return Ok(()),
        (APPLICATION_ID, 1..) if version <= newest => return Ok(()),
        (APPLICATION_ID, _) => format!("the file has version {version}, this program {newest}"),
        _ => "another program's database".to_owned(),
    };
    Err(BooksError::Foreign { detail })
}

fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn set(connection: &Connection) -> Result<(), BooksError> {
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failure)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failure)?;
    connection.pragma_update(None, "cache_size", -32_768).map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(64);
    check_durable(connection)
}

fn migrate(connection: &mut Connection, ledger: Option<&Ledger>) -> Result<Ledger, BooksError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    // Again, now that nobody else can write: two processes may make the file at once.
    recognise(&transaction)?;
    let version: i64 = pragma(&transaction, "user_version")?;
    let done = usize::try_from(version).unwrap_or(0);
    if done == 0 && ledger.is_none() {
        return Err(BooksError::Foreign { detail: "the file holds no books".to_owned() });
    }
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step).map_err(failure)?;
    }
    if done < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failure)?;
        transaction.pragma_update(None, "user_version", newest()).map_err(failure)?;
    }
    let found = settle_ledger(&transaction, ledger)?;
    transaction.commit().map_err(failure)?;
    Ok(found)
}

/// Reads whose books these are, or writes it into new ones.
fn settle_ledger(connection: &Connection, wanted: Option<&Ledger>) -> Result<Ledger, BooksError> {
    let row = connection
        .query_row("SELECT seller, asset, scale FROM ledger", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, u8>(2)?))
        })
        .optional()
        .map_err(failure)?;
    match (row, wanted) {
        (Some((seller, asset, scale)), wanted) => {
            let asset = asset.parse().map_err(|_| damaged("the asset"))?;
            let scale = Scale::new(scale).ok_or_else(|| damaged("the scale"))?;
            let found = Ledger { seller, asset, scale };
            if wanted.is_none_or(|wanted| *wanted == found) {
                return Ok(found);
            }
            let Ledger { seller, asset, .. } = found;
            let detail = format!("books of {seller} in {}", asset.as_str());
            Err(BooksError::Foreign { detail })
        }
        (None, Some(ledger)) => {
            let row = (&ledger.seller, ledger.asset.as_str(), ledger.scale.get());
            connection.execute("INSERT INTO ledger VALUES (?, ?, ?)", row).map_err(failure)?;
            Ok(ledger.clone())
        }
        (None, None) => Err(damaged("the ledger")),
    }
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Result<T, BooksError> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failure)
}

#[cfg(test)]
mod tests {
    use tollway_protocol::Asset;

    use super::*;

    fn ledger() -> Ledger {
        Ledger { seller: "https://seller.example".into(), asset: Asset::usd(), scale: Scale::MICRO }
    }

    #[test]
    fn threat_15_every_commit_is_flushed_and_that_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("books");
        let (connection, _) = open(&path, Some(&ledger()), Duration::ZERO).unwrap();
        let synchronous: i64 = pragma(&connection, "synchronous").unwrap();
        assert_eq!(synchronous, 2);
        connection.pragma_update(None, "synchronous", "NORMAL").unwrap();
        assert!(matches!(check_durable(&connection), Err(BooksError::Unavailable { .. })));
        // A memory database cannot have a WAL.
        let memory = Connection::open_in_memory().unwrap();
        assert!(matches!(set(&memory), Err(BooksError::Unavailable { .. })));
    }

    #[test]
    fn a_newer_version_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("books");
        let (connection, _) = open(&path, Some(&ledger()), Duration::ZERO).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        let again = open(&path, Some(&ledger()), Duration::ZERO);
        assert!(matches!(again, Err(BooksError::Foreign { .. })));
        let plain = Connection::open(&path).unwrap();
        assert_eq!(pragma::<i64>(&plain, "user_version").unwrap(), 99);
    }
}
