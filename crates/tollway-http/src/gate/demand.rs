//! The gate's refusals: a 402 with its offers, or another status with its reason. Nothing is
//! stored for them and nothing is signed.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;
use tollway_core::offer::Offer;
use tollway_core::rules::Charge;
use tollway_core::scheme::exact::{DemandBody, is_code};
use tollway_core::seller::Seller;
use tollway_protocol::{Dress, Reason, Refusal, header};
use tollway_signatures::policy::WEB_BOT_AUTH;

use super::page;
use crate::body::{Body, empty, full};
use crate::{dress as spelled, status};

/// Fields that decide what a priced resource answers.
pub(crate) const VARY_ON: &str = "signature-agent, signature-input, payment, payment-signature, x-payment, crawler-exact-price, crawler-max-price, user-agent, accept";

/// A refusal on its way to the wire: why, in which dress it was asked, and what would be taken.
pub(crate) struct Refused<'a> {
    pub(crate) refusal: Refusal,
    pub(crate) dress: Dress,
    pub(crate) terms: Option<Terms<'a>>,
}

/// What is offered for the refused request.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) seller: &'a Seller,
    pub(crate) offer: &'a Offer,
    pub(crate) charge: &'a Charge,
    pub(crate) url: &'a str,
    /// A person's browser asks, and what it is shown looks like this.
    pub(crate) person: Option<&'a page::PageLook>,
    /// The body speaks version 1, where the offer can be said in it.
    pub(crate) v1: bool,
    /// Fields that a signature must cover to be taken for this request.
    pub(crate) signed_fields: &'a [&'static str],
}

impl Refused<'_> {
    /// The one way from a reason to the wire.
    pub(crate) fn into_response(self) -> Response<Body> {
        let code = status::status(self.refusal.reason, self.dress);
        let mut response = Response::new(empty());
        *response.status_mut() = code;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static(VARY_ON));
        if let Some(seconds) = status::retry_after(self.refusal.reason) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.dress == Dress::Crawl {
            let word = status::crawler_error(self.refusal.reason).as_str();
            headers.insert(header::CRAWLER_ERROR, HeaderValue::from_static(word));
        }
        if code == StatusCode::UNAUTHORIZED {
            let fields = self.terms.map_or(&[][..], |terms| terms.signed_fields);
            headers.insert(header::ACCEPT_SIGNATURE, ascii(&asked_signature(fields)));
        }
        let body = match self.terms {
            Some(terms) if code == StatusCode::PAYMENT_REQUIRED || code == StatusCode::PRECONDITION_FAILED => {
                terms.write(headers, &self.refusal, self.dress)
            }
            _ => problem(headers, &self.refusal, self.dress),
        };
        *response.body_mut() = full(body);
        response
    }
}

/// Whether the body of a 402 is written for clients of version 1.
pub(crate) fn speaks_v1(charge: &Charge, dress: Dress, headers: &HeaderMap) -> bool {
    match charge.body {
        DemandBody::Auto => dress == Dress::X402 && !headers.contains_key(header::SIGNATURE_AGENT),
        DemandBody::V1 => true,
        DemandBody::Deferred => false,
    }
}

impl Terms<'_> {
    /// Writes the offer in every dress the rule allows; the body holds the handshake's.
    fn write(&self, headers: &mut HeaderMap, refusal: &Refusal, dress: Dress) -> Bytes {
        let network = self.seller.network();
        let error = error_text(refusal, dress);
        let ways = &self.charge.dresses;
        let at_once = !self.offer.document().exact.is_empty();
        if ways.contains(&Dress::X402) || at_once || spelled::is_published(self.offer) {
            let demand = spelled::demand_header(self.offer, network, self.url, Some(&error));
            headers.insert(header::PAYMENT_REQUIRED, ascii(&demand));
        }
        if ways.contains(&Dress::Crawl) {
            let price = self.charge.price.to_crawler();
            headers.insert(header::CRAWLER_PRICE, ascii(&price));
        }
        headers.insert(http::header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if let Some(look) = self.person {
            return page::write(headers, &page::Shown { look, offer: self.offer, url: self.url, refusal }).into();
        }
        if let Some(body) = self.v1.then(|| spelled::v1_body(self.offer, self.url, v1_error(&error))).flatten() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return body.into();
        }
        if ways.contains(&Dress::Handshake) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return spelled::demand_body(self.offer, network, self.url).into();
        }
        problem(headers, refusal, dress)
    }
}

/// Fields that scripts in browsers may read.
pub(crate) const EXPOSED: &str = "payment-required, payment-response, x-payment-response, crawler-price, crawler-charged, crawler-error, signature, signature-input, tollway-pass, tollway-pass-left";

/// The plain body of a refusal: its code and what it is about.
fn problem(headers: &mut HeaderMap, refusal: &Refusal, dress: Dress) -> Bytes {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = match dress {
        Dress::Cloudflare => {
            let word = status::cloudflare_error(refusal.reason);
            json!({"error": word, "reason": refusal.reason.code(), "detail": refusal.detail})
        }
        _ => json!({"error": refusal.reason.code(), "detail": refusal.detail}),
    };
    body.to_string().into()
}

/// What a signature must cover under the `strict` profile (RFC 9421 section 5.1).
fn asked_signature(fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!(" \"{field}\"")).collect();
    let agent = header::SIGNATURE_AGENT;
    format!(
        r#"sig1=("@method" "@authority" "@path" "@query" "{agent}"{fields});created;expires;nonce;tag="{WEB_BOT_AUTH}""#
    )
}

const UNPAID: &str = "Payment required";

/// x402's word for an unpaid request is a sentence; every other refusal is its code.
fn error_text(refusal: &Refusal, dress: Dress) -> String {
    match refusal.reason {
        Reason::PaymentRequired => UNPAID.to_owned(),
        // What whoever settles has said, where it is a code.
        Reason::PaymentRefused if is_code(&refusal.detail) => refusal.detail.to_string(),
        reason if dress == Dress::Cloudflare => status::cloudflare_error(reason).to_owned(),
        reason => reason.code().to_owned(),
    }
}

/// The sentence of version 1 for an unpaid request names its own field.
fn v1_error(error: &str) -> &str {
    if error == UNPAID { "X-PAYMENT header is required" } else { error }
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("demands are visible ASCII")
}
