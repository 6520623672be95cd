//! A verified payment, and what becomes of it. Only this can be settled, and only once: it is spent by
//! being moved. The books say "handed to a facilitator" before a facilitator is asked.

use std::sync::Arc;

use tollway_ledger::{Delivery, ExactOutcome, ExactSale, PaymentFlow, PaymentId};
use tollway_protocol::{Amount, FacilitatorRequest, Network, PaymentRequirements, Reason, Refusal};

use super::admit::{ExactKnown, ExactPurchase};
use super::{ExactParts, ExactReceipt, from_books};
use crate::facilitator::PaymentState;
use crate::rules::Rule;
use crate::scheme::exact::{ExactFacts, Judged, judge};
use crate::seller::Seller;
use crate::seller::flights::Flight;

/// The right to be served once, for a payment that a facilitator has verified and that the books
/// hold claimed for this request. Dropping it leaves the claim, which expires unsettled.
#[must_use = "a verified payment is settled or released"]
pub struct ExactVerified {
    seller: Seller,
    sale: ExactSale,
    request: FacilitatorRequest,
    rule: Arc<Rule>,
    flight: Flight<PaymentId>,
}

/// The three answers of a settlement.
pub enum Settling {
    /// Paid: durable in the books.
    Settled(Box<Paid>),
    /// Not paid, and it will not be.
    Refused {
        /// The facilitator's code.
        code: String,
        /// A reverted transfer still has an id.
        transaction: Option<String>,
    },
    /// Not known; the claim is kept, and whoever asks again with the same payment is told.
    Unknown {
        /// The transfer, where one was named.
        transaction: Option<String>,
        /// For the log.
        detail: String,
    },
}

/// A settled payment. While it is held, copies of its request wait.
pub struct Paid {
    /// What the seller says of it.
    pub receipt: ExactReceipt,
    _flight: Option<Flight<PaymentId>>,
}

impl ExactVerified {
    /// The one constructor: called where the books have just made the claim.
    pub(super) fn assertion(
        seller: Seller,
        sale: ExactSale,
        request: FacilitatorRequest,
        purchase: &ExactPurchase,
        flight: Flight<PaymentId>,
    ) -> Self {
        Self { seller, sale, request, rule: Arc::clone(&purchase.rule), flight }
    }

    /// Id of the payment.
    pub fn id(&self) -> PaymentId {
        self.sale.id
    }

    /// What is paid, in atomic units.
    pub fn amount(&self) -> Amount {
        self.sale.amount
    }

    /// Who pays, as the network writes it.
    pub fn payer(&self) -> &str {
        &self.sale.payer
    }

    /// Where it settles.
    pub fn network(&self) -> &Network {
        &self.sale.network
    }

    /// When the money moves.
    pub fn flow(&self) -> PaymentFlow {
        self.sale.flow
    }

    /// The rule that decided.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Whether the buyer named its purchase.
    pub fn has_identifier(&self) -> bool {
        self.sale.identifier.is_some()
    }

    /// Settles. Must run to its end once begun: a gate calls it in a task of its own, which no
    /// dropped connection can cancel.
    ///
    /// # Errors
    /// The books' reason, when "handed to a facilitator" could not be written: nobody was asked.
    pub async fn settle(self, delivery: Delivery) -> Result<Settling, Refusal> {
        let Self { seller, sale, request, flight, .. } = self;
        let exact = seller.exact_parts()?;
        let handed = ExactOutcome::Unknown { transaction: None };
        exact.books.exact_outcome(&sale.id, handed, seller.now()).await.map_err(from_books)?;
        Ok(seller.ask_to_settle(&sale, &request, delivery, true, Some(flight)).await)
    }

    /// Gives the claim back: nothing was served and nothing will be settled.
    ///
    /// # Errors
    /// The books' reason; the claim expires by itself.
    pub async fn release(self) -> Result<(), Refusal> {
        let exact = self.seller.exact_parts()?;
        let now = self.seller.now();
        exact.books.exact_outcome(&self.sale.id, ExactOutcome::Released, now).await.map_err(from_books)?;
        Ok(())
    }
}

impl ExactKnown {
    /// Asks the facilitator again about a payment whose outcome is not known.
    ///
    /// # Errors
    /// `invalid_payload` when the books hold no payment that can be read.
    pub async fn ask_again(self, delivery: Delivery) -> Result<Settling, Refusal> {
        let Self { record, seller, flight } = self;
        let request = FacilitatorRequest::decode(record.sale.payment.as_bytes())?;
        Ok(seller.ask_to_settle(&record.sale, &request, delivery, false, flight).await)
    }

    /// The receipt, where it was paid. While the result is held, copies of the request wait.
    ///
    /// # Errors
    /// The record itself, where it was not paid.
    pub fn paid(self) -> Result<Paid, Box<Self>> {
        match ExactReceipt::again(&self.record) {
            Some(receipt) => Ok(Paid { receipt, _flight: self.flight }),
            None => Err(Box::new(self)),
        }
    }
}

impl Seller {
    /// Notes that a payment settled and nothing was served for it: the seller owes it back.
    ///
    /// # Errors
    /// The books' reason.
    pub async fn owe_refund(&self, id: &PaymentId, reason: &str) -> Result<(), Refusal> {
        let outcome = ExactOutcome::RefundOwed { reason: reason.to_owned() };
        self.exact_parts()?.books.exact_outcome(id, outcome, self.now()).await.map_err(from_books)?;
        Ok(())
    }

    async fn ask_to_settle(
        &self,
        sale: &ExactSale,
        request: &FacilitatorRequest,
        delivery: Delivery,
        fresh: bool,
        flight: Option<Flight<PaymentId>>,
    ) -> Settling {
        let judged = match self.ask(sale, request, fresh).await {
            // It was sent and is not seen yet: one repeat, as the reference does.
            Judged::Unknown { transaction: Some(_), .. } => self.ask(sale, request, false).await,
            other => other,
        };
        self.write_down(sale, judged, delivery, flight).await
    }

    async fn ask(&self, sale: &ExactSale, request: &FacilitatorRequest, fresh: bool) -> Judged {
        let Some(exact) = self.exact() else {
            return Judged::Unknown { transaction: None, detail: "exact payments are no longer taken".to_owned() };
        };
        let facts = ExactFacts {
            id: sale.id,
            payer: sale.payer.clone(),
            pay_to: sale.pay_to.clone(),
            amount: sale.amount,
            expires: sale.expires,
        };
        let ours = &request.payment_requirements;
        let judged = match exact.facilitator.settle(request).await {
            Ok(answer) => judge(answer, exact.scheme.as_ref(), ours, &facts, fresh),
            Err(error) => Judged::Unknown { transaction: None, detail: error.to_string() },
        };
        match judged {
            Judged::Unknown { .. } if !fresh => recorded(exact, ours, &facts).await.unwrap_or(judged),
            known => known,
        }
    }

    /// What was learnt goes into the books before anybody else hears of it.
    async fn write_down(
        &self,
        sale: &ExactSale,
        judged: Judged,
        delivery: Delivery,
        flight: Option<Flight<PaymentId>>,
    ) -> Settling {
        let known_transaction = match &judged {
            Judged::Settled { transaction } => Some(transaction.clone()),
            Judged::Refused { transaction, .. } | Judged::Unknown { transaction, .. } => transaction.clone(),
        };
        let outcome = match &judged {
            Judged::Settled { transaction } => ExactOutcome::Settled { transaction: transaction.clone(), delivery },
            Judged::Refused { code, transaction } => {
                ExactOutcome::Failed { reason: code.clone(), transaction: transaction.clone() }
            }
            Judged::Unknown { transaction, .. } => ExactOutcome::Unknown { transaction: transaction.clone() },
        };
        let written = match self.exact_parts() {
            Ok(exact) => exact.books.exact_outcome(&sale.id, outcome, self.now()).await.map_err(|e| e.to_string()),
            Err(refusal) => Err(refusal.to_string()),
        };
        match (written, judged) {
            (Ok(posting), Judged::Settled { transaction }) => {
                let receipt = ExactReceipt::of(sale, transaction, &posting);
                Settling::Settled(Box::new(Paid { receipt, _flight: flight }))
            }
            (Ok(_), Judged::Refused { code, transaction }) => Settling::Refused { code, transaction },
            (_, Judged::Unknown { transaction, detail }) => Settling::Unknown { transaction, detail },
            // The outcome is known to us and not to the books: whoever asks again learns it again.
            (Err(detail), _) => Settling::Unknown { transaction: known_transaction, detail },
        }
    }
}

/// What the facilitator has on record, where it keeps one: there "the nonce is used" is not the echo of
/// our own first attempt.
async fn recorded(exact: &ExactParts, ours: &PaymentRequirements, facts: &ExactFacts) -> Option<Judged> {
    let status = exact.facilitator.status(&facts.id.to_string()).await.ok()??;
    let same_payer = exact.scheme.same_address(&ours.network, &status.payer, &facts.payer);
    if status.network != ours.network || !same_payer || status.amount != facts.amount {
        return None;
    }
    match status.state {
        PaymentState::Settled => status.transaction.map(|transaction| Judged::Settled { transaction }),
        PaymentState::Failed => Some(Judged::Refused {
            code: status.reason.unwrap_or_else(|| Reason::PaymentRefused.code().to_owned()),
            transaction: status.transaction,
        }),
        PaymentState::Claimed | PaymentState::Pending | PaymentState::Unknown => None,
    }
}
