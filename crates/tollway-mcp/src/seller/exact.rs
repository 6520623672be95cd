//! A call that is paid at once: the call runs and the payment settles (`authorization`), or the payment settles and the
//! call runs (`upfront`). What is not known is asked about again, and never a demand.

use serde_json::Map;
use tollway_core::scheme::exact::ExactPayment;
use tollway_core::seller::{ExactAdmission, ExactKnown, ExactPurchase, ExactVerified, Paid, Settling};
use tollway_ledger::{Delivery, ExactState, PaymentFlow};
use tollway_protocol::{Reason, Refusal};

use super::receipts::{self, Paying};
use super::running::{Running, Sale, finished};
use super::{Answer, Order, SaleId, Step, ToolSeller, demands};

impl ToolSeller {
    pub(super) async fn buy_at_once(&self, order: Order, payment: ExactPayment) -> Result<Step, Refusal> {
        let seller = &self.shared.seller;
        let purchase = ExactPurchase {
            rule: std::sync::Arc::clone(order.entry.rule()),
            payment,
            method: order.kind().method().to_owned(),
            url: order.url.clone(),
            content_digest: Some(order.digest()),
        };
        let deadline = tokio::time::Instant::now() + self.shared.options.copies_wait;
        loop {
            match seller.admit_exact(&purchase, seller.now()).await? {
                ExactAdmission::Fresh(verified) => return self.fresh(order, *verified).await,
                ExactAdmission::Known(known) => return self.known_payment(order, *known).await.map(Step::Answer),
                ExactAdmission::Wait(landing) => tokio::time::timeout_at(deadline, landing.wait())
                    .await
                    .map_err(|_| Refusal::new(Reason::ReplayPending, "the same payment is still being worked on"))?,
            }
        }
    }

    async fn fresh(&self, order: Order, verified: ExactVerified) -> Result<Step, Refusal> {
        match verified.flow() {
            PaymentFlow::Authorization => {
                let sale = Sale::Payment(Box::new(verified));
                Ok(Step::Run(Box::new(Running::new(self.clone(), order, sale))))
            }
            PaymentFlow::Upfront => finished(tokio::spawn(self.clone().settle_first(order, verified)).await),
        }
    }

    /// The money moves before the call runs. An empty result is kept meanwhile: who finds it knows that a call was begun
    /// and never seen to end.
    async fn settle_first(self, order: Order, verified: ExactVerified) -> Result<Step, Refusal> {
        let id = SaleId::Payment(verified.id());
        let paying = Paying { network: verified.network().clone(), payer: verified.payer().to_owned() };
        if let Err(refusal) = self.shared.results.keep(id, &Map::new(), 1, self.shared.seller.now()).await {
            verified.release().await?;
            return Err(refusal);
        }
        match verified.settle(Delivery::default()).await {
            Ok(Settling::Settled(paid)) => Ok(Step::Run(Box::new(Running::new(self.clone(), order, Sale::Paid(paid))))),
            Ok(Settling::Refused { code, transaction }) => {
                self.shared.results.forget(id).await;
                Ok(Step::Answer(self.not_settled(&order, &paying, &code, transaction.as_deref())))
            }
            Ok(Settling::Unknown { transaction, detail }) => {
                tracing::warn!(detail, "the outcome of a payment is not known");
                Ok(Step::Answer(pending(&order, &paying, transaction.as_deref())))
            }
            // Nobody was asked to settle.
            Err(refusal) => {
                self.shared.results.forget(id).await;
                Err(refusal)
            }
        }
    }

    async fn known_payment(&self, order: Order, known: ExactKnown) -> Result<Answer, Refusal> {
        let paying = Paying::of(&known.record.sale);
        let transaction = known.record.transaction.clone();
        match known.record.state {
            ExactState::Settled => match known.paid() {
                Ok(paid) => self.collect(&order, paid).await,
                Err(_) => Ok(pending(&order, &paying, transaction.as_deref())),
            },
            ExactState::RefundOwed => match known.paid() {
                Ok(paid) => Ok(refund_owed(&order, &paid)),
                Err(_) => Ok(pending(&order, &paying, transaction.as_deref())),
            },
            ExactState::Unknown => self.ask_again(order, known, &paying).await,
            // Nobody here works on it: another process does, or one that is gone did.
            ExactState::Claimed => Ok(pending(&order, &paying, None)),
            ExactState::Failed => {
                let code = known.record.reason.clone().unwrap_or_default();
                Ok(self.not_settled(&order, &paying, &code, transaction.as_deref()))
            }
            ExactState::Released => {
                let detail = "this payment was given back without being settled; sign a new one";
                Err(Refusal::new(Reason::ReplayMismatch, detail))
            }
        }
    }

    async fn ask_again(&self, order: Order, known: ExactKnown, paying: &Paying) -> Result<Answer, Refusal> {
        let id = SaleId::Payment(known.record.sale.id);
        let transaction = known.record.transaction.clone();
        let status = if self.shared.results.has(id) { 200 } else { 0 };
        match known.ask_again(Delivery { status, ..Delivery::default() }).await? {
            Settling::Settled(paid) => self.collect(&order, *paid).await,
            Settling::Refused { code, transaction } => {
                self.shared.results.forget(id).await;
                Ok(self.not_settled(&order, paying, &code, transaction.as_deref()))
            }
            Settling::Unknown { transaction: named, detail } => {
                tracing::warn!(detail, "the outcome of a payment is still not known");
                Ok(pending(&order, paying, named.or(transaction).as_deref()))
            }
        }
    }

    /// What was paid for and not handed out yet; else the receipt.
    async fn collect(&self, order: &Order, paid: Paid) -> Result<Answer, Refusal> {
        let receipt = receipts::of_payment(&paid.receipt);
        let id = SaleId::Payment(paid.receipt.id);
        let answer = match self.shared.results.hand(id, self.shared.seller.now()).await {
            Some(begun) if begun.is_empty() => {
                let reason = "the seller stopped while the call ran";
                self.shared.seller.owe_refund(&paid.receipt.id, reason).await?;
                return Ok(refund_owed(order, &paid));
            }
            Some(result) => Answer::Result(result),
            None => demands::plainly_refused(order.kind(), &Reason::AlreadyDelivered.into()),
        };
        Ok(demands::with_receipt(answer, &receipt, order.v1))
    }

    /// It will not settle; another payment may.
    pub(super) fn not_settled(&self, order: &Order, paying: &Paying, code: &str, transaction: Option<&str>) -> Answer {
        let refusal = Refusal::new(Reason::PaymentRefused, code.to_owned());
        let answer = demands::refused(&self.shared.seller, &order.entry, &order.name, &refusal);
        demands::with_receipt(answer, &receipts::of_failure(paying, code, transaction), order.v1)
    }
}

/// Not known yet: the same payment, sent again, gets the outcome. It is no demand.
pub(super) fn pending(order: &Order, paying: &Paying, transaction: Option<&str>) -> Answer {
    let reason = Reason::SettlementPending;
    let answer = demands::plainly_refused(order.kind(), &reason.into());
    demands::with_receipt(answer, &receipts::of_failure(paying, reason.code(), transaction), order.v1)
}

/// Paid, and nothing was served for it.
fn refund_owed(order: &Order, paid: &Paid) -> Answer {
    let answer = demands::plainly_refused(order.kind(), &Reason::RefundOwed.into());
    demands::with_receipt(answer, &receipts::of_payment(&paid.receipt), order.v1)
}
