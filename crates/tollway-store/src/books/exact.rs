//! The port of exact payments and paid statements, over a file.

use async_trait::async_trait;
use tollway_ledger::answers::{bill_answered, exact_claimed, exact_went_on};
use tollway_ledger::read::exact::{bill_payment, exact_by_identifier, exact_list, exact_lookup, exact_open};
use tollway_ledger::{
    AgentId, BillOutcome, BillPayment, BooksError, ExactBooks, ExactClaim, ExactOutcome, ExactRecord, ExactSale,
    PaymentId, Period, Posting, Sequence,
};

use super::SqliteBooks;
use crate::writer::Task;

#[async_trait]
impl ExactBooks for SqliteBooks {
    async fn exact_claim(&self, sale: ExactSale, now: u64) -> Result<ExactClaim, BooksError> {
        exact_claimed(self.run(Task::ExactClaim(Box::new(sale)), now).await?)
    }

    async fn exact_outcome(&self, id: &PaymentId, outcome: ExactOutcome, now: u64) -> Result<Posting, BooksError> {
        exact_went_on(self.run(Task::ExactOutcome(*id, outcome), now).await?)
    }

    async fn exact_lookup(&self, id: &PaymentId) -> Result<Option<ExactRecord>, BooksError> {
        self.readers.read(|records| exact_lookup(records, id))
    }

    async fn exact_by_identifier(&self, identifier: &str) -> Result<Option<ExactRecord>, BooksError> {
        self.readers.read(|records| exact_by_identifier(records, identifier))
    }

    async fn exact_open(&self, limit: usize) -> Result<Vec<ExactRecord>, BooksError> {
        self.readers.read(|records| exact_open(records, limit))
    }

    async fn exact_list(&self, after: Sequence, limit: usize) -> Result<Vec<ExactRecord>, BooksError> {
        self.readers.read(|records| exact_list(records, after, limit))
    }

    async fn bill_paid(&self, payment: BillPayment, now: u64) -> Result<BillOutcome, BooksError> {
        bill_answered(self.run(Task::PayBill(payment), now).await?)
    }

    async fn bill_payment(&self, agent: &AgentId, period: &Period) -> Result<Option<BillPayment>, BooksError> {
        self.readers.read(|records| bill_payment(records, agent, period))
    }
}
