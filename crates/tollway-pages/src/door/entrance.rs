//! The endpoint that stands before all pages: the door, the assets, and the fields every answer carries.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tollway_http::body::{Body, empty};
use tollway_http::endpoint::{Answering, Endpoint};

use super::{Door, Passage};
use crate::assets::Assets;

/// Nothing from elsewhere, nothing inline, no frame around us. Forms post to ourselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Pages behind a door.
#[derive(Clone)]
pub struct Entrance {
    door: Arc<Door>,
    assets: Arc<Assets>,
    inner: Arc<dyn Endpoint>,
}

impl Entrance {
    /// Lets through to `inner` what has a session; each such request carries its [`Session`](super::Session).
    pub fn new(door: Arc<Door>, assets: Assets, inner: Arc<dyn Endpoint>) -> Self {
        Self { door, assets: Arc::new(assets), inner }
    }
}

impl Endpoint for Entrance {
    fn answer(&self, request: Request<Body>) -> Answering {
        let (mut head, body) = request.into_parts();
        let answer = match self.door.look(&head) {
            Ok(Passage::Enter(session)) => {
                head.extensions.insert(session);
                let answering = self.inner.answer(Request::from_parts(head, body));
                return Box::pin(async move { dressed(answering.await) });
            }
            Ok(Passage::Asset) => self.assets.answer(&head),
            Ok(Passage::Admit { cookie, path }) => admitted(&cookie, &path),
            Err(refusal) => {
                tracing::debug!(%refusal, "turned away at the door");
                refusal.page()
            }
        };
        Box::pin(std::future::ready(dressed(answer)))
    }
}

fn admitted(cookie: &str, path: &str) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    for (name, value) in [(header::SET_COOKIE, cookie), (header::LOCATION, path)] {
        // A cookie is base64url and a path was a request's: both are field values.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn dressed(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: under it a form's post would carry `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    fill_in(headers, header::CACHE_CONTROL, "no-store");
    response
}

fn fill_in(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}
