//! The file of a facilitator's books: what is in it and how it is recognised.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tollway_ledger::BooksError;

use crate::failure::failure;
use crate::schema::check_durable;

/// "TOLS" in ASCII: marks the file as ours.
const APPLICATION_ID: i32 = 0x544f_4c53;

/// One step for each version of the file; the newest version is their number.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2];

const VERSION_1: &str = "
CREATE TABLE claims (
    id BLOB PRIMARY KEY,
    digest BLOB NOT NULL, network TEXT NOT NULL, asset TEXT NOT NULL, payer TEXT NOT NULL,
    pay_to TEXT NOT NULL, amount BLOB NOT NULL, expires INTEGER NOT NULL, body BLOB NOT NULL,
    state INTEGER NOT NULL, hash BLOB, block INTEGER, reason TEXT,
    carried INTEGER NOT NULL, claimed_at INTEGER NOT NULL, changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_claims ON claims (network, id) WHERE state < 3;
CREATE INDEX claims_by_hash ON claims (hash) WHERE hash IS NOT NULL;
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    network TEXT NOT NULL, signer BLOB NOT NULL, nonce INTEGER NOT NULL,
    hash BLOB NOT NULL, raw BLOB NOT NULL, max_fee BLOB NOT NULL, tip BLOB NOT NULL, gas INTEGER NOT NULL,
    head INTEGER NOT NULL, claims BLOB NOT NULL, day INTEGER NOT NULL, most INTEGER NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE INDEX slots ON attempts (network, signer, nonce);
CREATE TABLE spent (
    network TEXT NOT NULL, day INTEGER NOT NULL, gwei INTEGER NOT NULL, PRIMARY KEY (network, day)
) STRICT, WITHOUT ROWID;
";

/// What a transaction gives away: 128 bits, big-endian.
const VERSION_2: &str = "
ALTER TABLE attempts ADD COLUMN value BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
";

/// Opens the writing connection, making or migrating the file.
pub(super) fn open(path: &Path, busy_wait: Duration) -> Result<Connection, BooksError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.busy_timeout(busy_wait).map_err(failure)?;
    // Looked at before anything is changed: a foreign file stays as it is.
    recognise(&connection)?;
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failure)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(64);
    check_durable(&connection)?;
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), BooksError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    // Again, now that nobody else can write: two processes may make the file at once.
    let done = recognise(&transaction)?;
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step).map_err(failure)?;
    }
    if done < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failure)?;
        let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        transaction.pragma_update(None, "user_version", newest).map_err(failure)?;
    }
    transaction.commit().map_err(failure)
}

/// How many steps the file has seen.
fn recognise(connection: &Connection) -> Result<usize, BooksError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failure);
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failure)?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    let ours = application == i64::from(APPLICATION_ID);
    let detail = match (application, version) {
        (0, 0) if tables == 0 => return Ok(0),
        (_, 1..) if ours && version <= MIGRATIONS.len() => return Ok(version),
        _ if ours => format!("the file has version {version}, this program {}", MIGRATIONS.len()),
        _ => "another program's database".to_owned(),
    };
    Err(BooksError::Foreign { detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settlements");
        drop(open(&path, Duration::ZERO).unwrap());
        let plain = Connection::open(&path).unwrap();
        plain.pragma_update(None, "user_version", 9).unwrap();
        assert!(matches!(open(&path, Duration::ZERO), Err(BooksError::Foreign { .. })));
        plain.pragma_update(None, "application_id", 1).unwrap();
        assert!(matches!(open(&path, Duration::ZERO), Err(BooksError::Foreign { .. })));
    }
}
