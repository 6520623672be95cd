//! What a buyer promises, whatever dress it came in, and what a seller asks for in x402's words.

use std::num::NonZeroU64;

use serde_json::{Map, Value, json};
use tollway_protocol::{Amount, Asset, Dress, Network, PaymentRequirements};

use super::{BATCH_SETTLEMENT, EXTRA_DECIMALS, EXTRA_OFFER, EXTRA_PASS};
use crate::offer::{Offer, OfferId};

/// A decoded commitment. Nothing in it is believed until it equals an offer and its signature
/// has been verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Promise {
    /// The dress it came in.
    pub dress: Dress,
    /// The offer it names; pay per crawl names none.
    pub offer: Option<OfferId>,
    /// What the buyer is willing to owe; `None` where the offer alone says it.
    pub limit: Option<Limit>,
    /// In what; `None` where the offer alone says it.
    pub asset: Option<Asset>,
    /// On which network; `None` where the dress names none.
    pub network: Option<Network>,
    /// The requirements chosen, in the x402 dress.
    pub accepted: Option<Box<PaymentRequirements>>,
}

/// How much a buyer signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// This amount and no other.
    Exact(Amount),
    /// The price, as long as it is no more than this.
    AtMost(Amount),
}

/// An offer as x402 v2 payment requirements. The same offer always gives the same requirements,
/// so that what a client echoes can be compared.
pub fn requirements(offer: &Offer, network: &Network) -> PaymentRequirements {
    let document = offer.document();
    let mut extra = Map::new();
    extra.insert(EXTRA_DECIMALS.to_owned(), Value::from(document.scale.get()));
    extra.insert(EXTRA_OFFER.to_owned(), Value::from(offer.id().to_string()));
    if let Some(pass) = document.pass {
        extra.insert(EXTRA_PASS.to_owned(), json!({"requests": pass.requests, "seconds": pass.seconds}));
    }
    if let Some(terms) = &document.terms {
        extra.insert("termsUrl".to_owned(), Value::from(terms.url.clone()));
    }
    PaymentRequirements {
        scheme: BATCH_SETTLEMENT.to_owned(),
        network: network.clone(),
        amount: document.amount,
        asset: document.asset.clone(),
        pay_to: document.seller.clone(),
        max_timeout_seconds: NonZeroU64::new(document.not_after - document.not_before).unwrap_or(NonZeroU64::MIN),
        extra: Some(extra),
        rest: Map::new(),
    }
}
