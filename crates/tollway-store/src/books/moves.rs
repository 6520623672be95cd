//! The port of revenue, over a file. A read of its own: no writer waits for it.

use async_trait::async_trait;
use tollway_ledger::moves::moves;
use tollway_ledger::{BooksError, MoveBooks, Moves, Sequence};

use super::SqliteBooks;

#[async_trait]
impl MoveBooks for SqliteBooks {
    async fn moves(&self, after: Sequence, limit: usize) -> Result<Moves, BooksError> {
        self.readers.read(|records| moves(records, after, limit))
    }
}
