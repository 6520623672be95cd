//! Passes in memory, searched plainly.

use async_trait::async_trait;

use super::{MemoryBooks, MemoryRecords};
use crate::answers::{pass_answered, pass_taken};
use crate::apply::Command;
use crate::books::BooksError;
use crate::id::{PassId, Sequence};
use crate::pass::{Pass, PassBooks, PassRecord, PassTaken, PassUse};
use crate::records::{PassRecords, RecordsError};
use crate::reserving::done;

impl PassRecords for MemoryRecords {
    fn pass(&mut self, id: &PassId) -> Result<Option<PassRecord>, RecordsError> {
        Ok(self.passes.values().find(|record| record.pass.id == *id).cloned())
    }

    fn put_pass(&mut self, record: &PassRecord) -> Result<(), RecordsError> {
        self.passes.insert(record.first, record.clone());
        Ok(())
    }

    fn open_pass(&mut self, payer: &str, rule: &str, now: u64) -> Result<Option<PassRecord>, RecordsError> {
        let fits = |record: &&PassRecord| record.pass.payer == payer && record.pass.rule == rule && record.is_open(now);
        Ok(self.passes.values().filter(fits).min_by_key(|record| (record.pass.ends, record.first)).cloned())
    }

    fn passes(&mut self, after: Sequence, limit: usize) -> Result<Vec<PassRecord>, RecordsError> {
        Ok(self.passes.range(after.next()..).map(|(_, record)| record.clone()).take(limit).collect())
    }
}

#[async_trait]
impl PassBooks for MemoryBooks {
    async fn pass_open(&self, pass: Pass, now: u64) -> Result<PassRecord, BooksError> {
        pass_answered(self.run(None, None, Command::OpenPass(&pass), now)?)
    }

    async fn pass_take(&self, id: &PassId, used: PassUse, now: u64) -> Result<PassTaken, BooksError> {
        pass_taken(self.run(None, None, Command::UsePass(id, &used), now)?)
    }

    async fn pass_return(&self, taken: PassTaken, now: u64) -> Result<(), BooksError> {
        let command = Command::ReturnPass(&taken.record.pass.id, taken.posting.sequence);
        done(self.run(None, None, command, now)?)
    }

    async fn pass_revoke(&self, id: &PassId, now: u64) -> Result<PassRecord, BooksError> {
        pass_answered(self.run(None, None, Command::RevokePass(id), now)?)
    }

    async fn pass(&self, id: &PassId) -> Result<Option<PassRecord>, BooksError> {
        self.records().pass(id)
    }

    async fn pass_of(&self, payer: &str, rule: &str, now: u64) -> Result<Option<PassRecord>, BooksError> {
        self.records().open_pass(payer, rule, now)
    }

    async fn passes(&self, after: Sequence, limit: usize) -> Result<Vec<PassRecord>, BooksError> {
        self.records().passes(after, limit)
    }
}
