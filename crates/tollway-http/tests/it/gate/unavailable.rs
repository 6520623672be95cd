//! Whatever the gate depends on fails: the answer is "not known", never "pay", and nothing is lost.

use std::sync::Arc;

use tollway_http::key_directory::{DirectoryOptions, KeyDirectory, directory_response};
use tollway_ledger::{Books as _, BooksError};
use tollway_protocol::Reason as R;

use crate::rig::{Agent, NOON, PRICE, Rig, Setup, Way, page_text, response, serving};

#[tokio::test]
async fn threat_54_books_that_fail_are_never_a_demand() {
    let unavailable = || BooksError::Unavailable { detail: "gone".into() };
    for (call, error, reason) in [
        ("*", unavailable(), R::BooksUnavailable),
        ("account", unavailable(), R::BooksUnavailable),
        ("document_put", unavailable(), R::BooksUnavailable),
        ("reserve", unavailable(), R::BooksUnavailable),
        ("reserve", BooksError::Full, R::BooksFull),
        ("reserve", BooksError::Locked, R::BooksLocked),
        ("post", unavailable(), R::BooksUnavailable),
        ("post", BooksError::DiskFull, R::BooksDiskFull),
    ] {
        let rig = Rig::new().await;
        rig.faults.fail(call, error);
        for way in Way::ALL {
            let sent = rig.buy(way, "/paid/a", &format!("{way:?}"));
            let got = rig.call(&sent).await;
            assert_eq!((got.status, got.reason()), (503, Some(reason)), "{call}: {way:?}");
            assert_eq!(got.field("retry-after"), Some("5"), "{call}");
            assert_eq!(got.field("payment-required"), None, "{call}");
            assert_ne!(got.body.as_ref(), page_text("/paid/a").as_bytes(), "{call}");
        }
        assert_eq!(rig.sales().await, 0, "{call}");
        assert!(rig.view().await.reserved.is_zero(), "{call}");
        rig.faults.mend();
        let sent = rig.buy(Way::X402, "/paid/a", &format!("{:?}", Way::X402));
        assert_eq!(rig.call(&sent).await.status, 200, "the same bytes are good again: {call}");
        assert_eq!(rig.audit().await.sales, 1, "{call}");
    }
}

#[tokio::test]
async fn an_unsafe_method_runs_only_under_a_durable_claim() {
    let rig = Rig::new().await;
    rig.faults.fail("claim", BooksError::DiskFull);
    let sent = rig.paying(Way::X402, "POST", "/paid/a", "1").carrying("body").signed(&rig.agent.key());
    let got = rig.call(&sent).await;
    assert_eq!((got.status, got.reason(), rig.origin.runs()), (503, Some(R::BooksDiskFull), 0));
    rig.faults.fail("post_claim", BooksError::Unavailable { detail: "gone".into() });
    let got = rig.call(&sent).await;
    assert_eq!((got.status, rig.origin.runs()), (503, 1), "it ran, and whether it is charged is not known");
    rig.faults.mend();
    let got = rig.call(&sent).await;
    assert_eq!((got.status, got.reason(), rig.origin.runs()), (503, Some(R::OutcomeUnknown), 1), "its claim is kept");
    assert_eq!(rig.view().await.reserved.get(), PRICE);
    rig.clock.advance(86_400);
    assert_eq!(rig.books.expire_claims(NOON + 86_400).await.unwrap(), 1);
    assert_eq!((rig.owed().await, rig.view().await.reserved.get()), (0, 0));
    rig.audit().await;
}

#[tokio::test]
async fn a_full_disk_sells_nothing_and_loses_nothing() {
    let rig = Rig::new().await;
    assert_eq!(rig.call(&rig.buy(Way::X402, "/paid/a", "before")).await.status, 200);
    rig.books.limit_pages(1).await.unwrap();
    let mut refused = 0;
    let mut sold = 1;
    for number in 0..200 {
        let got = rig.call(&rig.buy(Way::X402, "/paid/a", &number.to_string())).await;
        match (got.status, got.reason()) {
            (200, None) => sold += 1,
            (503, Some(R::BooksDiskFull)) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0, "the disk was never full");
    rig.books.limit_pages(1_000_000).await.unwrap();
    assert_eq!(rig.call(&rig.buy(Way::X402, "/paid/a", "after")).await.status, 200);
    let report = rig.audit().await;
    assert_eq!(report.sales, sold + 1);
    assert_eq!(rig.owed().await, u128::from(sold + 1) * PRICE);
}

#[tokio::test]
async fn directories_that_are_gone_or_lie_sell_nothing() {
    let lying = |claimed: &'static str, seed: u8| {
        serving(move |_, authority| {
            let key = Agent::new("", seed).key();
            let authority = if claimed.is_empty() { authority } else { claimed };
            directory_response(&[&key], authority, "http", NOON).map(tollway_http::body::full)
        })
    };
    let closed = format!("http://127.0.0.1:{}", crate::rig::closed_port().await);
    let servers = [
        (lying("", 8).await, 401, R::KeyNotFound),
        (lying("crawler.example", 9).await, 403, R::DirectorySignatureInvalid),
        (serving(|_, _| response(500, &[], "")).await, 503, R::DirectoryStatus),
        (serving(|_, _| response(302, &[("location", "https://crawler.example/")], "")).await, 503, R::DirectoryStatus),
        (serving(|_, _| response(200, &[("content-type", "text/html")], "<p>")).await, 403, R::DirectoryContentType),
    ];
    let urls = servers.iter().map(|(server, status, reason)| (server.url.clone(), *status, *reason));
    for (url, status, reason) in urls.chain([(closed, 503, R::DirectoryUnreachable)]) {
        let keys = KeyDirectory::new(DirectoryOptions { allow_loopback: true, ..DirectoryOptions::default() }).unwrap();
        let agents = keys.agents();
        let agent = Agent::new(url, 9);
        let rig = Rig::with(Setup { keys: Some((Arc::new(keys), agents)), agent, ..Setup::default() }).await;
        let got = rig.call(&rig.buy(Way::X402, "/paid/a", "1")).await;
        assert_eq!((got.status, got.reason()), (status, Some(reason)), "{got:?}");
        assert_eq!(got.field("retry-after").is_some(), status == 503, "{reason}");
        assert_eq!((rig.origin.runs(), rig.sales().await), (0, 0), "{reason}");
    }
}

#[tokio::test]
async fn threat_93_strangers_get_credit_only_as_far_as_it_was_meant() {
    use tollway_core::seller::StarterCredit;
    use tollway_protocol::Amount;
    let starter = StarterCredit { limit: Amount::new(PRICE), daily_budget: None, accounts_per_hour: 1 };
    let rig = Rig::with(Setup { credit: None, starter: Some(starter), ..Setup::default() }).await;
    let of = |agent: &Agent, nonce: &str| {
        let (name, value) = crate::rig::commitment(&rig.promise(Way::X402, "/paid/a"));
        let draft = rig.draft(agent, "GET", "/paid/a").with(&name, &value);
        draft.params(|params| params.nonce = Some(nonce.to_owned())).signed(&agent.key())
    };
    let forged = of(&rig.agent, "0").set("signature", "sig1=:AAAA:");
    assert_eq!(rig.call(&forged).await.status, 400);
    assert_eq!(rig.books.agents(NOON).await.unwrap().len(), 0, "no account without a proved key");
    assert_eq!(rig.call(&of(&rig.agent, "1")).await.status, 200);
    assert_eq!(rig.call(&of(&rig.agent, "2")).await.reason(), Some(R::OverCredit));
    let got = rig.call(&of(&rig.stranger, "3")).await;
    assert_eq!((got.status, got.reason()), (429, Some(R::TooManyRequests)));
    rig.clock.advance(3_600);
    assert_eq!(rig.call(&of(&rig.stranger, "4")).await.status, 200);
    assert_eq!(rig.audit().await.sales, 2);
}
