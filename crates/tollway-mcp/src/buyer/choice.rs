//! Which of the ways a tool's server offers is taken. Only schemes, networks, assets and amounts decide; no text of the
//! server's does.

use std::sync::Arc;

use tollway_core::buyer::exact::{Ceilings, Wallet};
use tollway_core::scheme::deferred::BATCH_SETTLEMENT;
use tollway_protocol::{Amount, Network, PaymentRequirements, Reason, Refusal};

use super::promiser::Promiser;

/// Scheme of what is paid at once.
const EXACT: &str = "exact";
/// Key of `extra` that says when money moves, and the flows that are understood.
const FLOW: &str = "paymentFlow";
const FLOWS: [&str; 2] = ["authorization", "upfront"];
/// Ways of a demand that are looked at.
const WAYS_MAX: usize = 64;

/// By which means a buyer pays. Without any nothing is paid.
#[derive(Clone, Default)]
pub struct Means {
    /// Pays at once, by the exact scheme.
    pub wallet: Option<Arc<dyn Wallet>>,
    /// Promises to pay the bill of the day.
    pub promiser: Option<Arc<Promiser>>,
}

/// What a buyer takes first where several ways are within its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preference {
    /// This scheme before others.
    pub scheme: Option<String>,
    /// This network before others, among ways of equal standing by scheme.
    pub network: Option<Network>,
}

/// The one way that is going to be paid. It is chosen, checked, shown and signed as this value.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    requirements: PaymentRequirements,
    price: Amount,
    kind: Kind,
}

/// How it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// At once.
    Exact,
    /// With the bill of the day.
    Deferred,
}

impl Chosen {
    /// As the server wrote it.
    #[must_use]
    pub fn requirements(&self) -> &PaymentRequirements {
        &self.requirements
    }

    /// What it costs, in micro-dollars.
    #[must_use]
    pub fn price(&self) -> Amount {
        self.price
    }

    /// How it is paid.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// The way to take: the preferred scheme first, then the preferred network, then the cheapest, then the first.
///
/// # Errors
/// The refusal of the way that came closest: `unsupported_scheme` before `invalid_network` before `asset_mismatch`
/// before any other before `over_max_price`.
pub(super) fn choose(
    accepts: &[PaymentRequirements],
    means: &Means,
    ceilings: &Ceilings,
    preference: &Preference,
) -> Result<Chosen, Refusal> {
    let mut best: Option<Chosen> = None;
    let mut closest = Refusal::new(Reason::UnsupportedScheme, "nothing that is offered can be paid from here");
    for offered in accepts.iter().take(WAYS_MAX) {
        match candidate(offered, means, ceilings) {
            Ok(chosen) if best.as_ref().is_none_or(|best| preference.rank(&chosen) < preference.rank(best)) => {
                best = Some(chosen);
            }
            Ok(_) => {}
            Err(refusal) if closeness(refusal.reason) > closeness(closest.reason) => closest = refusal,
            Err(_) => {}
        }
    }
    best.ok_or(closest)
}

impl Preference {
    /// Less is better.
    fn rank(&self, chosen: &Chosen) -> (bool, bool, Amount) {
        let way = &chosen.requirements;
        let other_scheme = self.scheme.as_ref().is_some_and(|scheme| *scheme != way.scheme);
        let other_network = self.network.as_ref().is_some_and(|network| *network != way.network);
        (other_scheme, other_network, chosen.price)
    }
}

fn candidate(offered: &PaymentRequirements, means: &Means, ceilings: &Ceilings) -> Result<Chosen, Refusal> {
    let kind = match (offered.scheme.as_str(), &means.wallet, &means.promiser) {
        (EXACT, Some(wallet), _) => {
            flow(offered)?;
            wallet.can_sign(offered)?;
            Kind::Exact
        }
        (BATCH_SETTLEMENT, _, Some(promiser)) => {
            promiser.can_promise(offered)?;
            Kind::Deferred
        }
        _ => return Err(Refusal::new(Reason::UnsupportedScheme, "the scheme is not spoken here")),
    };
    Ok(Chosen { price: ceilings.price(offered)?, requirements: offered.clone(), kind })
}

fn flow(offered: &PaymentRequirements) -> Result<(), Refusal> {
    let flow = offered.extra(FLOW).map(|flow| flow.as_str().unwrap_or_default());
    if flow.is_some_and(|flow| !FLOWS.contains(&flow)) {
        return Err(Refusal::new(Reason::UnsupportedScheme, "the payment's flow is not spoken here"));
    }
    Ok(())
}

fn closeness(reason: Reason) -> u8 {
    match reason {
        Reason::UnsupportedScheme => 0,
        Reason::UnsupportedNetwork => 1,
        Reason::AssetMismatch => 2,
        Reason::OverMaxPrice => 4,
        _ => 3,
    }
}
