//! Claims that a crash left behind are given back when their window has ended.

use std::time::Duration;

use tollway_core::seller::Seller;

/// How often the books are looked through.
const EVERY: Duration = Duration::from_secs(30);

/// Looks the books through for claims whose window has ended, until it is dropped.
pub async fn expire_claims(seller: Seller) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        match seller.books().expire_claims(seller.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "claims expired uncharged"),
            Err(error) => tracing::warn!(%error, "claims were not looked through"),
        }
    }
}
