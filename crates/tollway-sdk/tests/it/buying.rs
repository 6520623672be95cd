//! The paying client and its layer: what is bought is counted, and nothing passes the ceilings.

use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tollway_http::payer::FileJournal;
use tollway_sdk::buyer::{Charged, PayError, ReceiptFacts, SendError};
use tower::{Layer as _, ServiceExt as _};

use crate::rig::{SITE, Shop, buyer};

fn url(path: &str) -> String {
    format!("{SITE}{path}")
}

#[tokio::test]
async fn a_page_is_bought_with_a_receipt_and_free_ones_cost_nothing() {
    let shop = Shop::open().await;
    let client = shop.client("$1", "$0.01").await;
    let free = client.get(&url("/")).send().await.unwrap();
    assert_eq!((free.cost().amount.get(), free.charged(), free.receipt()), (0, None, None));
    let sold = client.get(&url("/reports/today")).header("accept", "text/plain").send().await.unwrap();
    assert_eq!(sold.text().unwrap(), "today for 10000 under reports-any");
    let (charged, receipt) = (sold.charged().unwrap(), sold.receipt().unwrap());
    assert_eq!((charged.id.to_string(), charged.amount.get()), (receipt.commitment.clone(), 10_000));
    assert_eq!((shop.served(), shop.owed().await), (1, 10_000));
    let posted = client.post(&url("/reports/new")).json(&[1, 2]).send().await.unwrap();
    assert_eq!(posted.json::<Vec<u8>>().unwrap(), [1, 2]);
    assert_eq!(client.budget().spent.get(), 20_000);
}

#[tokio::test]
async fn threat_24_nothing_passes_the_highest_price_or_the_budget() {
    let shop = Shop::open().await;
    let client = shop.client("$0.02", "$0.01").await;
    assert_eq!(client.quote(&url("/dear")).await.unwrap().unwrap().to_string(), "0.50 USD");
    assert_eq!(client.quote(&url("/")).await.unwrap(), None);
    let Err(SendError::Pay(failure)) = client.get(&url("/dear")).send().await else { panic!("it was bought") };
    assert!(matches!(failure.error, PayError::TooDear { asked } if asked.get() == 500_000));
    for name in ["a", "b"] {
        client.get(&url(&format!("/reports/{name}"))).send().await.unwrap();
    }
    assert!(client.get(&url("/reports/c")).send().await.unwrap_err().to_string().contains("budget"));
    assert_eq!((shop.served(), shop.owed().await), (2, 20_000));
    let promised = FileJournal::read(&shop.folder.path().join("audit.jsonl")).unwrap();
    assert_eq!(promised.len(), 4, "two promises, two receipts");
}

#[tokio::test]
async fn threat_27_a_budget_is_not_new_after_a_restart() {
    let shop = Shop::open().await;
    let first = shop.client("$0.02", "$0.01").await;
    first.get(&url("/reports/a")).send().await.unwrap();
    drop(first);
    let second = shop.client("$0.02", "$0.01").await;
    assert_eq!(second.resolve_open().await, 0);
    assert_eq!(second.budget().total.get(), 10_000, "what is left of it");
    second.get(&url("/reports/b")).send().await.unwrap();
    assert!(second.get(&url("/reports/c")).send().await.is_err());
    assert_eq!(shop.owed().await, 20_000);
}

#[tokio::test]
async fn the_layer_pays_for_any_service() {
    let shop = Shop::open().await;
    let layer = buyer(shop.folder.path(), "$1", "$0.01").await.layer().unwrap();
    let paying = layer.layer(shop.router.clone());
    let request = |path: &str| Request::get(url(path)).header("host", "other.example").header("te", "trailers");
    let response = paying.clone().oneshot(request("/reports/a").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let charged = *response.extensions().get::<Charged>().unwrap();
    assert_eq!(response.extensions().get::<ReceiptFacts>().unwrap().commitment, charged.id.to_string());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, Bytes::from("a for 10000 under reports-any"));
    // A second service under the same layer spends from the same budget.
    let other = layer.clone().layer(shop.router.clone());
    other.clone().oneshot(request("/reports/b").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(paying.payer().buyer().budget.view().spent.get(), 20_000);
    for wrong in [Request::get("/reports/a"), request("/reports/a").header("payment", "x")] {
        let error = paying.clone().oneshot(wrong.body(Body::empty()).unwrap()).await.unwrap_err();
        assert!(matches!(error, SendError::Request(_)), "{error}");
    }
    let long = Request::post(url("/reports/a")).body(Body::from(vec![0; (1 << 20) + 1])).unwrap();
    assert!(matches!(paying.oneshot(long).await.unwrap_err(), SendError::Request(_)));
}

#[tokio::test]
async fn a_request_of_reqwest_is_answered_by_one_of_reqwest() {
    let shop = Shop::open().await;
    let client = shop.client("$1", "$0.01").await;
    let plain = reqwest::Client::new();
    let request = plain.post(url("/reports/a")).header("content-type", "text/plain").body("told").build().unwrap();
    let response = client.execute(request).await.unwrap();
    assert_eq!(response.extensions().get::<Charged>().unwrap().amount.get(), 10_000);
    assert_eq!(response.text().await.unwrap(), "told");
}

#[tokio::test]
async fn a_request_written_wrong_is_not_sent() {
    let shop = Shop::open().await;
    let client = shop.client("$1", "$0.01").await;
    for request in [
        client.get("/reports/a"),
        client.get(&url("/reports/a")).header("signature", "x"),
        client.get(&url("/reports/a")).header("a b", "x"),
        client.get(&url("/reports/a")).header("accept", "a\nb"),
    ] {
        assert!(matches!(request.send().await, Err(SendError::Request(_))));
    }
    assert_eq!(shop.served(), 0);
}
