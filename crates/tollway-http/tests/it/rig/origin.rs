//! What stands behind the gate under test: it counts its runs and behaves to order.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tollway_http::body::{Body, boxed, full};
use tollway_http::endpoint::Answering;
use tollway_http::server::{ServerOptions, serve};
use tower::Service;

type Behaviour = Arc<dyn Fn(Request<Body>) -> Answering + Send + Sync>;

/// A request as the origin saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

/// An origin that counts.
#[derive(Clone)]
pub(crate) struct Origin {
    shared: Arc<Shared>,
}

struct Shared {
    runs: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    behaviour: Mutex<Behaviour>,
}

impl Origin {
    /// Answers 200 with a page that names its target.
    pub(crate) fn new() -> Self {
        let behaviour: Behaviour = Arc::new(|request| answering(page(&request)));
        Self {
            shared: Arc::new(Shared {
                runs: AtomicUsize::new(0),
                seen: Mutex::default(),
                behaviour: Mutex::new(behaviour),
            }),
        }
    }

    /// How often it ran.
    pub(crate) fn runs(&self) -> usize {
        self.shared.runs.load(Ordering::SeqCst)
    }

    /// The last request.
    pub(crate) fn last(&self) -> Seen {
        self.shared.seen.lock().last().cloned().unwrap()
    }

    /// From now on it does this.
    pub(crate) fn behave<F, A>(&self, behaviour: F)
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        *self.shared.behaviour.lock() = Arc::new(move |request| Box::pin(behaviour(request)));
    }

    /// From now on it answers this, whatever is asked.
    pub(crate) fn answer(&self, make: impl Fn() -> Response<Body> + Send + Sync + 'static) {
        self.behave(move |_| std::future::ready(make()));
    }

    /// The same origin behind a socket of its own: its URL.
    pub(crate) async fn over_http(&self) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let endpoint = Arc::new(self.clone());
        tokio::spawn(serve(listener, endpoint, ServerOptions::default(), std::future::pending()));
        url
    }
}

/// A port on which nobody listens.
pub(crate) async fn closed_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
}

/// A server of its own on 127.0.0.1, not behind any gate.
pub(crate) struct Server {
    pub(crate) url: String,
    origin: Origin,
}

impl Server {
    pub(crate) fn requests(&self) -> usize {
        self.origin.runs()
    }
}

/// Starts a server that answers this; the answer is told the server's authority.
pub(crate) async fn serving(answer: impl Fn(Request<Body>, &str) -> Response<Body> + Send + Sync + 'static) -> Server {
    let origin = Origin::new();
    let url = origin.over_http().await;
    let authority = url.trim_start_matches("http://").to_owned();
    origin.behave(move |request| std::future::ready(answer(request, &authority)));
    Server { url, origin }
}

impl Service<Request<Body>> for Origin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.shared.runs.fetch_add(1, Ordering::SeqCst);
        let seen = Seen {
            method: request.method().to_string(),
            target: request.uri().to_string(),
            headers: request.headers().clone(),
        };
        let mut all = self.shared.seen.lock();
        // Tests look at the last one; a long run keeps no history.
        if all.len() > 64 {
            all.clear();
        }
        all.push(seen);
        drop(all);
        let behaviour = Arc::clone(&self.shared.behaviour.lock());
        let answer = behaviour(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

fn answering(response: Response<Body>) -> Answering {
    Box::pin(std::future::ready(response))
}

/// The page that the default behaviour answers.
pub(crate) fn page_text(target: &str) -> String {
    format!("<p>the page at {target}</p>")
}

fn page(request: &Request<Body>) -> Response<Body> {
    let mut response = Response::new(full(page_text(&request.uri().to_string())));
    response.headers_mut().insert("etag", "\"v1\"".parse().unwrap());
    response
}

/// A response of this status, with these fields.
pub(crate) fn response(status: u16, fields: &[(&'static str, &str)], body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status.try_into().unwrap();
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

/// A body that promises `told` bytes where told, gives the `chunks` and then breaks off.
pub(crate) fn cut(chunks: Vec<Vec<u8>>) -> Body {
    let good = chunks.into_iter().map(|chunk| Ok(Frame::data(Bytes::from(chunk))));
    let broken = std::iter::once(Err(std::io::Error::other("the disk is gone")));
    boxed(StreamBody::new(futures_util::stream::iter(good.chain(broken))))
}

/// A body of these chunks whose length nobody tells beforehand.
pub(crate) fn streamed(chunks: Vec<Vec<u8>>) -> Body {
    let frames = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Frame::data(Bytes::from(chunk))));
    boxed(StreamBody::new(futures_util::stream::iter(frames)))
}

/// The whole body, or `None` where it broke off.
pub(crate) async fn whole(body: Body) -> Option<Bytes> {
    body.collect().await.ok().map(http_body_util::Collected::to_bytes)
}
