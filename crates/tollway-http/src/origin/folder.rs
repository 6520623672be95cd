//! A folder of files as an upstream.

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::ETAG;
use http::{HeaderValue, Request, Response, header as names};
use tower::Service;
use tower_http::services::ServeDir;

use crate::body::{Body, boxed};

/// Serves files below a folder; `index.html` for folders; ranges and conditions included.
#[derive(Clone)]
pub struct Folder {
    files: ServeDir,
}

impl Folder {
    /// Files below `root`.
    pub fn new(root: &Path) -> Self {
        Self { files: ServeDir::new(root) }
    }
}

impl Service<Request<Body>> for Folder {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut files = self.files.clone();
        Box::pin(async move {
            let response = files.call(request).await?;
            let mut response = response.map(boxed);
            name_version(&mut response);
            Ok(response)
        })
    }
}

/// A file's version is told by when it changed and how long it is: `Last-Modified` alone has whole
/// seconds only.
fn name_version(response: &mut Response<Body>) {
    let headers = response.headers();
    if headers.contains_key(ETAG) || !response.status().is_success() {
        return;
    }
    let field = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let (Some(changed), Some(length)) = (field(names::LAST_MODIFIED), field(names::CONTENT_LENGTH)) {
        let tag = format!("W/\"{length}-{}\"", changed.replace([' ', ',', ':'], ""));
        if let Ok(value) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, value);
        }
    }
}
