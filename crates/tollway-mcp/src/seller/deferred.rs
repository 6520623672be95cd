//! A call that is owed on a bill: the promise is a signed document that names the call.

use tollway_core::scheme::deferred::{Called, Commitment, PresentedCommitment};
use tollway_core::seller::{Admission, Known, Purchase, Seller};
use tollway_protocol::{Dress, PaymentPayload, Reason, Refusal};

use super::running::{Running, Sale};
use super::{Order, SaleId, Step, ToolSeller, demands, receipts};

impl ToolSeller {
    pub(super) async fn buy_later(&self, order: Order, payment: &PaymentPayload) -> Result<Step, Refusal> {
        let seller = &self.shared.seller;
        let takes = order.entry.rule().charge_terms().is_some_and(|charge| charge.dresses.contains(&Dress::Mcp));
        if !takes {
            return Err(Refusal::new(Reason::UnsupportedScheme, "this is not sold on a bill"));
        }
        if payment.resource.as_ref().is_some_and(|resource| resource.url != order.url) {
            return Err(Refusal::new(Reason::ResourceMismatch, "the payment names another resource"));
        }
        let presented = PresentedCommitment::of_payment(payment)?;
        presented.is_for(Called { resource: &order.url, arguments: order.arguments })?;
        let promise = presented.promise(&payment.accepted)?;
        check_terms(seller, presented.claims())?;
        let identified = seller.identify_commitment(&presented, seller.now()).await?;
        let purchase = Purchase {
            rule: std::sync::Arc::clone(order.entry.rule()),
            promise,
            identified,
            method: order.kind().method().to_owned(),
            url: order.url.clone(),
            content_digest: Some(order.digest()),
        };
        self.admit_promise(order, purchase).await
    }

    async fn admit_promise(&self, order: Order, purchase: Purchase) -> Result<Step, Refusal> {
        let seller = &self.shared.seller;
        let deadline = tokio::time::Instant::now() + self.shared.options.copies_wait;
        loop {
            match seller.admit(&purchase, seller.now()).await? {
                // A tool may have effects: the claim is durable before it runs.
                Admission::Fresh(verified) => {
                    let sale = Sale::Promise(Box::new(verified.claim().await?));
                    return Ok(Step::Run(Box::new(Running::new(self.clone(), order, sale))));
                }
                Admission::Known(known) => return self.known_promise(order, *known).await,
                Admission::Wait(landing) => tokio::time::timeout_at(deadline, landing.wait())
                    .await
                    .map_err(|_| Refusal::new(Reason::ReplayPending, "the same promise is still being served"))?,
            }
        }
    }

    /// A promise that was sold before gets what it bought, as often as the rule says, and then its receipt only.
    async fn known_promise(&self, order: Order, known: Known) -> Result<Step, Refusal> {
        Seller::expect_sold(&known.recorded)?;
        let seller = &self.shared.seller;
        let receipt = receipts::of_promise(&seller.receipt_again(&known.recorded));
        let kept = self.shared.results.hand(SaleId::Promise(known.recorded.id), seller.now()).await;
        let answer = kept.map_or_else(
            || demands::plainly_refused(order.kind(), &Reason::AlreadyDelivered.into()),
            super::Answer::Result,
        );
        Ok(Step::Answer(demands::with_receipt(answer, &receipt, order.v1)))
    }
}

/// The terms that a buyer signed are those of the offer; an offer that is gone is refused where offers are matched.
fn check_terms(seller: &Seller, claims: &Commitment) -> Result<(), Refusal> {
    let offer = claims.offer.parse().ok().and_then(|id| seller.offer_by_id(id));
    let Some(offer) = offer else { return Ok(()) };
    let terms = offer.document().terms.as_ref().map(|terms| terms.hash);
    if claims.terms != terms {
        return Err(Refusal::new(Reason::NoMatchingOffer, "the commitment was signed for other terms of sale"));
    }
    Ok(())
}
