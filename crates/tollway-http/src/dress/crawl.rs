//! The pay-per-crawl dress: prices in plain fields.

use tollway_core::scheme::deferred::{Limit, Promise};
use tollway_protocol::{Asset, CrawlerCommitment, Dress, Price, Reason, Refusal, Scale, header};

pub(super) fn read(field: &str, text: &str) -> Result<Promise, Refusal> {
    let commitment = if field == header::CRAWLER_EXACT_PRICE {
        CrawlerCommitment::decode(Some(text), None)?
    } else {
        CrawlerCommitment::decode(None, Some(text))?
    };
    let (limit, asset) = match commitment {
        Some(CrawlerCommitment::Exact(price)) => (Limit::Exact(price.amount), price.asset),
        Some(CrawlerCommitment::Max(price)) => (Limit::AtMost(price.amount), price.asset),
        None => return Err(Refusal::new(Reason::MalformedPayment, "the price field is empty")),
    };
    Ok(Promise {
        dress: Dress::Crawl,
        offer: None,
        limit: Some(limit),
        asset: Some(asset),
        network: None,
        accepted: None,
    })
}

pub(super) fn write(promise: &Promise) -> Result<(&'static str, String), Refusal> {
    let asset = promise.asset.clone().unwrap_or_else(Asset::usd);
    let scale = Scale::of(&asset);
    let scale = scale.ok_or_else(|| Refusal::new(Reason::AssetMismatch, "pay per crawl names no such asset"))?;
    let commitment = match promise.limit {
        Some(Limit::Exact(amount)) => CrawlerCommitment::Exact(Price { amount, asset, scale }),
        Some(Limit::AtMost(amount)) => CrawlerCommitment::Max(Price { amount, asset, scale }),
        None => return Err(Refusal::new(Reason::NoMatchingOffer, "pay per crawl names a price")),
    };
    Ok(commitment.encode())
}
