//! Orders of any method, answers longer than is read, and promises that an earlier run left open.

use bytes::Bytes;
use http::{HeaderValue, Method, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use tollway_core::buyer::AuditLine;
use tollway_http::payer::{FileJournal, Order, PayError, PayFailure};
use tollway_protocol::{Dress, Reason as R, header};

use super::market::{Market, hang_up, pays};
use crate::rig::{PRICE, page_text, response};

fn post(market: &Market, path: &str, body: &'static str) -> Order {
    let order = Order::new(Method::POST, market.url(path)).with_body(Bytes::from_static(body.as_bytes()));
    order.with_field(CONTENT_TYPE, HeaderValue::from_static("text/plain")).unwrap()
}

#[tokio::test]
async fn a_body_is_signed_and_reaches_the_origin_as_it_was() {
    for &dress in Dress::HTTP {
        let market = Market::new(dress).await;
        market.rig.origin.behave(|request| async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            response(200, &[], std::str::from_utf8(&body).unwrap().to_uppercase())
        });
        for n in 1..3 {
            let answer = market.payer.buy_order(&post(&market, "/paid/a?x=1", "some words")).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, b"SOME WORDS".as_ref()), "{dress}");
            assert_eq!(answer.receipt.unwrap().commitment, answer.charged.unwrap().id.to_string());
            let covered = answer.sent[header::SIGNATURE_INPUT].to_str().unwrap();
            assert!(covered.contains("\"content-digest\" \"content-type\""), "{covered}");
            assert_eq!((market.rig.origin.runs(), market.money()), (n, (n as u128 * PRICE, 0)));
        }
        assert_eq!(market.story(), "PRPR");
        let AuditLine::Promise { method, url, .. } = &market.lines()[0] else { panic!("a promise comes first") };
        assert_eq!((method.as_str(), url.as_str()), ("POST", market.url("/paid/a?x=1").as_str()));
    }
}

#[tokio::test]
async fn a_body_changed_on_the_way_is_not_run() {
    let market = Market::new(Dress::X402).await;
    market.intercept(|gate, parts, _, _| async move {
        use tollway_http::endpoint::Endpoint as _;
        let body = tollway_http::body::full("other words");
        gate.answer(http::Request::from_parts(parts, body)).await
    });
    let failure = market.payer.buy_order(&post(&market, "/paid/a", "some words")).await.unwrap_err();
    assert!(matches!(&failure.error, PayError::Refused(refusal) if refusal.reason == R::DigestMismatch), "{failure}");
    assert_eq!((market.rig.origin.runs(), market.rig.sales().await, market.money()), (0, 0, (0, 0)));
}

#[tokio::test]
async fn an_unsafe_order_whose_answer_is_lost_runs_once_and_says_what_it_cost() {
    let market = Market::new(Dress::X402).await;
    market.meddle(|parts, number, answer| if pays(parts) && number == 1 { hang_up() } else { answer });
    let failure = market.payer.buy_order(&post(&market, "/paid/a", "x")).await.unwrap_err();
    assert!(matches!(&failure.error, PayError::Refused(refusal) if refusal.reason == R::AlreadyDelivered), "{failure}");
    assert_eq!(failure.charged.unwrap().amount.get(), PRICE);
    assert_eq!((market.rig.origin.runs(), market.signed(), market.signatures().len()), (1, 1, 2));
    assert_eq!((market.story().as_str(), market.money()), ("Pr", (PRICE, 0)));
}

#[tokio::test]
async fn what_is_free_is_sent_once_and_what_the_origin_refuses_is_its_own_answer() {
    let market = Market::new(Dress::X402).await;
    market.meddle(|_, _, _| hang_up());
    let failure = market.payer.buy_order(&post(&market, "/open/a", "x")).await.unwrap_err();
    assert!(matches!(failure, PayFailure { error: PayError::Unreachable(_), charged: None }));
    assert_eq!(market.rig.origin.runs(), 1);

    market.meddle(|_, _, answer| answer);
    market.rig.origin.answer(|| response(422, &[("x-own", "1")], "not like this"));
    let answer = market.payer.buy_order(&post(&market, "/paid/a", "x")).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_ref(), answer.charged), (422, b"not like this".as_ref(), None));
    assert_eq!((market.story().as_str(), market.money()), ("PN", (0, 0)));
}

#[tokio::test]
async fn a_head_is_never_bought_and_odd_methods_never_asked() {
    let market = Market::new(Dress::X402).await;
    for _ in 0..2 {
        let answer = market.payer.buy_order(&Order::new(Method::HEAD, market.url("/paid/a"))).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.charged), (402, None));
        market.get("/paid/a").await.unwrap();
    }
    let requests = market.requests();
    for method in [Method::TRACE, Method::CONNECT] {
        let failure = market.payer.buy_order(&Order::new(method, market.url("/paid/a"))).await.unwrap_err();
        assert!(matches!(failure.error, PayError::Refused(refusal) if refusal.reason == R::MethodNotAllowed));
    }
    assert_eq!((market.requests(), market.story().as_str()), (requests, "PRPR"));
}

#[tokio::test]
async fn an_answer_longer_than_is_read_is_asked_for_once_and_its_charge_is_known() {
    for told in [true, false] {
        let market = Market::new(Dress::X402).await;
        market.rig.origin.answer(|| response(200, &[], "x".repeat(11 << 20)));
        market.meddle(move |parts, _, mut answer| {
            if pays(parts) && !told {
                answer.headers_mut().remove(http::header::CONTENT_LENGTH);
            }
            answer
        });
        let failure = market.payer.buy_order(&Order::get(market.url("/paid/a"))).await.unwrap_err();
        assert!(matches!(&failure.error, PayError::Refused(refusal) if refusal.reason == R::BodyTooLarge), "{failure}");
        assert_eq!(failure.charged.map(|charged| charged.amount.get()), Some(PRICE));
        assert_eq!((market.signatures().len(), market.money()), (1, (PRICE, 0)));
    }
}

#[tokio::test]
async fn threat_45_promises_of_an_earlier_run_are_looked_up_by_the_next() {
    let first = Market::new(Dress::X402).await;
    first.get("/paid/a").await.unwrap();
    first.intercept(|_, _, _, _| async { hang_up() });
    assert!(matches!(first.get("/paid/b").await, Err(PayError::Unknown { .. })));
    // What came of the second is known to nobody yet; the log of a run that was killed says no more.
    let past = FileJournal::past(&first.journal(), 0).unwrap();
    assert_eq!((past.charged().get(), past.held().get()), (PRICE, PRICE));

    let open = past.into_open();
    let second = Market::new(Dress::X402).await;
    let of_second = open.iter().map(|promise| {
        let mut promise = promise.clone();
        promise.seller = second.rig.site.origin();
        promise
    });
    second.payer.adopt(of_second.collect());
    assert_eq!(second.payer.resolve_open().await, 1, "its window is not over");
    second.rig.clock.advance(301);
    assert_eq!((second.payer.resolve_open().await, second.story().as_str()), (0, "N"));
    // A seller that does not answer is asked once, not once for each promise.
    first.payer.adopt((0..50).map(|_| open[0].clone()).collect());
    let requests = first.requests();
    assert_eq!(first.payer.resolve_open().await, 51);
    assert_eq!(first.requests(), requests + 1);
}

#[tokio::test]
async fn a_seller_that_asks_for_time_is_given_it() {
    let market = Market::new(Dress::X402).await;
    market.meddle(|parts, number, answer| match pays(parts) {
        true if number == 1 => response(503, &[("retry-after", "1")], ""),
        _ => answer,
    });
    let began = std::time::Instant::now();
    let answer = market.get("/paid/a").await.unwrap();
    assert_eq!(answer.body.as_ref(), page_text("/paid/a").as_bytes());
    assert!(began.elapsed().as_secs_f64() >= 1.0);
    assert_eq!((market.signed(), market.story().as_str()), (1, "PR"));

    let market = Market::new(Dress::X402).await;
    market.meddle(|parts, _, answer| match pays(parts) {
        true => response(503, &[("retry-after", "18446744073709551615")], ""),
        false => answer,
    });
    // Longer than the signature lives: not waited for, looked up instead.
    let failure = market.payer.buy_order(&Order::get(market.url("/paid/a"))).await.unwrap_err();
    assert_eq!(failure.charged.map(|charged| charged.amount.get()), Some(PRICE));
    assert_eq!(market.signatures().len(), 1);
}
