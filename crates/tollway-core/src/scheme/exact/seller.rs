//! Strikes the bargain: finds the offer, and the way of it, that a payment answers.

use std::sync::Arc;

use tollway_protocol::{Asset, PaymentRequirements, Reason, Refusal};

use super::way::bare_requirements;
use super::{ExactFacts, ExactPayment, ExactScheme, ExactWay, requirements};
use crate::offer::{Offer, OfferId, OfferPress};

/// An offer and a payment that agree.
pub(crate) struct Struck {
    /// The offer.
    pub(crate) offer: Arc<Offer>,
    /// The way of it that was taken.
    pub(crate) way: ExactWay,
    /// The same in x402's words, as it was asked for.
    pub(crate) requirements: PaymentRequirements,
}

/// Where offers are found.
#[derive(Clone, Copy)]
pub(crate) enum Shelf<'a> {
    /// Those of the rules.
    Press(&'a OfferPress),
    /// Those of one bill, newest first.
    Bill(&'a [Arc<Offer>]),
}

impl<'a> Shelf<'a> {
    fn current(self, rule_id: &str, now: u64) -> Option<Arc<Offer>> {
        match self {
            Self::Press(press) => press.current(rule_id, now),
            Self::Bill(offers) => offers.first().cloned(),
        }
    }

    fn in_window(self, rule_id: &'a str, now: u64) -> Box<dyn Iterator<Item = Arc<Offer>> + 'a> {
        match self {
            Self::Press(press) => Box::new(press.in_window(rule_id, now)),
            Self::Bill(offers) => Box::new(offers.iter().filter(move |offer| offer.in_window(now).is_ok()).cloned()),
        }
    }

    fn find(self, rule_id: &str, id: OfferId, now: u64) -> Option<Arc<Offer>> {
        match self {
            Self::Press(press) => press.find(rule_id, id, now),
            Self::Bill(offers) => offers.iter().find(|offer| offer.id() == id).cloned(),
        }
    }
}

/// In which assets a payment may have been made. Version 2 says it; of version 1 it is known only
/// from what was offered on its network.
pub(crate) fn candidates(shelf: Shelf<'_>, rule_id: &str, payment: &ExactPayment, now: u64) -> Vec<Asset> {
    if let Some(accepted) = payment.accepted() {
        return vec![accepted.asset.clone()];
    }
    let mut assets: Vec<Asset> = Vec::new();
    for offer in shelf.current(rule_id, now).into_iter().chain(shelf.in_window(rule_id, now)) {
        let way = first_on(&offer, payment);
        if let Some(way) = way.filter(|way| !assets.contains(&way.asset)) {
            assets.push(way.asset.clone());
        }
    }
    assets
}

/// Matches a payment with the offers of the rule that decides its request.
///
/// # Errors
/// `offer_unknown`, `offer_expired`, `no_matching_offer`, `amount_mismatch`, `pay_to_mismatch`.
pub(crate) fn strike(
    shelf: Shelf<'_>,
    scheme: &dyn ExactScheme,
    rule_id: &str,
    payment: &ExactPayment,
    (asset, facts): (&Asset, &ExactFacts),
    now: u64,
) -> Result<Struck, Refusal> {
    let struck = match (payment.accepted(), payment.offer()?) {
        (Some(accepted), Some(id)) => {
            let offer = shelf.find(rule_id, id, now);
            let offer = offer.ok_or_else(|| refuse(Reason::OfferUnknown, "no offer of this resource has this id"))?;
            offer.in_window(now)?;
            let way = offer.document().exact.iter().find(|way| requirements(&offer, way).is_echoed_by(accepted));
            way.cloned().map(|way| (offer, way))
        }
        (Some(accepted), None) => shelf.in_window(rule_id, now).find_map(|offer| {
            let life = offer.document().not_after - offer.document().not_before;
            let way = offer.document().exact.iter().find(|way| bare_requirements(way, life).is_echoed_by(accepted));
            way.cloned().map(|way| (offer, way))
        }),
        (None, _) => shelf.in_window(rule_id, now).find_map(|offer| {
            let way = first_on(&offer, payment).filter(|way| way.asset == *asset && way.amount == facts.amount);
            way.cloned().map(|way| (offer, way))
        }),
    };
    let (offer, way) = struck.ok_or_else(|| {
        refuse(Reason::NoMatchingOffer, "the payment does not answer any offer of this resource that is still open")
    })?;
    if facts.amount != way.amount {
        return Err(refuse(Reason::AmountMismatch, "the payment moves another amount than the price"));
    }
    if !scheme.same_address(&way.network, &facts.pay_to, &way.pay_to) {
        return Err(refuse(Reason::PayToMismatch, "the payment pays somebody else"));
    }
    let requirements = requirements(&offer, &way);
    Ok(Struck { offer, way, requirements })
}

/// Of version 1 only the first way of a network is offered, because its payments do not say which.
fn first_on<'a>(offer: &'a Offer, payment: &ExactPayment) -> Option<&'a ExactWay> {
    offer.document().exact.iter().find(|way| way.network == *payment.network())
}

fn refuse(reason: Reason, detail: &'static str) -> Refusal {
    Refusal::new(reason, detail)
}
