//! Who paid, as an argument of axum's handlers. A handler that takes it cannot run unpaid, wherever the layer stands and
//! whatever its rules say.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use tollway_http::gate::PaidBy;

/// Who pays for this request. `Option<Paid>` is for handlers that also serve what is free.
///
/// ```
/// use tollway_sdk::seller::Paid;
///
/// async fn report(Paid(by): Paid) -> String {
///     format!("sold to {} under the rule {}", by.agent, by.rule)
/// }
/// # drop(axum::Router::<()>::new().route("/reports/{name}", axum::routing::get(report)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid(pub PaidBy);

/// A request came to a paid handler without passing the gate: no rule has a price for its path, or the layer is
/// missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no price rule speaks of this path, and its handler serves paid requests only")]
pub struct NotPaid;

impl IntoResponse for NotPaid {
    /// The seller's mistake, not the buyer's: 500.
    fn into_response(self) -> Response {
        tracing::error!("{self}: give the path a price with `charge(path, price)` and wrap the router in `layer()`");
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Paid {
    type Rejection = NotPaid;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotPaid> {
        parts.extensions.get::<PaidBy>().cloned().map(Self).ok_or(NotPaid)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Paid {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<PaidBy>().cloned().map(Self))
    }
}
