//! Never more than was allowed, and nothing that was not written down first.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use tollway_core::buyer::AuditLine;
use tollway_http::payer::PayError;
use tollway_protocol::{Dress, Reason as R};

use super::market::{Market, pays};
use crate::rig::{PRICE, page_text, response};

#[tokio::test]
async fn a_page_is_bought_and_the_next_one_in_one_trip() {
    for &dress in Dress::HTTP {
        let market = Market::new(dress).await;
        for (number, page) in ["/paid/1", "/paid/2", "/paid/3?x=%20y"].into_iter().enumerate() {
            let before = market.signatures().len();
            let answer = market.get(page).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, page_text(page).as_bytes()), "{dress}");
            assert_eq!(answer.charged.unwrap().amount.get(), PRICE);
            assert_eq!(market.signatures().len() - before, 1, "{dress}: page {number}");
        }
        assert_eq!((market.story().as_str(), market.money()), ("PRPRPR", (3 * PRICE, 0)), "{dress}");
        assert_eq!(market.rig.audit().await.sales, 3, "{dress}");
        let free = market.get("/free").await.unwrap();
        assert_eq!((free.status.as_u16(), free.charged), (200, None));
    }
}

#[tokio::test]
async fn threat_24_nothing_is_signed_above_the_highest_price() {
    for &dress in Dress::HTTP {
        let market = Market::new(dress).await;
        for _ in 0..3 {
            assert!(
                matches!(market.get("/dear/a").await, Err(PayError::TooDear { asked }) if asked.get() == 5_000_000)
            );
        }
        assert_eq!((market.signed(), market.story().as_str(), market.money()), (0, "", (0, 0)), "{dress}");
    }
    let market = Market::with_budget(Dress::X402, PRICE - 1, PRICE).await;
    assert!(
        matches!(market.get("/paid/a").await, Err(PayError::Refused(refusal)) if refusal.reason == R::BudgetExhausted)
    );
    assert_eq!((market.signed(), market.story().as_str()), (0, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_27_a_thousand_gets_at_once_never_pass_the_budget() {
    let market = Market::with_budget(Dress::X402, 10 * PRICE + 1, PRICE).await;
    let outcomes: Vec<_> = stream::iter(0..1_000)
        .map(|number| {
            let (payer, url) = (&market.payer, market.url(&format!("/paid/{number}")));
            async move { payer.get(&url).await }
        })
        .buffer_unordered(100)
        .collect()
        .await;
    let bought = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    for outcome in outcomes {
        match outcome {
            Ok(answer) => assert_eq!(answer.charged.unwrap().amount.get(), PRICE),
            Err(PayError::Refused(refusal)) => assert_eq!(refusal.reason, R::BudgetExhausted),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((bought, market.signed(), market.money()), (10, 10, (10 * PRICE, 0)));
    let report = market.rig.audit().await;
    assert_eq!((report.sales, report.charged.get()), (10, 10 * PRICE));
}

#[tokio::test]
async fn threat_45_the_promise_is_on_disk_before_the_request_leaves() {
    let market = Market::new(Dress::Handshake).await;
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let (journal, keeping) = (market.journal(), Arc::clone(&seen));
    market.meddle(move |parts, _, answer| {
        if pays(parts) {
            let written = std::fs::read_to_string(&journal).unwrap();
            keeping.lock().push((parts.uri.path().to_owned(), written));
        }
        answer
    });
    for page in ["/paid/1", "/paid/2", "/paid/3"] {
        market.get(page).await.unwrap();
    }
    let seen = seen.lock().clone();
    assert_eq!(seen.len(), 3);
    for (page, written) in &seen {
        let promised = written.lines().map(|line| serde_json::from_str::<AuditLine>(line).unwrap());
        let promised = promised.filter(|line| matches!(line, AuditLine::Promise { url, .. } if url.ends_with(page)));
        assert_eq!(promised.count(), 1, "{page}: {written}");
    }
    let told: Vec<_> = market
        .lines()
        .into_iter()
        .filter_map(|line| match line {
            AuditLine::Promise { id, .. } => Some(id.to_string()),
            _ => None,
        })
        .collect();
    for id in told {
        market.rig.recorded(&id).await;
    }
}

#[tokio::test]
async fn threat_45_without_its_log_a_buyer_signs_nothing() {
    struct Full;
    #[async_trait::async_trait]
    impl tollway_core::buyer::Journal for Full {
        async fn write(&self, _: &AuditLine) -> Result<(), tollway_protocol::Refusal> {
            Err(R::JournalUnavailable.into())
        }
    }
    let market = Market::with_journal(Arc::new(Full)).await;
    assert!(
        matches!(market.get("/paid/a").await, Err(PayError::Refused(refusal)) if refusal.reason == R::JournalUnavailable)
    );
    assert_eq!((market.signed(), market.money()), (0, (0, 0)));
}

#[tokio::test]
async fn threat_42_a_redirect_is_never_followed_with_money() {
    let market = Market::new(Dress::X402).await;
    let elsewhere = Market::new(Dress::X402).await;
    let target = elsewhere.url("/paid/a").to_string();
    market.rig.origin.answer(move || response(302, &[("location", &target)], ""));
    for page in ["/free", "/paid/a"] {
        let answer = market.get(page).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.charged), (302, None), "{page}");
    }
    let instead = elsewhere.url("/paid/a").to_string();
    market.meddle(move |_, _, _| response(307, &[("location", &instead)], ""));
    let answer = market.get("/paid/b").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.charged), (307, None));
    assert_eq!((elsewhere.requests(), elsewhere.signed(), market.money()), (0, 0, (0, 0)));
    assert_eq!((market.rig.sales().await, market.story().chars().filter(|c| *c == 'R').count()), (0, 0));
}

#[tokio::test]
async fn threat_44_a_seller_that_never_stops_asking_gets_two_signatures() {
    let market = Market::new(Dress::X402).await;
    let clock = Arc::clone(&market.rig.clock);
    // Each demand names an offer of another minute, as if it were a fresh one.
    market.intercept(move |gate, mut parts, _, body| {
        clock.advance(60);
        for field in tollway_protocol::header::PAYMENTS {
            parts.headers.remove(*field);
        }
        async move { tollway_http::endpoint::Endpoint::answer(&gate, http::Request::from_parts(parts, body)).await }
    });
    for _ in 0..5 {
        assert!(market.get("/paid/a").await.is_err());
    }
    assert!(market.signed() <= 10, "{} signatures for five purchases", market.signed());
    assert_eq!((market.rig.sales().await, market.money()), (0, (0, 0)));
    assert_eq!(market.story().matches('P').count(), market.story().matches('N').count(), "each one has its outcome");
}
