//! What a buyer wants: method, URL, its own fields and a body.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header as names};
use tollway_protocol::{Reason, Refusal, header};
use url::Url;

/// A request to be paid for where it costs money.
#[derive(Debug, Clone)]
pub struct Order {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) fields: HeaderMap,
    pub(super) body: Bytes,
}

impl Order {
    /// A request without a body.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, fields: HeaderMap::new(), body: Bytes::new() }
    }

    /// A GET.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// Adds a field. `Content-Type` is covered by the signature where there is a body; other fields are sent beside it.
    ///
    /// # Errors
    /// `conflicting_payment` for a field that the payer or the connection writes: payment, signature, digest, framing.
    pub fn with_field(mut self, name: HeaderName, value: HeaderValue) -> Result<Self, Refusal> {
        let framing = [names::HOST, names::CONTENT_LENGTH, names::TRANSFER_ENCODING, names::CONNECTION, names::TE];
        let signing = [header::SIGNATURE, header::SIGNATURE_INPUT, header::SIGNATURE_AGENT, header::CONTENT_DIGEST];
        let written = signing.iter().chain(header::PAYMENTS).any(|field| *field == name.as_str());
        if written || framing.contains(&name) {
            return Err(Refusal::new(Reason::ConflictingPayment, format!("`{name}` is written by the payer itself")));
        }
        self.fields.append(name, value);
        Ok(self)
    }

    /// Sets the body; its digest is signed.
    #[must_use]
    pub fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// Where it goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether asking twice changes no more than asking once, and asking once nothing (RFC 9110 section 9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_payer_s_own_is_refused() {
        let order = Order::get(Url::parse("https://s.example/").unwrap());
        for name in ["payment", "Payment-Signature", "signature", "content-digest", "host", "content-length"] {
            let name: HeaderName = name.parse().unwrap();
            let refusal = order.clone().with_field(name, HeaderValue::from_static("x")).unwrap_err();
            assert_eq!(refusal.reason, Reason::ConflictingPayment);
        }
        let order = order.with_field(names::ACCEPT, HeaderValue::from_static("text/csv")).unwrap();
        assert_eq!(order.fields.len(), 1);
    }
}
