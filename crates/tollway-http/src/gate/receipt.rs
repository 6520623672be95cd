//! The seller's signature on an answer (RFC 9421, `tag="x402-response"`): receipt, status and, where
//! known, the digest of the body, bound to the request.

use http::HeaderMap;
use tollway_core::seller::Receipt;
use tollway_protocol::{Refusal, header};
use tollway_signatures::{Component, PrivateKey, SignatureParams, policy::X402_RESPONSE, sign};

use crate::dress;
use crate::message::{RequestView, ResponseView};

use super::sell::insert;

/// How long a seller's signature says to be fresh, in seconds. As evidence it has no end.
const FRESH: u64 = 300;
/// Label of the seller's signature.
const LABEL: &str = "receipt";

/// An answer about to be signed, and the request it answers.
pub(crate) struct Answered<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a mut HeaderMap,
    pub(crate) request: RequestView<'a>,
}

/// Writes a receipt in its dress and signs it.
pub(crate) fn write_receipt(answered: Answered<'_>, receipt: &Receipt, key: &PrivateKey, now: u64) {
    let Answered { status, headers, request } = answered;
    let fields = dress::write_receipt(headers, receipt);
    // Signing fails only for components that are not there; these were just written.
    if let Err(refusal) = sign_response(status, headers, request, fields, key, now) {
        tracing::error!(reason = refusal.reason.code(), detail = %refusal.detail, "a receipt was not signed");
    }
}

/// Signs a response of the seller: status, the given fields, `Content-Digest` where present, and
/// the request's method, authority, path and query.
///
/// # Errors
/// `component_missing` for a field that the response does not have.
pub fn sign_response(
    status: u16,
    headers: &mut HeaderMap,
    request: RequestView<'_>,
    fields: &[&str],
    key: &PrivateKey,
    now: u64,
) -> Result<(), Refusal> {
    let mut components = vec![Component::new("@status")];
    components.extend(fields.iter().map(|field| Component::new(field)));
    if headers.contains_key(header::CONTENT_DIGEST) {
        components.push(Component::new(header::CONTENT_DIGEST));
    }
    components.extend(["@method", "@authority", "@path", "@query"].map(|name| Component::new(name).req()));
    let params = SignatureParams::new(key, X402_RESPONSE, now, now + FRESH);
    let view = ResponseView { status, headers, request };
    let signed = sign(&view, LABEL, &components, &params, key)?;
    insert(headers, header::SIGNATURE_INPUT, &signed.signature_input);
    insert(headers, header::SIGNATURE, &signed.signature);
    Ok(())
}
