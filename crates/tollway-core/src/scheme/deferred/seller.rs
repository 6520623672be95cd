//! Strikes the bargain: finds the offer that a promise answers and says what it costs.

use std::sync::Arc;

use tollway_ledger::PriceProof;
use tollway_protocol::{Amount, Dress, Network, PaymentRequirements, Reason, Refusal};

use super::cloudflare;
use super::payload::{Limit, Promise, requirements};
use crate::offer::{Offer, OfferPress};

/// An offer and a promise that agree.
#[derive(Debug, Clone)]
pub struct Bargain {
    /// The offer.
    pub offer: Arc<Offer>,
    /// What is owed.
    pub amount: Amount,
    /// How the amount can be proved later.
    pub proof: PriceProof,
}

/// Matches a promise with the offers of the rule that decides its request.
///
/// # Errors
/// `offer_unknown`, `offer_expired`, `no_matching_offer`, `invalid_network`, `asset_mismatch`,
/// `amount_too_low`, `amount_mismatch`.
pub(crate) fn strike(
    press: &OfferPress,
    rule_id: &str,
    promise: &Promise,
    network: &Network,
    now: u64,
) -> Result<Bargain, Refusal> {
    if promise.network.as_ref().is_some_and(|named| named != network) {
        return Err(refuse(Reason::UnsupportedNetwork, "this network is not offered here"));
    }
    let bargain = match promise.offer {
        Some(id) => {
            let offer = press
                .find(rule_id, id, now)
                .ok_or_else(|| refuse(Reason::OfferUnknown, "no offer of this resource has this id"))?;
            offer.in_window(now)?;
            named(offer, promise)?
        }
        None => unnamed(press, rule_id, promise, now)?,
    };
    check_asset(&bargain.offer, promise)?;
    if let Some(accepted) = &promise.accepted {
        let ours = match promise.dress {
            Dress::Cloudflare => cloudflare::requirements(&bargain.offer),
            _ => Some(requirements(&bargain.offer, network)),
        };
        let ours = ours.ok_or_else(|| refuse(Reason::NoMatchingOffer, "this price is not in whole cents"))?;
        check_echo(&ours, accepted)?;
    }
    Ok(bargain)
}

/// The promise names its offer: only the amount remains to be compared.
fn named(offer: Arc<Offer>, promise: &Promise) -> Result<Bargain, Refusal> {
    let amount = offer.document().amount;
    let proof = match promise.limit {
        None => PriceProof::SignedOffer,
        Some(Limit::Exact(signed)) if signed == amount => PriceProof::BuyerSigned,
        Some(Limit::AtMost(ceiling)) if ceiling >= amount => PriceProof::SignedOffer,
        Some(Limit::Exact(signed) | Limit::AtMost(signed)) => return Err(off_price(signed, amount)),
    };
    Ok(Bargain { offer, amount, proof })
}

/// The promise names only a price: an exact one may be that of any offer still in its window, a
/// ceiling buys at today's price.
fn unnamed(press: &OfferPress, rule_id: &str, promise: &Promise, now: u64) -> Result<Bargain, Refusal> {
    let today =
        press.current(rule_id, now).ok_or_else(|| refuse(Reason::NoMatchingOffer, "this resource has no offer"))?;
    let price = today.document().amount;
    match promise.limit {
        None => Err(refuse(Reason::NoMatchingOffer, "the commitment names neither offer nor price")),
        Some(Limit::Exact(signed)) => {
            let offer = press.in_window(rule_id, now).find(|offer| offer.document().amount == signed);
            let offer = offer.ok_or_else(|| not_the_price(signed, price))?;
            Ok(Bargain { offer, amount: signed, proof: PriceProof::BuyerSigned })
        }
        Some(Limit::AtMost(ceiling)) if ceiling >= price => {
            Ok(Bargain { offer: today, amount: price, proof: PriceProof::CeilingOnly })
        }
        Some(Limit::AtMost(ceiling)) => Err(off_price(ceiling, price)),
    }
}

fn check_asset(offer: &Offer, promise: &Promise) -> Result<(), Refusal> {
    match &promise.asset {
        Some(asset) if *asset != offer.document().asset => {
            Err(refuse(Reason::AssetMismatch, "the commitment is in another asset than the offer"))
        }
        _ => Ok(()),
    }
}

/// x402 v2 matching: all core fields equal, and everything we put under `extra` came back.
fn check_echo(ours: &PaymentRequirements, accepted: &PaymentRequirements) -> Result<(), Refusal> {
    if ours.pay_to != accepted.pay_to {
        return Err(refuse(Reason::PayToMismatch, "`accepted.payTo` is not who is paid here"));
    }
    if ours.is_echoed_by(accepted) {
        Ok(())
    } else {
        Err(refuse(Reason::NoMatchingOffer, "`accepted` does not equal the requirements that were offered"))
    }
}

fn off_price(signed: Amount, price: Amount) -> Refusal {
    if signed < price {
        refuse(Reason::AmountTooLow, format!("signed for {signed} where the price is {price}"))
    } else {
        not_the_price(signed, price)
    }
}

fn not_the_price(signed: Amount, price: Amount) -> Refusal {
    refuse(Reason::AmountMismatch, format!("signed for exactly {signed} where the price is {price}"))
}

fn refuse(reason: Reason, detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(reason, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::RulesVersion;
    use crate::rules::{Rule, RuleSet};
    use tollway_protocol::Asset;
    use tollway_signatures::PrivateKey;

    const NOON: u64 = 1_800_000_000;

    fn press(today: &str, yesterday: Option<&str>) -> OfferPress {
        let version =
            |price: &str, from| RulesVersion::of(&RuleSet::new(vec![], vec![Rule::charge("r", "/r/*", price)]), from);
        let earlier = yesterday.map(|price| version(price, NOON - 1_000)).into_iter().collect();
        OfferPress::new(
            "https://s.example".into(),
            PrivateKey::from_seed([1; 32]).into(),
            version(today, NOON),
            earlier,
        )
    }

    fn crawl(limit: Limit) -> Promise {
        Promise {
            dress: Dress::Crawl,
            offer: None,
            limit: Some(limit),
            asset: Some(Asset::usd()),
            network: None,
            accepted: None,
        }
    }

    fn check(press: &OfferPress, promise: &Promise) -> Result<(u128, PriceProof), Reason> {
        strike(press, "r", promise, &Network::tollway(), NOON + 10)
            .map(|bargain| (bargain.amount.get(), bargain.proof))
            .map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_price_alone_finds_its_offer() {
        let press = press("$0.02", Some("$0.01"));
        let exact = |atomic| crawl(Limit::Exact(Amount::new(atomic)));
        let at_most = |atomic| crawl(Limit::AtMost(Amount::new(atomic)));
        assert_eq!(check(&press, &exact(20_000)), Ok((20_000, PriceProof::BuyerSigned)));
        assert_eq!(
            check(&press, &exact(10_000)),
            Ok((10_000, PriceProof::BuyerSigned)),
            "an older quote still in its window"
        );
        assert_eq!(check(&press, &exact(15_000)), Err(Reason::AmountMismatch));
        assert_eq!(check(&press, &exact(30_000)), Err(Reason::AmountMismatch));
        assert_eq!(check(&press, &at_most(30_000)), Ok((20_000, PriceProof::CeilingOnly)));
        assert_eq!(check(&press, &at_most(19_999)), Err(Reason::AmountTooLow));
    }

    #[test]
    fn threat_12_an_altered_echo_is_refused() {
        let press = press("$0.02", None);
        let offer = press.current("r", NOON).unwrap();
        let ours = requirements(&offer, &Network::tollway());
        let promise = |accepted: PaymentRequirements| Promise {
            dress: Dress::X402,
            offer: Some(offer.id()),
            limit: Some(Limit::Exact(accepted.amount)),
            asset: Some(accepted.asset.clone()),
            network: Some(accepted.network.clone()),
            accepted: Some(Box::new(accepted)),
        };
        assert_eq!(check(&press, &promise(ours.clone())), Ok((20_000, PriceProof::BuyerSigned)));
        let altered = |change: fn(&mut PaymentRequirements)| {
            let mut copy = ours.clone();
            change(&mut copy);
            check(&press, &promise(copy)).unwrap_err()
        };
        assert_eq!(altered(|r| r.amount = Amount::new(1)), Reason::AmountTooLow);
        assert_eq!(altered(|r| r.asset = "EUR".parse().unwrap()), Reason::AssetMismatch);
        assert_eq!(altered(|r| r.network = Network::cloudflare()), Reason::UnsupportedNetwork);
        assert_eq!(altered(|r| r.pay_to = "https://evil.example".into()), Reason::PayToMismatch);
        assert_eq!(altered(|r| r.max_timeout_seconds = 7.try_into().unwrap()), Reason::NoMatchingOffer);
        assert_eq!(altered(|r| r.scheme = "exact".into()), Reason::NoMatchingOffer);
        assert_eq!(
            altered(|r| {
                r.extra.as_mut().unwrap().remove("decimals");
            }),
            Reason::NoMatchingOffer
        );
    }

    #[test]
    fn threat_12_an_offer_of_another_rule_buys_nothing() {
        let press = press("$0.02", None);
        let mut promise = crawl(Limit::Exact(Amount::new(20_000)));
        promise.offer = Some(press.current("r", NOON).unwrap().id());
        let refusal = strike(&press, "other", &promise, &Network::tollway(), NOON).unwrap_err();
        assert_eq!(refusal.reason, Reason::OfferUnknown);
    }
}
