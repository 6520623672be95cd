//! The pay-per-crawl dress: prices in plain fields.

use tollway_core::scheme::deferred::{Limit, Promise};
use tollway_protocol::{Amount, Asset, Dress, Price, Reason, Refusal, Scale, header};

pub(super) fn read(field: &str, text: &str) -> Result<Promise, Refusal> {
    let price = Price::parse_crawler(text).map_err(|error| Refusal::new(Reason::PriceMalformed, error.to_string()))?;
    let limit =
        if field == header::CRAWLER_EXACT_PRICE { Limit::Exact(price.amount) } else { Limit::AtMost(price.amount) };
    Ok(Promise {
        dress: Dress::Crawl,
        offer: None,
        limit: Some(limit),
        asset: Some(price.asset),
        network: None,
        accepted: None,
    })
}

pub(super) fn write(promise: &Promise) -> Result<(&'static str, String), Refusal> {
    let asset = promise.asset.clone().unwrap_or_else(Asset::usd);
    let scale =
        Scale::of(&asset).ok_or_else(|| Refusal::new(Reason::AssetMismatch, "pay per crawl names no such asset"))?;
    let text = |amount: Amount| Price { amount, asset: asset.clone(), scale }.to_crawler();
    match promise.limit {
        Some(Limit::Exact(amount)) => Ok((header::CRAWLER_EXACT_PRICE, text(amount))),
        Some(Limit::AtMost(ceiling)) => Ok((header::CRAWLER_MAX_PRICE, text(ceiling))),
        None => Err(Refusal::new(Reason::NoMatchingOffer, "pay per crawl names a price")),
    }
}
