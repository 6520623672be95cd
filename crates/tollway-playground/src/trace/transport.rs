//! A transport that tells the timeline of each request and answer that passes.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, Response, StatusCode};
use tollway_http::body::{Body, BoxError, full};
use tollway_http::payer::{Outgoing, Transport};
use tollway_protocol::header;

use super::event::{Kind, Part, Scheme};
use super::timeline::Timeline;
use super::wire;
use crate::gathered;

/// Longest answer that is passed on, in bytes.
const BODY_MAX: usize = 8 << 20;

/// Sends by another transport, and tells what was sent and what came back.
#[derive(Clone)]
pub struct SeenTransport {
    inner: Arc<dyn Transport>,
    timeline: Timeline,
    scheme: Scheme,
}

impl SeenTransport {
    /// Watches a transport whose payments are of this scheme.
    pub fn new(inner: Arc<dyn Transport>, timeline: Timeline, scheme: Scheme) -> Self {
        Self { inner, timeline, scheme }
    }

    fn sending(&self, sent: &Outgoing) {
        let what = format!("{} {}", sent.method, self.timeline.named(sent.url.as_str()));
        let parts = || std::iter::once(wire::request(sent)).chain(wire::decoded(&sent.headers)).collect::<Vec<_>>();
        if !pays(&sent.headers) {
            return self.timeline.add_with(Kind::Request, Scheme::Free, what, parts(), Some(wire::curl(sent)));
        }
        let typed = || wire::typed_data(&wire::exact_payment(&sent.headers)?);
        if let Some(base) = wire::signature_base(sent).or_else(typed) {
            self.timeline.add(Kind::Base, self.scheme, format!("signed: {what}"), vec![base]);
        }
        self.timeline.add_with(Kind::Payment, self.scheme, what, parts(), Some(wire::curl(sent)));
    }

    fn answered(&self, url: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) {
        let receipt = headers.contains_key(header::PAYMENT_RESPONSE) || headers.contains_key(header::CRAWLER_CHARGED);
        let (kind, scheme) = match status {
            StatusCode::PAYMENT_REQUIRED => (Kind::Demand, wire::asked_scheme(headers).unwrap_or(self.scheme)),
            status if status.is_success() && receipt => (Kind::Receipt, self.scheme),
            status if status.is_success() || status.is_redirection() => (Kind::Answer, Scheme::Free),
            _ => (Kind::Refused, self.scheme),
        };
        let title = format!("{} {}", status.as_u16(), self.timeline.named(url));
        let parts = std::iter::once(wire::response(status, headers, body)).chain(wire::decoded(headers)).collect();
        self.timeline.add(kind, scheme, title, parts);
    }
}

#[async_trait]
impl Transport for SeenTransport {
    async fn send(&self, request: Outgoing) -> Result<Response<Body>, BoxError> {
        self.sending(&request);
        let url = request.url.to_string();
        let answer = match self.inner.send(request).await {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                gathered(body, BODY_MAX).await.map(|bytes| (head, bytes))
            }
            Err(error) => Err(error),
        };
        match answer {
            Ok((head, bytes)) => {
                self.answered(&url, head.status, &head.headers, &bytes);
                Ok(Response::from_parts(head, full(bytes)))
            }
            Err(error) => {
                let part = Part::new("Error", error.to_string());
                self.timeline.add(
                    Kind::Refused,
                    self.scheme,
                    format!("no answer: {}", self.timeline.named(&url)),
                    vec![part],
                );
                Err(error)
            }
        }
    }
}

fn pays(headers: &HeaderMap) -> bool {
    header::PAYMENTS.iter().any(|name| headers.contains_key(*name))
}
