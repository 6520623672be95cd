//! A service whose type is forgotten: what stands behind a gate, and what a server serves.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{Request, Response};
use parking_lot::RwLock;
use tower::{Service, ServiceExt as _};

use crate::body::Body;

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Answers every request, somehow: it cannot fail, only say so in its response.
pub trait Endpoint: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Body>) -> Answering;
}

impl<S> Endpoint for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn answer(&self, request: Request<Body>) -> Answering {
        let answer = self.clone().oneshot(request);
        Box::pin(answer.map(|answer| answer.unwrap_or_else(|never| match never {})))
    }
}

/// An endpoint that can be exchanged while it serves: requests under way finish on the old one.
pub struct Exchangeable {
    current: RwLock<Arc<dyn Endpoint>>,
}

impl Exchangeable {
    /// Begins with `first`.
    pub fn new(first: Arc<dyn Endpoint>) -> Self {
        Self { current: RwLock::new(first) }
    }

    /// From now on `next` answers.
    pub fn exchange(&self, next: Arc<dyn Endpoint>) {
        *self.current.write() = next;
    }
}

impl Endpoint for Exchangeable {
    fn answer(&self, request: Request<Body>) -> Answering {
        self.current.read().answer(request)
    }
}
