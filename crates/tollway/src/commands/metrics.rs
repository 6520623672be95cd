//! `/metrics`, `/health` and `/ready`, on an address of their own: nothing of the public site.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tokio::net::TcpListener;
use tollway_http::body::{Body, full};
use tollway_http::gate::GateLayer;
use tollway_http::server::{ServerOptions, serve};
use tollway_ledger::Books;
use tollway_store::SqliteBooks;
use tower::service_fn;

use crate::compose::{Current, Gateway};

/// Binds the address; the future that comes back serves it until it is dropped.
pub(super) async fn serve_metrics(
    listen: SocketAddr,
    gateway: Arc<Gateway>,
) -> anyhow::Result<impl Future<Output = std::io::Result<()>> + Send + use<>> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("[metrics] cannot listen on {listen}"))?;
    let endpoint = service_fn(move |request: Request<Body>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok(answer(request.uri().path(), &gateway).await) }
    });
    let options = ServerOptions { connections_max: 64, ..ServerOptions::default() };
    Ok(serve(listener, Arc::new(endpoint), options, std::future::pending()))
}

async fn answer(path: &str, gateway: &Gateway) -> Response<Body> {
    let (current, books) = (gateway.current(), &gateway.books);
    match path {
        "/metrics" => text(StatusCode::OK, metrics(&current.gate, books)),
        "/counts" => {
            let mut response = text(StatusCode::OK, gateway.counts.to_json());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        "/health" => text(StatusCode::OK, "ok\n".to_owned()),
        "/ready" => match books.head().await {
            Ok(_) if !is_up(&current) => text(StatusCode::SERVICE_UNAVAILABLE, "upstream_unreachable\n".to_owned()),
            Ok(_) => text(StatusCode::OK, "ready\n".to_owned()),
            Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", error.reason().code())),
        },
        _ => text(StatusCode::NOT_FOUND, "/metrics, /counts, /health, /ready\n".to_owned()),
    }
}

fn is_up(current: &Current) -> bool {
    current.health.as_ref().is_none_or(|health| health.is_up(Instant::now()))
}

fn metrics(gate: &GateLayer, books: &SqliteBooks) -> String {
    let mut text = gate.counters().to_prometheus();
    for (name, help, value) in [
        ("tollway_books_postings_total", "Sales posted by this process.", books.postings()),
        ("tollway_books_commits_total", "Durable writes of this process.", books.batches()),
    ] {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n"));
    }
    text
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
