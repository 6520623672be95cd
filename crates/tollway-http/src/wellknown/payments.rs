//! What became of an exact payment, for whoever knows its id: state, transaction, reason, and nothing
//! that its network does not show anyway.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use serde_json::json;
use tollway_protocol::{Reason, Refusal};

use crate::body::{Body, full};
use crate::gate::Shared;

pub(super) async fn payment(shared: &Shared, id: &str) -> Result<Response<Body>, Refusal> {
    let unknown = || Refusal::new(Reason::NotFound, "no such payment");
    let id = id.parse().map_err(|_| unknown())?;
    let exact = shared.seller.exact().ok_or_else(unknown)?;
    let record = exact.books.exact_lookup(&id).await;
    let record = record.map_err(|error| Refusal::new(error.reason(), "the books cannot be asked at the moment"))?;
    let record = record.ok_or_else(unknown)?;
    let body = json!({
        "id": id,
        "network": record.sale.network,
        "state": record.state,
        "transaction": record.transaction,
        "reason": record.reason,
    });
    let mut response = Response::new(full(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
