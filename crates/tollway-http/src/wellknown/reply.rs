//! Answers of the seller about itself, signed by its key.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use tollway_protocol::header;
use tollway_signatures::digest;

use crate::body::{Body, full};
use crate::gate::{Shared, sign_response};
use crate::message::RequestView;

/// An answer for one agent: never kept by anyone else, signed with its digest.
pub(super) fn private(
    shared: &Shared,
    request: RequestView<'_>,
    media_type: &'static str,
    body: String,
) -> Response<Body> {
    let digest = digest::make(body.as_bytes());
    let mut response = Response::new(full(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Ok(value) = HeaderValue::from_str(&digest) {
        headers.insert(header::CONTENT_DIGEST, value);
    }
    let seller = &shared.seller;
    if let Err(refusal) = sign_response(200, headers, request, &[], seller.key(), seller.now()) {
        tracing::error!(reason = refusal.reason.code(), detail = %refusal.detail, "an answer was not signed");
    }
    response
}

/// A document that never changes.
pub(super) fn immutable(media_type: &'static str, body: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}
