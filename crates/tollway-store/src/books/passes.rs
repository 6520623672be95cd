//! The port of passes, over a file.

use async_trait::async_trait;
use tollway_ledger::answers::{pass_answered, pass_taken};
use tollway_ledger::reserving::done;
use tollway_ledger::{BooksError, Pass, PassBooks, PassId, PassRecord, PassTaken, PassUse, Sequence};

use super::SqliteBooks;
use crate::writer::Task;

#[async_trait]
impl PassBooks for SqliteBooks {
    async fn pass_open(&self, pass: Pass, now: u64) -> Result<PassRecord, BooksError> {
        pass_answered(self.run(Task::OpenPass(pass), now).await?)
    }

    async fn pass_take(&self, id: &PassId, used: PassUse, now: u64) -> Result<PassTaken, BooksError> {
        pass_taken(self.run(Task::UsePass(*id, used), now).await?)
    }

    async fn pass_return(&self, taken: PassTaken, now: u64) -> Result<(), BooksError> {
        done(self.run(Task::ReturnPass(taken.record.pass.id, taken.posting.sequence), now).await?)
    }

    async fn pass_revoke(&self, id: &PassId, now: u64) -> Result<PassRecord, BooksError> {
        pass_answered(self.run(Task::RevokePass(*id), now).await?)
    }

    async fn pass(&self, id: &PassId) -> Result<Option<PassRecord>, BooksError> {
        self.readers.read(|records| records.pass(id))
    }

    async fn pass_of(&self, payer: &str, rule: &str, now: u64) -> Result<Option<PassRecord>, BooksError> {
        self.readers.read(|records| records.open_pass(payer, rule, now))
    }

    async fn passes(&self, after: Sequence, limit: usize) -> Result<Vec<PassRecord>, BooksError> {
        self.readers.read(|records| records.passes(after, limit))
    }
}
