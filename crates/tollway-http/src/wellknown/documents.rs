//! Offers and terms, by id and by hash: public, immutable, retrievable as long as the books are.

use http::Response;
use tollway_ledger::DocumentKind;
use tollway_protocol::{Reason, Refusal};

use super::reply::immutable;
use crate::body::Body;
use crate::gate::Shared;

/// A signed offer.
pub(super) async fn offer(shared: &Shared, id: &str) -> Result<Response<Body>, Refusal> {
    let id: tollway_core::offer::OfferId =
        id.parse().map_err(|_| Refusal::new(Reason::NotFound, "no offer has an id of this form"))?;
    if let Some(offer) = shared.seller.offer_by_id(id) {
        return Ok(immutable("application/jose", offer.jws().to_owned()));
    }
    stored(shared, DocumentKind::Offer, &id.to_string(), "application/jose").await
}

/// A version of the terms.
pub(super) async fn terms(shared: &Shared, hash: &str) -> Result<Response<Body>, Refusal> {
    stored(shared, DocumentKind::Terms, hash, "text/markdown; charset=utf-8").await
}

async fn stored(
    shared: &Shared,
    kind: DocumentKind,
    id: &str,
    media_type: &'static str,
) -> Result<Response<Body>, Refusal> {
    let found = shared.seller.books().document(kind, id).await;
    let found = found.map_err(|error| Refusal::new(error.reason(), "the books cannot be asked at the moment"))?;
    let document = found.ok_or_else(|| Refusal::new(Reason::NotFound, "no such document"))?;
    Ok(immutable(media_type, document.body))
}
