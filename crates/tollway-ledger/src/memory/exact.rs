//! The books of exact payments, in memory.

use async_trait::async_trait;

use super::MemoryBooks;
use crate::answers::{bill_answered, exact_claimed, exact_went_on};
use crate::apply::Command;
use crate::books::BooksError;
use crate::exact::{BillOutcome, BillPayment, ExactBooks, ExactClaim, ExactOutcome, ExactRecord, ExactSale};
use crate::id::{AgentId, PaymentId, Sequence};
use crate::moves::{MoveBooks, Moves, moves};
use crate::period::Period;
use crate::read::exact::{bill_payment, exact_by_identifier, exact_list, exact_lookup, exact_open};
use crate::sale::Posting;

#[async_trait]
impl MoveBooks for MemoryBooks {
    async fn moves(&self, after: Sequence, limit: usize) -> Result<Moves, BooksError> {
        moves(&mut *self.records(), after, limit)
    }
}

#[async_trait]
impl ExactBooks for MemoryBooks {
    async fn exact_claim(&self, sale: ExactSale, now: u64) -> Result<ExactClaim, BooksError> {
        exact_claimed(self.run(None, None, Command::ExactClaim(&sale), now)?)
    }

    async fn exact_outcome(&self, id: &PaymentId, outcome: ExactOutcome, now: u64) -> Result<Posting, BooksError> {
        exact_went_on(self.run(None, None, Command::ExactOutcome(id, &outcome), now)?)
    }

    async fn exact_lookup(&self, id: &PaymentId) -> Result<Option<ExactRecord>, BooksError> {
        exact_lookup(&mut *self.records(), id)
    }

    async fn exact_by_identifier(&self, identifier: &str) -> Result<Option<ExactRecord>, BooksError> {
        exact_by_identifier(&mut *self.records(), identifier)
    }

    async fn exact_open(&self, limit: usize) -> Result<Vec<ExactRecord>, BooksError> {
        exact_open(&mut *self.records(), limit)
    }

    async fn exact_list(&self, after: Sequence, limit: usize) -> Result<Vec<ExactRecord>, BooksError> {
        exact_list(&mut *self.records(), after, limit)
    }

    async fn bill_paid(&self, payment: BillPayment, now: u64) -> Result<BillOutcome, BooksError> {
        bill_answered(self.run(Some(&payment.agent), None, Command::PayBill(&payment), now)?)
    }

    async fn bill_payment(&self, agent: &AgentId, period: &Period) -> Result<Option<BillPayment>, BooksError> {
        bill_payment(&mut *self.records(), agent, period)
    }
}
