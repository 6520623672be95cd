//! What a seller files in its books before it sells: its key, and the rules as they stand, so that every version
//! of a price stays provable and an older quote is honoured until it ends.

use std::sync::Arc;

use tollway_ledger::{Books, BooksError, DocumentKind};
use tollway_signatures::PrivateKey;

use crate::offer::{LIFETIME_MAX, OfferPress, RulesVersion};
use crate::rules::RuleSet;

/// Why a seller cannot begin to sell.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The books cannot be asked or written.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// What they hold of earlier rules does not read back.
    #[error("the books hold rules that cannot be read")]
    Rules(#[source] serde_json::Error),
}

/// Files the public half of the seller's key.
///
/// # Errors
/// When the books cannot be written.
pub async fn file_seller_key(books: &dyn Books, key: &PrivateKey, now: u64) -> Result<(), OpeningError> {
    let jwk = super::credit::jwk(&key.public());
    books.document_put(DocumentKind::SellerKey, &key.public().thumbprint().to_string(), jwk, now).await?;
    Ok(())
}

/// A press for today's rules, which are filed, and for those of the last day: an older quote is honoured until it ends.
///
/// # Errors
/// When the books cannot be asked or written, or hold rules that cannot be read.
pub async fn press(
    rules: &RuleSet,
    books: &dyn Books,
    origin: &str,
    key: &Arc<PrivateKey>,
    now: u64,
) -> Result<OfferPress, OpeningError> {
    let filed = books.documents(DocumentKind::Rules, 0).await?;
    let mut versions: Vec<RulesVersion> = Vec::new();
    for document in filed {
        versions.push(serde_json::from_slice(&document.body).map_err(OpeningError::Rules)?);
    }
    versions.sort_by_key(|version| version.from);
    let mut today = RulesVersion::of(rules, now);
    match versions.pop() {
        Some(last) if last.fingerprint() == today.fingerprint() => today = last,
        last => {
            versions.extend(last);
            let id = format!("{:010}-{}", today.from, today.fingerprint());
            let body = serde_json::to_vec(&today).expect("priced rules are plain data");
            books.document_put(DocumentKind::Rules, &id, body, now).await?;
        }
    }
    // A version is over when its successor began; what ended a day ago has no offer left.
    let recent = versions
        .iter()
        .zip(versions.iter().skip(1).chain([&today]))
        .filter(|(_, next)| next.from + LIFETIME_MAX > now)
        .map(|(version, _)| version.clone());
    Ok(OfferPress::new(origin.to_owned(), Arc::clone(key), today.clone(), recent.collect()))
}
