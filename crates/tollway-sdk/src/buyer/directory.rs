//! The buyer's key directory as a service: what stands under the agent's URL, so that sellers can check signatures.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tollway_core::clock::{Clock, SystemClock};
use tollway_http::key_directory::directory_response;
use tollway_http::site::Site;
use tollway_signatures::{DIRECTORY_PATH, PrivateKey};
use tower::Service;

use super::builder::agent_url;
use super::error::BuildError;
use super::purse::Purse;

/// Answers [`DIRECTORY_PATH`]; everything else is not found. Each answer is signed by the key it publishes.
#[derive(Clone)]
pub struct KeyDirectoryService {
    key: Arc<PrivateKey>,
    site: Site,
    clock: Arc<dyn Clock>,
}

impl KeyDirectoryService {
    /// Publishes the public half of a key as this agent's, such as `https://crawler.example`.
    ///
    /// # Errors
    /// When the agent is not a URL.
    pub fn new(agent: &str, key: PrivateKey) -> Result<Self, BuildError> {
        let site = agent_url(agent)?.as_str().parse().expect("a signature agent is an origin");
        Ok(Self { key: Arc::new(key), site, clock: Arc::new(SystemClock) })
    }

    pub(super) fn of(purse: &Purse) -> Self {
        let site = purse.agent.parse().expect("a signature agent is an origin");
        Self { key: Arc::clone(&purse.key), site, clock: Arc::clone(&purse.clock) }
    }
}

impl<B> Service<Request<B>> for KeyDirectoryService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let refused = |status| {
            let mut response = Response::new(Full::default());
            *response.status_mut() = status;
            response
        };
        ready(Ok(match (request.uri().path(), request.method()) {
            (DIRECTORY_PATH, &Method::GET | &Method::HEAD) => {
                let (authority, scheme) = (self.site.authority(), self.site.scheme());
                directory_response(&[&self.key], authority, scheme, self.clock.now()).map(Full::new)
            }
            (DIRECTORY_PATH, _) => refused(StatusCode::METHOD_NOT_ALLOWED),
            _ => refused(StatusCode::NOT_FOUND),
        }))
    }
}
