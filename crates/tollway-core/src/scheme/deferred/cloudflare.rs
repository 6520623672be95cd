//! The published form of the deferred way on `cloudflare:402` (x402, batch-settlement): whole cents,
//! a constant `payTo`, no offer id. What is sold stays an offer of ours; only its spelling differs.

use std::num::NonZeroU64;

use serde_json::{Map, Value};
use tollway_protocol::{Amount, Network, PaymentRequirements};

use super::BATCH_SETTLEMENT;
use crate::offer::Offer;

/// Who is paid, in that form.
pub const MERCHANT: &str = "merchant";
/// Version under `extra` of its requirements.
const VERSION: &str = "1.0.0";
/// Micro-dollars in a cent.
const CENT: u128 = 10_000;

/// An amount of micro-dollars in cents; `None` where it is not whole.
pub fn cents(micro: Amount) -> Option<Amount> {
    micro.get().is_multiple_of(CENT).then(|| Amount::new(micro.get() / CENT))
}

/// An amount of cents in micro-dollars; `None` where that is too much to count.
pub fn from_cents(cents: Amount) -> Option<Amount> {
    cents.get().checked_mul(CENT).map(Amount::new)
}

/// An offer in the published form; `None` where its price is not in whole cents of USD.
pub fn requirements(offer: &Offer) -> Option<PaymentRequirements> {
    let document = offer.document();
    if document.asset.as_str() != "USD" || document.scale.get() != 6 {
        return None;
    }
    Some(PaymentRequirements {
        scheme: BATCH_SETTLEMENT.to_owned(),
        network: Network::cloudflare(),
        amount: cents(document.amount)?,
        asset: document.asset.clone(),
        pay_to: MERCHANT.to_owned(),
        max_timeout_seconds: NonZeroU64::new(document.not_after - document.not_before).unwrap_or(NonZeroU64::MIN),
        extra: Some(Map::from_iter([("version".to_owned(), Value::from(VERSION))])),
        rest: Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_cents_have_this_form() {
        assert_eq!(cents(Amount::new(10_000)), Some(Amount::new(1)));
        assert_eq!(cents(Amount::new(2_000)), None);
        assert_eq!(cents(Amount::new(10_001)), None);
        assert_eq!(from_cents(Amount::new(5)), Some(Amount::new(50_000)));
        assert_eq!(from_cents(Amount::new(u128::MAX)), None);
    }
}
