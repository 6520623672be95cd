//! A call that may run, with its payment held: it is settled when the call has served, and given back when it has not.
//! Both happen in a task of their own, which no cancelled request can stop.

use std::future::Future;

use serde_json::{Map, Value};
use tokio::task::JoinError;
use tollway_core::seller::{ExactVerified, Paid, Settling, Verified};
use tollway_ledger::{Delivery, Hash};
use tollway_protocol::{Actor, Reason, Refusal};

use super::exact::pending;
use super::receipts::{self, Paying};
use super::{Answer, Order, SaleId, ToolSeller, demands};

/// The right to run a call once. Dropped, it gives the payment back; one that has settled already is owed back.
#[must_use = "a call that may run is finished with what it gave"]
pub struct Running {
    shop: ToolSeller,
    order: Order,
    sale: Option<Sale>,
}

/// What holds the payment.
pub(super) enum Sale {
    Promise(Box<Verified>),
    Payment(Box<ExactVerified>),
    /// It has moved already.
    Paid(Box<Paid>),
}

impl Running {
    pub(super) fn new(shop: ToolSeller, order: Order, sale: Sale) -> Self {
        Self { shop, order, sale: Some(sale) }
    }

    /// Who pays: the URL of an agent, or an address of a network.
    #[must_use]
    pub fn payer(&self) -> &str {
        match &self.sale {
            Some(Sale::Promise(verified)) => verified.payer(),
            Some(Sale::Payment(verified)) => verified.payer(),
            Some(Sale::Paid(paid)) => &paid.receipt.payer,
            None => "",
        }
    }

    /// Runs the call and finishes it. Once begun, it ends also when whoever waits for it is gone. A call that takes
    /// longer than it may is dropped, and costs nothing.
    pub async fn run<F>(self, call: F) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let kind = self.order.kind();
        let window = self.shop.shared.options.run_window;
        let running = async move {
            match tokio::time::timeout(window, call).await {
                Ok(given) => self.settled(given).await,
                Err(_) => {
                    let refusal = Refusal::new(Reason::UpstreamTimeout, "the call did not end in time");
                    self.settled(demands::plainly_refused(kind, &refusal)).await
                }
            }
        };
        tokio::spawn(running).await.unwrap_or_else(|error| broke_off(kind, &error))
    }

    /// Finishes a call that somebody else has run: settles and adds the receipt, or gives the payment back.
    pub async fn finish(self, given: Answer) -> Answer {
        let kind = self.order.kind();
        tokio::spawn(self.settled(given)).await.unwrap_or_else(|error| broke_off(kind, &error))
    }

    async fn settled(mut self, given: Answer) -> Answer {
        let sale = self.sale.take().expect("a sale is taken once, here or when it is dropped");
        match served(given) {
            Ok(result) => match sale {
                Sale::Promise(verified) => self.post(*verified, result).await,
                Sale::Payment(verified) => self.settle(*verified, result).await,
                Sale::Paid(paid) => self.hand_paid(&paid, result).await,
            },
            Err(given) => {
                let paid = match &sale {
                    Sale::Paid(paid) => Some(receipts::of_payment(&paid.receipt)),
                    Sale::Promise(_) | Sale::Payment(_) => None,
                };
                self.shop.give_back(sale).await;
                paid.map_or(given.clone(), |receipt| demands::with_receipt(given, &receipt, self.order.v1))
            }
        }
    }

    /// The debt is written down. Where that fails the result is kept: the same promise gets it, once it stands.
    async fn post(&self, verified: Verified, result: Map<String, Value>) -> Answer {
        let id = SaleId::Promise(verified.id());
        let more = verified.rule().charge_terms().map_or(0, |charge| if charge.live { 0 } else { charge.re_serves });
        self.keep_if_it_can(id, &result, more).await;
        match verified.settle(delivery(&result)).await {
            Ok(receipt) => {
                self.shop.shared.results.handed(id).await;
                demands::with_receipt(Answer::Result(result), &receipts::of_promise(&receipt), self.order.v1)
            }
            Err(refusal) if refusal.reason.actor() == Actor::Payer => {
                self.shop.shared.results.forget(id).await;
                self.refused(&refusal)
            }
            Err(refusal) => {
                tracing::error!(%refusal, "it is not known whether a sale was posted");
                let detail = "whether this call was charged is not known yet; call again with the same payment";
                demands::plainly_refused(self.order.kind(), &Refusal::new(Reason::OutcomeUnknown, detail))
            }
        }
    }

    /// The result is kept before the money moves: what could not be given to its buyer later is not sold.
    async fn settle(&self, verified: ExactVerified, result: Map<String, Value>) -> Answer {
        let id = SaleId::Payment(verified.id());
        let paying = Paying { network: verified.network().clone(), payer: verified.payer().to_owned() };
        let handings = handings(&verified);
        if let Err(refusal) = self.keep(id, &result, handings).await {
            self.shop.give_back(Sale::Payment(Box::new(verified))).await;
            return self.refused(&refusal);
        }
        match verified.settle(delivery(&result)).await {
            Ok(Settling::Settled(paid)) => {
                self.shop.shared.results.handed(id).await;
                demands::with_receipt(Answer::Result(result), &receipts::of_payment(&paid.receipt), self.order.v1)
            }
            Ok(Settling::Refused { code, transaction }) => {
                self.shop.shared.results.forget(id).await;
                self.shop.not_settled(&self.order, &paying, &code, transaction.as_deref())
            }
            Ok(Settling::Unknown { transaction, detail }) => {
                tracing::warn!(detail, "the outcome of a payment is not known");
                pending(&self.order, &paying, transaction.as_deref())
            }
            // Nobody was asked to settle: the claim is given back by the clock.
            Err(refusal) => {
                self.shop.shared.results.forget(id).await;
                self.refused(&refusal)
            }
        }
    }

    async fn hand_paid(&self, paid: &Paid, result: Map<String, Value>) -> Answer {
        let id = SaleId::Payment(paid.receipt.id);
        self.keep_if_it_can(id, &result, 1).await;
        self.shop.shared.results.handed(id).await;
        demands::with_receipt(Answer::Result(result), &receipts::of_payment(&paid.receipt), self.order.v1)
    }

    async fn keep(&self, id: SaleId, result: &Map<String, Value>, more: u8) -> Result<(), Refusal> {
        let now = self.shop.shared.seller.now();
        self.shop.shared.results.keep(id, result, more.saturating_add(1), now).await
    }

    async fn keep_if_it_can(&self, id: SaleId, result: &Map<String, Value>, more: u8) {
        if let Err(refusal) = self.keep(id, result, more).await {
            tracing::warn!(%refusal, "a result is not kept: a lost answer is lost");
            self.shop.shared.results.forget(id).await;
        }
    }

    fn refused(&self, refusal: &Refusal) -> Answer {
        demands::refused(&self.shop.shared.seller, &self.order.entry, &self.order.name, refusal)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(sale) = self.sale.take() else { return };
        let shop = self.shop.clone();
        // Without a runtime the claim ends by the clock.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { shop.give_back(sale).await });
        }
    }
}

impl ToolSeller {
    /// Nothing was served: nothing is charged, and what has moved is owed back.
    async fn give_back(&self, sale: Sale) {
        let given = match sale {
            Sale::Promise(verified) => verified.release().await,
            Sale::Payment(verified) => verified.release().await,
            Sale::Paid(paid) => {
                self.shared.results.forget(SaleId::Payment(paid.receipt.id)).await;
                self.shared.seller.owe_refund(&paid.receipt.id, "the call failed after it was paid").await
            }
        };
        if let Err(refusal) = given {
            tracing::error!(%refusal, "a payment could not be given back; its claim ends by the clock");
        }
    }
}

pub(super) fn finished<T>(joined: Result<Result<T, Refusal>, JoinError>) -> Result<T, Refusal> {
    joined.unwrap_or_else(|_| Err(Refusal::new(Reason::Internal, "a task of the seller broke off")))
}

fn broke_off(kind: crate::kind::Kind, error: &JoinError) -> Answer {
    tracing::error!(%error, "a call broke off");
    demands::plainly_refused(kind, &Refusal::new(Reason::Internal, "the call broke off; nothing was charged for it"))
}

/// What a buyer pays for: a result that is no error and asks for nothing more. The handle of a task is one: what the
/// task gives is collected without another call. Everything else is passed on and costs nothing.
fn served(given: Answer) -> Result<Map<String, Value>, Answer> {
    let is_served = |result: &Map<String, Value>| {
        let asks = result.get("resultType").is_some_and(|kind| kind == "input_required");
        result.get("isError") != Some(&Value::Bool(true)) && !asks
    };
    match given {
        Answer::Result(result) if is_served(&result) => Ok(result),
        other => Err(other),
    }
}

/// How often a result may be handed out beside the first time. A payment that has settled is public on its network, a
/// buyer's identifier is not: without one a repeat is answered once, for an answer that was lost.
fn handings(verified: &ExactVerified) -> u8 {
    match verified.rule().charge_terms() {
        Some(charge) if charge.live => 0,
        Some(charge) if verified.has_identifier() => charge.re_serves,
        _ => 1,
    }
}

fn delivery(result: &Map<String, Value>) -> Delivery {
    let json = serde_json::to_vec(result).expect("a JSON object has text keys");
    Delivery { status: 200, validator: None, digest: Some(Hash::of(&json)), bytes: u64::try_from(json.len()).ok() }
}
