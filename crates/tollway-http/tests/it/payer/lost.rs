//! Answers that are lost: the same bytes again, one charge, and the outcome in the log.

use http::Request;
use tollway_core::buyer::AuditLine;
use tollway_http::body::boxed;
use tollway_http::endpoint::Endpoint as _;
use tollway_http::payer::PayError;
use tollway_protocol::{Dress, Reason as R, header};

use super::market::{Market, hang_up, pays};
use crate::rig::{PRICE, cut, page_text, response};

/// The page was bought once, with one signature, and the log knows it.
async fn bought_once(market: &Market, name: &str) {
    assert_eq!((market.signed(), market.story().as_str(), market.money()), (1, "PR", (PRICE, 0)), "{name}");
    let report = market.rig.audit().await;
    assert_eq!((report.sales, report.charged.get()), (1, PRICE), "{name}");
}

#[tokio::test]
async fn threat_03_a_lost_answer_is_asked_for_again_with_the_same_bytes() {
    type Loss = fn(usize, http::Response<tollway_http::body::Body>) -> http::Response<tollway_http::body::Body>;
    let losses: [(&str, Loss); 6] = [
        ("the connection", |number, answer| if number == 1 { hang_up() } else { answer }),
        ("half of the body", |number, answer| if number == 1 { halved(answer) } else { answer }),
        (
            "a proxy's 502",
            |number, answer| if number == 1 { response(502, &[], "<h1>Bad Gateway</h1>") } else { answer },
        ),
        ("a proxy's 504", |number, answer| if number == 1 { response(504, &[], "upstream timed out") } else { answer }),
        ("a proxy's 503", |number, answer| if number == 1 { response(503, &[], "") } else { answer }),
        ("the receipt", |number, mut answer| {
            if number == 1 {
                answer.headers_mut().remove(header::PAYMENT_RESPONSE);
            }
            answer
        }),
    ];
    for (name, loss) in losses {
        let market = Market::new(Dress::X402).await;
        market.meddle(move |parts, number, answer| if pays(parts) { loss(number, answer) } else { answer });
        let answer = market.get("/paid/a").await;
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, page_text("/paid/a").as_bytes()), "{name}");
        assert_eq!(market.signatures().len(), 2, "{name}");
        bought_once(&market, name).await;
        assert_eq!(market.rig.origin.runs(), 1, "{name}");
    }
}

/// The answer's head and the first bytes of its body.
fn halved(answer: http::Response<tollway_http::body::Body>) -> http::Response<tollway_http::body::Body> {
    answer.map(|_| boxed(cut(vec![b"<p>the".to_vec()])))
}

#[tokio::test]
async fn threat_03_a_lost_request_is_sent_again_with_the_same_bytes() {
    let market = Market::new(Dress::Handshake).await;
    market.intercept(|gate, parts, number, body| async move {
        if pays(&parts) && number < 3 {
            hang_up()
        }
        gate.answer(Request::from_parts(parts, body)).await
    });
    let answer = market.get("/paid/a").await.unwrap();
    assert_eq!((answer.status.as_u16(), market.signatures().len()), (200, 3));
    bought_once(&market, "the request").await;
}

#[tokio::test]
async fn a_sale_whose_answer_never_comes_is_found_in_the_sellers_books() {
    let market = Market::new(Dress::X402).await;
    market.meddle(|parts, _, answer| if pays(parts) { hang_up() } else { answer });
    match market.get("/paid/a").await {
        Err(PayError::Refused(refusal)) => assert_eq!(refusal.reason, R::AlreadyDelivered, "{refusal}"),
        other => panic!("{other:?}"),
    }
    assert_eq!((market.signed(), market.story().as_str(), market.money()), (1, "P?r", (PRICE, 0)));
    assert_eq!(market.rig.audit().await.sales, 1);
    let Some(AuditLine::Receipt { id, amount, sequence, head, .. }) = market.lines().pop() else {
        panic!("no receipt")
    };
    let recorded = market.rig.recorded(&id.to_string()).await;
    assert_eq!(amount.get(), PRICE);
    assert_eq!((sequence, head), (Some(recorded.sequence.get()), Some(recorded.head.to_string())));
}

#[tokio::test]
async fn threat_27_what_nobody_knows_stays_held_until_it_is_known() {
    let market = Market::with_budget(Dress::X402, PRICE, PRICE).await;
    market.get("/free").await.unwrap();
    market.intercept(|gate, parts, _, body| async move {
        if pays(&parts) {
            hang_up()
        }
        gate.answer(Request::from_parts(parts, body)).await
    });
    let Err(PayError::Unknown { id, .. }) = market.get("/paid/a").await else { panic!("nobody can know") };
    assert_eq!((market.signed(), market.story().as_str(), market.money()), (1, "P?", (0, PRICE)));
    assert_eq!(market.payer.resolve_open().await, 1, "the promise could still be sold");
    assert!(
        matches!(market.get("/paid/b").await, Err(PayError::Refused(refusal)) if refusal.reason == R::BudgetExhausted)
    );
    market.rig.clock.advance(301);
    assert_eq!(market.payer.resolve_open().await, 0, "its window is over");
    let Some(AuditLine::Refused { id: known, reason, .. }) = market.lines().pop() else { panic!("no outcome") };
    assert_eq!((known, reason.as_str()), (id, "not_found"));
    assert_eq!(market.rig.audit().await.sales, 0);
}

#[tokio::test]
async fn a_body_that_the_origin_cuts_is_charged_to_nobody() {
    let market = Market::new(Dress::X402).await;
    market.rig.origin.answer(|| {
        let mut answer = response(200, &[("content-length", "600000"), ("etag", "\"big\"")], "");
        *answer.body_mut() = cut(vec![vec![b'x'; 100_000]; 4]);
        answer
    });
    let failed = market.get("/paid/a").await.unwrap_err();
    assert!(matches!(failed, PayError::Unreachable(_)), "{failed:?}");
    assert_eq!((market.signed(), market.story().as_str(), market.money()), (1, "P?N", (0, 0)));
    assert_eq!((market.rig.owed().await, market.rig.audit().await.undelivered.get()), (0, PRICE));
}

#[tokio::test]
async fn what_the_seller_refuses_for_sure_is_not_held() {
    let market = Market::new(Dress::X402).await;
    for (status, told) in [(404, true), (410, true), (403, true)] {
        market.rig.origin.answer(move || response(status, &[], "no"));
        let outcome = market.get("/paid/a").await;
        assert_eq!(outcome.is_ok(), told, "{status}: {outcome:?}");
        assert_eq!(market.money(), (0, 0), "{status}");
    }
    tollway_ledger::Books::agent_block(market.rig.books.as_ref(), &market.rig.agent.id(), true, crate::rig::NOON)
        .await
        .unwrap();
    assert!(
        matches!(market.get("/paid/a").await, Err(PayError::Refused(refusal)) if refusal.reason == R::AgentBlocked)
    );
    assert_eq!((market.money(), market.story().as_str()), ((0, 0), "PNPNPNPN"));
    assert_eq!(market.rig.audit().await.sales, 0);
}
