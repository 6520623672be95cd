//! From a settled payment to a paid bill. The two are two lines of the books; what a crash leaves
//! between them is mended when the seller starts and when the bill is looked at.

use std::sync::atomic::Ordering;

use tollway_ledger::{BillOutcome, BillPayment, ExactSale, ExactState, Statement, StatementFilter};
use tollway_protocol::{Amount, Refusal};

use super::Attempt;
use super::attempt::last_attempt;
use crate::seller::exact::{ExactReceipt, from_books};
use crate::seller::{Seller, unavailable};

/// How the books name payments of this kind; the network follows.
const RAIL: &str = "exact";

/// What became of a bill whose payment has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaidOff {
    /// The books say that it is paid, by this payment.
    Paid,
    /// It was paid otherwise meanwhile: the seller owes this payment back.
    RefundOwed,
}

impl Seller {
    /// Records that a bill was paid by a settled payment; again changes nothing.
    ///
    /// # Errors
    /// The books' reason; the same payment, sent again, is recorded then.
    pub async fn pay_off(&self, statement: &Statement, receipt: &ExactReceipt) -> Result<PaidOff, Refusal> {
        let payment = BillPayment {
            agent: statement.agent.clone(),
            period: statement.period,
            amount: statement.payable,
            rail: format!("{RAIL} {}", receipt.network),
            // One transaction may carry several payments.
            reference: format!("{}#{}", receipt.transaction, receipt.id),
        };
        let outcome = self.exact_parts()?.books.bill_paid(payment, self.now()).await;
        match outcome {
            Ok(BillOutcome::Paid(_) | BillOutcome::Known(_)) => Ok(PaidOff::Paid),
            Ok(BillOutcome::Refused(_)) => {
                self.owe_refund(&receipt.id, "the bill was paid otherwise meanwhile").await?;
                Ok(PaidOff::RefundOwed)
            }
            Err(error) => {
                self.shared.memory.bills_looked_at.store(false, Ordering::SeqCst);
                Err(from_books(error))
            }
        }
    }

    /// The same for whatever sale has settled: most pay no bill.
    pub(in crate::seller) async fn pay_off_sale(
        &self,
        sale: &ExactSale,
        receipt: &ExactReceipt,
    ) -> Result<(), Refusal> {
        let attempt = sale.identifier.as_deref().and_then(|text| text.parse::<Attempt>().ok());
        let Some(attempt) = attempt else { return Ok(()) };
        if let Some(statement) = self.statement_at(attempt.statement).await? {
            self.pay_off(&statement, receipt).await?;
        }
        Ok(())
    }

    /// Mends a bill whose payment has settled and which the books call unpaid, or paid otherwise.
    ///
    /// # Errors
    /// The books' reason.
    pub async fn mend_bill(&self, statement: &Statement) -> Result<Option<PaidOff>, Refusal> {
        let done = statement.paid.as_ref().is_some_and(|paid| paid.rail.starts_with(RAIL));
        if done || statement.payable == Amount::ZERO {
            return Ok(None);
        }
        let (_, last) = last_attempt(self.exact_parts()?, statement.sequence).await?;
        let settled = last.filter(|record| record.state == ExactState::Settled);
        match settled.as_ref().and_then(ExactReceipt::again) {
            Some(receipt) => self.pay_off(statement, &receipt).await.map(Some),
            None => Ok(None),
        }
    }

    /// Mends all bills, once after a start and once after the books have failed.
    pub(in crate::seller) async fn mend_bills(&self) -> Result<(), Refusal> {
        if self.shared.memory.bills_looked_at.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let mended = self.mend_each().await;
        if mended.is_err() {
            self.shared.memory.bills_looked_at.store(false, Ordering::SeqCst);
        }
        mended
    }

    async fn mend_each(&self) -> Result<(), Refusal> {
        let statements = self.books().statements(StatementFilter::default()).await;
        for statement in statements.map_err(|error| unavailable(&error))? {
            self.mend_bill(&statement).await?;
        }
        Ok(())
    }
}
