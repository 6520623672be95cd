//! The exact ways of an offer, and their form in x402's words.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tollway_ledger::PaymentFlow;
use tollway_protocol::{Amount, Asset, Network, PaymentRequirements, Scale};

use super::{EXACT, EXTRA_FLOW, EXTRA_OFFER, GasSponsoring, IdentifierWish, OPEN_MAX};
use crate::offer::Offer;
use crate::scheme::deferred::EXTRA_PASS;

/// One network and asset in which a rule's price may be paid at once.
///
/// Members are in alphabetic order, as those of the offer document that lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactWay {
    /// The price, in atomic units of `asset`.
    pub amount: Amount,
    /// What is paid.
    pub asset: Asset,
    /// What the scheme needs besides: the name and version of a token's signing domain, the
    /// transfer method.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// When the money moves.
    pub flow: PaymentFlow,
    /// Where it settles.
    pub network: Network,
    /// Who is paid, as the network writes it.
    pub pay_to: String,
    /// Digits after the point in the asset's ordinary unit.
    pub scale: Scale,
    /// How an approval that this way needs may come along with the payment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sponsoring: Vec<GasSponsoring>,
}

/// What a rule says of exact payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactTerms {
    /// The ways, best first.
    pub ways: Vec<ExactWay>,
    /// Whether a payment may, or must, carry an identifier of its purchase.
    pub identifier: Option<IdentifierWish>,
}

/// What the JSON body of a 402 holds. It never mixes kinds: clients of version 1 read every entry
/// with a closed schema and give up at the first stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DemandBody {
    /// Version 1 where the rule has a way that version 1 can name and no signature agent asks;
    /// else the deferred offer.
    #[default]
    Auto,
    /// Version 1 wherever it can be said.
    V1,
    /// The deferred offer.
    Deferred,
}

/// A way as x402 v2 payment requirements. The same offer always gives the same requirements, so
/// that what a client echoes can be compared.
pub fn requirements(offer: &Offer, way: &ExactWay) -> PaymentRequirements {
    let document = offer.document();
    let mut asked = bare_requirements(way, document.not_after - document.not_before);
    let extra = asked.extra.get_or_insert_default();
    extra.insert(EXTRA_OFFER.to_owned(), offer.id().to_string().into());
    if let Some(pass) = document.pass {
        extra.insert(EXTRA_PASS.to_owned(), json!({"requests": pass.requests, "seconds": pass.seconds}));
    }
    asked
}

/// The same without the offer's name.
pub(super) fn bare_requirements(way: &ExactWay, lifetime: u64) -> PaymentRequirements {
    let mut extra = way.extra.clone();
    if way.flow == PaymentFlow::Upfront {
        extra.insert(EXTRA_FLOW.to_owned(), "upfront".into());
    }
    PaymentRequirements {
        scheme: EXACT.to_owned(),
        network: way.network.clone(),
        amount: way.amount,
        asset: way.asset.clone(),
        pay_to: way.pay_to.clone(),
        max_timeout_seconds: NonZeroU64::new(lifetime.min(OPEN_MAX)).unwrap_or(NonZeroU64::MIN),
        extra: Some(extra),
        rest: Map::new(),
    }
}
