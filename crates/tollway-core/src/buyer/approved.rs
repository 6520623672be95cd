//! Approval: an offer that was checked against the budget. Nothing else can be signed.

use std::sync::Arc;

use tollway_protocol::{Amount, Dress, Network, Reason, Refusal};

use super::audit::Journal;
use super::budget::{Budget, Held};
use super::shelf::Shelf;
use crate::clock::Clock;
use crate::offer::Offer;
use crate::scheme::deferred::{Limit, Promise, cloudflare, requirements};

/// A buyer: its budget, its log, the offers it holds.
pub struct Buyer {
    /// Money.
    pub budget: Budget,
    /// Log.
    pub journal: Arc<dyn Journal>,
    /// Offers at hand.
    pub shelf: Shelf,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The dress it speaks.
    pub dress: Dress,
    /// The networks on which it lets itself be billed.
    pub network: Network,
}

/// One offer, one amount, money held: checked once, signed as it is. No text of the seller's
/// reaches the decision.
#[must_use = "an approval holds money"]
pub struct Approved {
    offer: Arc<Offer>,
    promise: Promise,
    held: Held,
}

impl Buyer {
    /// Approves paying for one request under an offer.
    ///
    /// # Errors
    /// `resource_mismatch` when the offer is another seller's or does not cover the request,
    /// `offer_expired`, `unsupported_scheme` when it is not sold in the buyer's dress,
    /// `asset_mismatch` for anything but US dollars in micro-dollars, `over_max_price`,
    /// `budget_exhausted`.
    pub fn approve(&self, offer: &Arc<Offer>, seller: &str, method: &str, path: &str) -> Result<Approved, Refusal> {
        let document = offer.document();
        offer.in_window(self.clock.now())?;
        if document.seller != seller || !offer.covers(method, path) {
            return Err(Refusal::new(Reason::ResourceMismatch, "the offer does not cover this request"));
        }
        if !document.ways.contains(&self.dress) {
            return Err(Refusal::new(Reason::UnsupportedScheme, "the seller does not sell in this dress"));
        }
        // The budget counts micro-dollars: an offer in anything else cannot be compared with it.
        if document.asset.as_str() != "USD" || document.scale.get() != 6 {
            return Err(Refusal::new(Reason::AssetMismatch, "the budget is in micro-dollars, the offer is not"));
        }
        let promise = self.promise(offer)?;
        let held = self.budget.hold(document.amount)?;
        Ok(Approved { promise, offer: Arc::clone(offer), held })
    }

    fn promise(&self, offer: &Offer) -> Result<Promise, Refusal> {
        let document = offer.document();
        let names_offer = !matches!(self.dress, Dress::Crawl | Dress::Cloudflare);
        let accepted = match self.dress {
            Dress::X402 | Dress::Mcp => Some(requirements(offer, &self.network)),
            Dress::Cloudflare => Some(cloudflare::requirements(offer).ok_or_else(|| {
                Refusal::new(Reason::UnsupportedScheme, "this dress has whole cents only, and the price is none")
            })?),
            Dress::Handshake | Dress::Crawl => None,
        };
        Ok(Promise {
            dress: self.dress,
            offer: names_offer.then(|| offer.id()),
            limit: Some(Limit::Exact(document.amount)),
            asset: Some(document.asset.clone()),
            network: names_offer.then(|| self.network.clone()),
            accepted: accepted.map(Box::new),
        })
    }
}

impl Approved {
    /// The offer.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// What will be promised.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// What may be charged.
    pub fn amount(&self) -> Amount {
        self.held.amount()
    }

    /// It was signed: from now on the money moves only by a definite outcome.
    pub fn promised(self) -> Self {
        Self { held: self.held.promise(), ..self }
    }

    /// It will not be charged.
    pub fn returned(self) {
        self.held.give_back();
    }

    /// It was charged.
    pub fn spent(self) {
        self.held.spend();
    }

    /// It is not known whether it was charged.
    pub fn unknown(self) {
        self.held.keep();
    }
}
