//! A payment that the books know: its recorded outcome, whatever has changed since; where that is not
//! known, the facilitator is asked again.

use bytes::Bytes;
use http::{Request, Response};
use tollway_core::seller::{ExactKnown, Paid, Settling};
use tollway_ledger::{Delivery, ExactState};
use tollway_protocol::{Reason, Refusal};

use super::Buying;
use super::answers::Subject;
use super::kept::Kept;
use crate::body::Body;
use crate::gate::Outcome;
use crate::gate::service::Gate;

impl Gate {
    pub(super) async fn known_exact(
        self,
        known: ExactKnown,
        buying: Buying,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let subject = Subject::of(&known.record.sale);
        match known.record.state {
            ExactState::Settled => match known.paid() {
                Ok(paid) => self.collect(paid, buying, request).await,
                Err(known) => Ok(self.pending(&subject, known.record.transaction.as_deref(), &buying)),
            },
            ExactState::RefundOwed => match known.paid() {
                Ok(paid) => Ok(self.refund_owed(&paid.receipt, &buying)),
                Err(known) => Ok(self.pending(&subject, known.record.transaction.as_deref(), &buying)),
            },
            ExactState::Unknown => self.ask_again(known, &subject, buying, request).await,
            // Nobody here works on it: another process does, or one that is gone did.
            ExactState::Claimed => Ok(self.pending(&subject, None, &buying)),
            ExactState::Failed => {
                let record = &known.record;
                let code = record.reason.as_deref().unwrap_or_default();
                Ok(self.not_settled(&subject, code, record.transaction.as_deref(), &buying))
            }
            ExactState::Released => {
                let detail = "this payment was given back without being settled; sign a new one";
                Err(Refusal::new(Reason::ReplayMismatch, detail))
            }
        }
    }

    async fn ask_again(
        &self,
        known: ExactKnown,
        subject: &Subject,
        buying: Buying,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let id = known.record.sale.id;
        let delivery = match self.shared.spool.borrow(id).await {
            Some((kept, _given_back)) => kept.delivery(),
            None => Delivery::default(),
        };
        let transaction = known.record.transaction.clone();
        match known.ask_again(delivery).await? {
            Settling::Settled(paid) => {
                self.shared.counters.count(Some(&paid.receipt.rule), Outcome::SoldAtOnce);
                self.collect(*paid, buying, request).await
            }
            Settling::Refused { code, transaction } => {
                self.shared.spool.forget(&id);
                Ok(self.not_settled(subject, &code, transaction.as_deref(), &buying))
            }
            Settling::Unknown { transaction: named, detail } => {
                tracing::warn!(%id, detail, "the outcome of a payment is still not known");
                Ok(self.pending(subject, named.or(transaction).as_deref(), &buying))
            }
        }
    }

    /// What was paid for and not delivered yet; else the receipt.
    async fn collect(&self, paid: Paid, buying: Buying, request: Request<Bytes>) -> Result<Response<Body>, Refusal> {
        let Some((kept, lent)) = self.shared.spool.borrow(paid.receipt.id).await else {
            if self.shared.spool.is_lent(&paid.receipt.id) {
                // It is being delivered; where that breaks off it can be collected after all.
                return Err(Refusal::new(Reason::ReplayPending, "the answer is being delivered"));
            }
            return Ok(self.exact_receipt_only(&paid.receipt, &buying));
        };
        match kept {
            Kept::Answer(answer) => {
                self.shared.counters.count(Some(&paid.receipt.rule), Outcome::Replayed);
                Ok(self.hand(answer, lent, &paid.receipt, &buying))
            }
            Kept::Runs(0) => {
                lent.discard();
                Ok(self.exact_receipt_only(&paid.receipt, &buying))
            }
            Kept::Runs(runs) => self.run_paid(paid, (runs, lent), buying, request).await,
            Kept::Begun => {
                let reason = "the seller stopped while its handler ran";
                self.shared.seller.owe_refund(&paid.receipt.id, reason).await?;
                lent.discard();
                Ok(self.refund_owed(&paid.receipt, &buying))
            }
        }
    }
}
