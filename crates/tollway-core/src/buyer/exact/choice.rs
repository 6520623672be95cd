//! Which of the ways a seller offers is taken. Only amounts, networks, assets and schemes decide;
//! no text of the seller's does.

use tollway_protocol::{Amount, PaymentRequirements, Reason, Refusal};

use super::ceilings::Ceilings;
use super::wallet::Wallet;

/// The scheme.
const EXACT: &str = "exact";
/// Key of `extra` that says when money moves, and the flows that are understood.
const FLOW: &str = "paymentFlow";
const FLOWS: [&str; 2] = ["authorization", "upfront"];

/// A way to pay that is within the ceilings of one payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// As the seller wrote it.
    pub requirements: PaymentRequirements,
    /// What it costs, in micro-dollars.
    pub price: Amount,
}

/// The cheapest way that the wallet can sign and the ceilings allow; among equals the first.
///
/// # Errors
/// The refusal of the way that came closest: `unsupported_scheme` before `invalid_network` before
/// `asset_mismatch` before `over_max_price`.
pub fn choose(accepts: &[PaymentRequirements], wallet: &dyn Wallet, ceilings: &Ceilings) -> Result<Choice, Refusal> {
    let mut best: Option<Choice> = None;
    let mut closest = Refusal::new(Reason::UnsupportedScheme, "nothing that is offered can be paid from this wallet");
    for requirements in accepts {
        match candidate(requirements, wallet, ceilings) {
            Ok(price) if best.as_ref().is_none_or(|best| price < best.price) => {
                best = Some(Choice { requirements: requirements.clone(), price });
            }
            Ok(_) => {}
            Err(refusal) if closeness(refusal.reason) > closeness(closest.reason) => closest = refusal,
            Err(_) => {}
        }
    }
    best.ok_or(closest)
}

fn candidate(offer: &PaymentRequirements, wallet: &dyn Wallet, ceilings: &Ceilings) -> Result<Amount, Refusal> {
    let flow = offer.extra(FLOW).map(|flow| flow.as_str().unwrap_or_default());
    if offer.scheme != EXACT || flow.is_some_and(|flow| !FLOWS.contains(&flow)) {
        return Err(Refusal::new(Reason::UnsupportedScheme, "the scheme or its payment flow is not spoken here"));
    }
    let price = ceilings.price(offer)?;
    wallet.can_sign(offer)?;
    Ok(price)
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
