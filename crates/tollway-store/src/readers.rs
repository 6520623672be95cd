//! Connections that only read: as many as read at once, kept for the next.

use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tollway_ledger::{BooksError, Ledger, Records};

use crate::failure::failure;
use crate::records::SqliteRecords;
use crate::schema::open_reader;

/// Idle connections kept open.
const IDLE_MAX: usize = 16;

#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    busy_wait: Duration,
    ledger: Ledger,
    nonce_capacity: u64,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, busy_wait: Duration, ledger: Ledger, nonce_capacity: u64) -> Self {
        Self { path, busy_wait, ledger, nonce_capacity, idle: Mutex::new(Vec::new()) }
    }

    /// Reads the books as they stand at one moment. Nothing that `read` puts is kept.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&mut dyn Records) -> Result<T, BooksError>,
    ) -> Result<T, BooksError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path, self.busy_wait)?,
        };
        step(&connection, "BEGIN")?;
        let mut records = SqliteRecords::new(&connection, &self.ledger, self.nonce_capacity);
        let answer = read(&mut records);
        drop(records);
        // A connection that cannot end its read is closed with it, not used again.
        step(&connection, "COMMIT")?;
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        answer
    }
}

/// Prepared once for each connection: every sale begins and ends a read.
fn step(connection: &Connection, sql: &str) -> Result<(), BooksError> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    statement.execute([]).map(drop).map_err(failure)
}
