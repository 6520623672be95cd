//! Micro-dollars as people read them.

use tollway_protocol::{Amount, Asset, Price, Scale};

/// `$0.0120`: dollars, at least two decimals, no more than needed.
pub(crate) fn dollars(amount: Amount) -> String {
    let price = Price { amount, asset: Asset::usd(), scale: Scale::MICRO };
    format!("${}", price.to_decimal())
}
