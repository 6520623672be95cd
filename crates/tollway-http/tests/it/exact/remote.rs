//! A facilitator behind a socket, in every way in which it can be broken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tollway_core::clock::SystemClock;
use tollway_core::facilitator::Facilitator;
use tollway_core::scheme::cash::Till;
use tollway_http::body::Body;
use tollway_http::facilitator::{Failover, RemoteFacilitator, RemoteOptions};
use tollway_ledger::ExactState as S;
use tollway_protocol::{FacilitatorRequest, Reason as R, codec, header};

use super::shop::{COINS, MONEY, Shop, failed, rules, settled};
use crate::rig::{Origin, closed_port, cut, response, until};

/// What the server in front of the till does with an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The till is not asked.
    Status(u16),
    /// The till is asked, then this status with a page.
    After(u16),
    Redirect,
    Html,
    Truncated,
    Broken,
    Long,
    Hangs,
}

/// A till behind a socket. The till comes later, because a shop makes it.
#[derive(Clone, Default)]
struct Counter {
    till: Arc<Mutex<Option<Till>>>,
    faults: Arc<Mutex<(Option<Fault>, Option<Fault>)>>,
}

impl Counter {
    async fn url(&self) -> String {
        let origin = Origin::new();
        let counter = self.clone();
        origin.behave(move |request| counter.clone().answer(request));
        origin.over_http().await
    }

    fn fault(&self, verify: Fault, settle: Fault) {
        *self.faults.lock() = (Some(verify), Some(settle));
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let till = self.till.lock().clone().unwrap();
        if let Some(payment) = path.strip_prefix("/payments/") {
            return match till.status(payment).await.unwrap() {
                Some(status) => response(200, &[], serde_json::to_string(&status).unwrap()),
                None => response(404, &[], ""),
            };
        }
        let (verify, settle) = *self.faults.lock();
        let fault = if path == "/verify" { verify } else { settle }.unwrap_or(Fault::None);
        if let Fault::Status(status) = fault {
            return response(status, &[], "not now");
        }
        let asked = FacilitatorRequest::decode(&body).unwrap();
        let text = match path.as_str() {
            "/verify" => codec::encode_json(&till.verify(&asked).await.unwrap()),
            "/settle" => codec::encode_json(&till.settle(&asked).await.unwrap()),
            other => panic!("asked for {other}"),
        };
        match fault {
            Fault::After(status) => response(status, &[], "<h1>oops</h1>"),
            Fault::Redirect => response(308, &[("location", "http://127.0.0.1:1/")], ""),
            Fault::Html => response(200, &[("content-type", "text/html")], "<h1>hello</h1>"),
            Fault::Truncated => response(200, &[], text[..text.len() / 2].to_owned()),
            Fault::Broken => {
                let mut broken = response(200, &[], "");
                *broken.body_mut() = cut(vec![text.as_bytes()[..5].to_vec()]);
                broken
            }
            Fault::Long => response(200, &[], Bytes::from(vec![b' '; 100_000])),
            Fault::Hangs => std::future::pending().await,
            Fault::None | Fault::Status(_) => response(200, &[], text),
        }
    }
}

fn remote(urls: &[String]) -> Arc<dyn Facilitator> {
    let wait = Duration::from_millis(300);
    let one = |url: &String| {
        let options = RemoteOptions { verify_wait: wait, settle_wait: wait, ..RemoteOptions::at(url.parse().unwrap()) };
        Arc::new(RemoteFacilitator::new(options).unwrap()) as Arc<dyn Facilitator>
    };
    Arc::new(Failover::new(urls.iter().map(one).collect(), Arc::new(SystemClock)))
}

async fn shop() -> (Shop, Counter) {
    let counter = Counter::default();
    let dead = format!("http://127.0.0.1:{}", closed_port().await);
    let shop = Shop::on_a_socket(rules(), Some(remote(&[dead, counter.url().await]))).await;
    *counter.till.lock() = Some(shop.till.clone());
    (shop, counter)
}

#[tokio::test]
async fn a_payment_goes_to_the_facilitator_that_can_be_reached() {
    let (shop, _) = shop().await;
    let got = shop.send(&shop.buy("GET", "/paid/a").await).await.unwrap();
    assert_eq!((got.status, settled(&got).transaction.as_str()), (200, "slip-1"));
}

#[tokio::test]
async fn threat_09_a_facilitator_that_verifies_nothing_opens_no_route() {
    let (shop, counter) = shop().await;
    for fault in [
        Fault::Status(500),
        Fault::Status(429),
        Fault::After(502),
        Fault::Redirect,
        Fault::Html,
        Fault::Truncated,
        Fault::Broken,
        Fault::Long,
        Fault::Hangs,
    ] {
        counter.fault(fault, Fault::None);
        let got = shop.send(&shop.buy("GET", "/paid/a").await).await.unwrap();
        assert_eq!((got.status, got.reason()), (503, Some(R::UnexpectedVerifyError)), "{fault:?}");
        assert!(got.field("retry-after").is_some() && got.field(header::PAYMENT_REQUIRED).is_none(), "{fault:?}");
        assert!(!String::from_utf8_lossy(&got.body).contains("127.0.0.1"), "no internals: {got:?}");
    }
    assert_eq!((shop.origin.runs(), shop.till.settles(), shop.states().await.len()), (0, 0, 0));
}

#[tokio::test]
async fn threat_03_a_settlement_whose_answer_is_lost_is_never_a_demand_and_is_resolved() {
    let lost = [
        Fault::After(500),
        Fault::After(402),
        Fault::Redirect,
        Fault::Html,
        Fault::Truncated,
        Fault::Broken,
        Fault::Long,
        Fault::Hangs,
        Fault::Status(500),
        Fault::Status(429),
    ];
    let (shop, counter) = shop().await;
    for (n, fault) in lost.into_iter().enumerate() {
        counter.fault(Fault::None, fault);
        let sent = shop.buy("GET", "/paid/a").await;
        let got = shop.send(&sent).await.unwrap();
        assert_eq!((got.status, got.reason()), (503, Some(R::SettlementPending)), "{fault:?}");
        assert!(got.field(header::PAYMENT_REQUIRED).is_none(), "{fault:?}");
        assert_eq!(failed(&got).reason.as_deref(), Some("settlement_pending"), "{fault:?}");
        assert_eq!(shop.states().await.last(), Some(&S::Unknown), "{fault:?}");
        counter.fault(Fault::None, Fault::None);
        assert_eq!(shop.layer.resolve_exact().await.unwrap().settled.len(), 1, "{fault:?}");
        let got = shop.send(&sent).await.unwrap();
        assert_eq!(got.status, 200, "{fault:?}: the answer was kept");
        assert_eq!((shop.origin.runs(), shop.till.paid()), (n + 1, n + 1), "{fault:?}");
    }
    assert_eq!(shop.till.money("ann"), MONEY - COINS * 10, "each purchase was paid once");
}

#[tokio::test]
async fn threat_03_a_settlement_that_may_be_under_way_is_given_to_nobody_else() {
    let (first, second) = (Counter::default(), Counter::default());
    let both = remote(&[first.url().await, second.url().await]);
    let shop = Shop::on_a_socket(rules(), Some(both)).await;
    let other = Till::new(Arc::clone(&shop.clock) as Arc<dyn tollway_core::clock::Clock>);
    other.open("ann", "ann's secret", MONEY);
    *first.till.lock() = Some(shop.till.clone());
    *second.till.lock() = Some(other.clone());
    first.fault(Fault::None, Fault::Hangs);
    let got = shop.send(&shop.buy("GET", "/paid/a").await).await.unwrap();
    assert_eq!(got.status, 503);
    assert_eq!((other.verifies(), other.settles()), (0, 0));
    until(|| shop.till.paid() == 1).await;
}
