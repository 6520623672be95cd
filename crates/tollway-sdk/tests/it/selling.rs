//! The seller's layer: what is priced is paid, whatever the framework's bodies, nesting and failures.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tollway_http::payer::ServiceTransport;
use tollway_sdk::BoxError;
use tollway_sdk::seller::{Paid, PaidBy, Tollway};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::rig::{SITE, Shop, buyer};

async fn asked(router: &Router, method: &str, path: &str) -> (StatusCode, Bytes) {
    let request = Request::builder().method(method).uri(path).header("host", "api.example");
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn threat_05_a_paid_handler_runs_for_payers_only() {
    let shop = Shop::open().await;
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PROPFIND"] {
        assert_eq!(asked(&shop.router, method, "/reports/today").await.0, StatusCode::PAYMENT_REQUIRED, "{method}");
    }
    assert_eq!(asked(&shop.router, "GET", "/").await, (StatusCode::OK, Bytes::from("free")));
    assert_eq!(asked(&shop.router, "POST", "/either").await, (StatusCode::OK, Bytes::from("free")));
    // A path that no rule speaks of: the argument itself keeps the handler from running.
    let (status, body) = asked(&shop.router, "GET", "/forgotten").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.starts_with(b"no price rule speaks of this path"), "{body:?}");
    assert_eq!(shop.served(), 0);
}

#[tokio::test]
async fn what_a_seller_publishes_is_answered_beside_the_routes() {
    let shop = Shop::open().await;
    let (status, body) = asked(&shop.router, "GET", "/.well-known/http-message-signatures-directory").await;
    assert_eq!(status, StatusCode::OK);
    let thumbprint = shop.tollway.seller().key().public().thumbprint().to_string();
    assert!(String::from_utf8_lossy(&body).contains(&thumbprint));
    let request = Request::get("/").header("host", "other.example").body(Body::empty()).unwrap();
    assert_eq!(shop.router.clone().oneshot(request).await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
}

/// A router of one paid route, which says what it sees.
fn one_route() -> Router {
    let seen = async |Paid(by): Paid, request: Request<Body>| format!("{} under {}", request.uri().path(), by.rule);
    Router::new().route("/x", get(seen))
}

/// Nested with a layer of its own, with one around everything, and with both.
#[tokio::test]
async fn threat_06_a_nested_router_is_priced_by_the_path_that_was_asked_for() {
    let inside = |tollway: &Tollway| {
        Router::new().nest("/api", one_route().layer(tollway.layer())).fallback_service(tollway.well_known())
    };
    let outside = |tollway: &Tollway| Router::new().nest("/api", one_route()).layer(tollway.layer());
    let both =
        |tollway: &Tollway| Router::new().nest("/api", one_route().layer(tollway.layer())).layer(tollway.layer());
    for router in [inside as fn(&Tollway) -> Router, outside, both] {
        let folder = tempfile::tempdir().unwrap();
        let opened = Tollway::at(SITE).charge("/api/*", "$0.01").starter_credit("$1").allow_loopback();
        let tollway = opened.open(folder.path().join("seller")).await.unwrap();
        let router = router(&tollway);
        assert_eq!(asked(&router, "GET", "/api/x").await.0, StatusCode::PAYMENT_REQUIRED);
        assert_eq!(asked(&router, "GET", "/elsewhere").await.0, StatusCode::NOT_FOUND);
        let transport = ServiceTransport::<_, Body>::new(router);
        let client = buyer(folder.path(), "$1", "$1").await.transport(transport).build().unwrap();
        let answer = client.get(&format!("{SITE}/api/x")).send().await.unwrap();
        assert_eq!(answer.text().unwrap(), "/x under api-any");
        assert_eq!(client.budget().spent.get(), 10_000);
    }
}

/// What an outer layer let pass for free is asked about again when it has become another request.
#[tokio::test]
async fn threat_06_a_request_rewritten_between_two_layers_is_still_charged() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Tollway::at(SITE).charge("/x", "$0.01");
    let tollway = opened.open(folder.path().join("seller")).await.unwrap();
    let inner = tollway.layer().layer(one_route().into_service());
    let rewriting = service_fn(move |mut request: Request<tollway_sdk::Body>| {
        *request.uri_mut() = Uri::from_static("/x");
        inner.clone().oneshot(request)
    });
    let request = Request::get("/free").header("host", "api.example").body(Body::empty()).unwrap();
    let response = tollway.layer().layer(rewriting).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYMENT_REQUIRED);
}

#[tokio::test]
async fn hyper_serves_it_over_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = format!("http://{}", listener.local_addr().unwrap());
    let opened = Tollway::at(&site).charge("/sold/*", "$0.01").starter_credit("$1").allow_loopback();
    let tollway = opened.open(folder.path().join("seller")).await.unwrap();
    let service = tollway.layer().layer(service_fn(async |request: Request<tollway_sdk::Body>| {
        let by = request.extensions().get::<PaidBy>().map(|by| by.rule.clone());
        match request.uri().path() {
            "/sold/broken" => Err(BoxError::from("out of paper")),
            _ => Ok(Response::new(Full::<Bytes>::from(by.unwrap_or_else(|| "free".to_owned())))),
        }
    }));
    // Nothing but services is left of the seller; it works as long as they do.
    drop(tollway);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    let client = buyer(folder.path(), "$1", "$0.01").await.build().unwrap();
    assert_eq!(client.get(&site).send().await.unwrap().text().unwrap(), "free");
    let sold = client.get(&format!("{site}/sold/a")).send().await.unwrap();
    assert_eq!((sold.text().unwrap(), sold.cost().to_string().as_str()), ("sold-any", "0.01 USD"));
    // The service behind the gate failed: that costs nothing.
    assert!(client.get(&format!("{site}/sold/broken")).send().await.is_err());
    assert_eq!(client.budget().spent.get(), 10_000);
}
