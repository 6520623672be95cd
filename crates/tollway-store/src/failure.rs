//! What a failure of SQLite means to those who asked the books.

use rusqlite::ErrorCode;
use tollway_ledger::BooksError;

/// Sorts a failure by who must act.
pub(crate) fn failure(error: rusqlite::Error) -> BooksError {
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => BooksError::DiskFull,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BooksError::Locked,
        Some(ErrorCode::NotADatabase) => BooksError::Foreign { detail },
        Some(ErrorCode::DatabaseCorrupt) => BooksError::Corrupt { detail },
        Some(_) => BooksError::Unavailable { detail },
        // Not from SQLite itself: a row did not have the form it was written in.
        None => BooksError::Corrupt { detail },
    }
}

pub(crate) fn damaged(what: &str) -> BooksError {
    BooksError::Corrupt { detail: format!("{what} does not read back") }
}
