//! One promise opens a pass: its agent asks under its rule until time, count or the seller ends it.

use tollway_core::rules::PassTerms;
use tollway_http::gate::PaidBy;
use tollway_ledger::{BooksError, EntryKind as E, PassBooks as _, Sequence};
use tollway_protocol::{Amount, Reason as R, header};

use crate::rig::{Agent, Got, NOON, PRICE, Rig, Sent, Setup, Way, charging, cut, response, rules_with};

const REQUESTS: u32 = 4;
const SECONDS: u32 = 600;

async fn rig() -> Rig {
    let session = charging("session", "/session/*", |charge| {
        charge.pass = Some(PassTerms { requests: REQUESTS, seconds: SECONDS });
    });
    Rig::with(Setup { rules: rules_with(session), ..Setup::default() }).await
}

/// A signed request that pays nothing.
fn within(rig: &Rig, agent: &Agent, target: &str, nonce: &str) -> Sent {
    let draft = rig.draft(agent, "GET", target).params(|params| params.nonce = Some(nonce.to_owned()));
    draft.signed(&agent.key())
}

fn left(got: &Got) -> Option<u32> {
    got.field(header::TOLLWAY_PASS_LEFT).map(|text| text.parse().unwrap())
}

async fn opened(rig: &Rig) -> Got {
    rig.call(&rig.buy(Way::X402, "/session/a", "bought")).await
}

#[tokio::test]
async fn one_promise_serves_every_request_of_its_pass() {
    let rig = rig().await;
    assert_eq!(rig.call(&within(&rig, &rig.agent, "/session/a", "early")).await.status, 402, "before it is bought");
    let bought = opened(&rig).await;
    assert_eq!((bought.status, left(&bought)), (200, Some(3)));
    assert_eq!(bought.field(header::TOLLWAY_PASS), None, "an agent shows its signature, not a token");
    for (nonce, expected) in [("1", 2), ("2", 1), ("3", 0)] {
        let got = rig.call(&within(&rig, &rig.agent, "/session/other", nonce)).await;
        assert_eq!((got.status, left(&got)), (200, Some(expected)));
    }
    let over = rig.call(&within(&rig, &rig.agent, "/session/a", "4")).await;
    assert_eq!((over.status, over.reason()), (402, Some(R::PaymentRequired)));
    assert_eq!((rig.owed().await, rig.origin.runs()), (PRICE, 4));
    let used = rig.journal().await.iter().filter(|kind| **kind == E::PassUsed).count();
    assert_eq!(used, 3, "each request within it is an entry");
    rig.audit().await;
}

#[tokio::test]
async fn the_offer_says_what_is_opened_and_the_upstream_who_asks() {
    let rig = rig().await;
    let got = rig.call(&Sent::plain(&rig.site, "GET", "/session/a")).await;
    let entry = got.demand().accepts.remove(0);
    assert_eq!(entry.extra("pass").unwrap()["requests"], REQUESTS);
    assert_eq!(rig.offer("/session/a").document().pass, Some(PassTerms { requests: REQUESTS, seconds: SECONDS }));
    opened(&rig).await;
    rig.origin.behave(|request| async move {
        let paid = request.extensions().get::<PaidBy>().unwrap();
        response(200, &[], format!("{} {} {}", paid.scheme, paid.agent, paid.amount))
    });
    let got = rig.call(&within(&rig, &rig.agent, "/session/a", "1")).await;
    assert_eq!(got.body, format!("pass https://crawler.example {}", Amount::ZERO));
}

#[tokio::test]
async fn threat_30_a_request_within_a_pass_is_taken_once() {
    let rig = rig().await;
    opened(&rig).await;
    let sent = within(&rig, &rig.agent, "/session/a", "1");
    assert_eq!(rig.call(&sent).await.status, 200);
    let again = rig.call(&sent).await;
    assert_eq!((again.status, again.reason()), (409, Some(R::NonceReplayed)));
    let nameless = rig.draft(&rig.agent, "GET", "/session/a").params(|params| params.nonce = None);
    let got = rig.call(&nameless.signed(&rig.agent.key())).await;
    assert_eq!(got.reason(), Some(R::NonceMissing));
    assert_eq!(rig.origin.runs(), 2);
}

#[tokio::test]
async fn threat_12_a_pass_is_its_payers_and_its_rules() {
    let rig = rig().await;
    opened(&rig).await;
    rig.account(&rig.stranger, PRICE, None).await;
    let stranger = rig.call(&within(&rig, &rig.stranger, "/session/a", "1")).await;
    assert_eq!((stranger.status, stranger.reason()), (402, Some(R::PaymentRequired)));
    let elsewhere = rig.call(&within(&rig, &rig.agent, "/paid/a", "2")).await;
    assert_eq!((elsewhere.status, elsewhere.reason()), (402, Some(R::PaymentRequired)));
    assert_eq!(rig.origin.runs(), 1);
}

#[tokio::test]
async fn time_and_the_seller_end_a_pass() {
    let rig = rig().await;
    opened(&rig).await;
    let record = rig.books.passes(Sequence::ZERO, 10).await.unwrap().remove(0);
    assert_eq!((record.used, record.pass.ends), (1, NOON + u64::from(SECONDS)));
    rig.books.pass_revoke(&record.pass.id, NOON).await.unwrap();
    assert_eq!(rig.call(&within(&rig, &rig.agent, "/session/a", "1")).await.status, 402, "revoked");
    let again = rig.call(&rig.buy(Way::X402, "/session/b", "another")).await;
    assert_eq!(left(&again), Some(3), "another promise opens another pass");
    rig.clock.advance(u64::from(SECONDS));
    assert_eq!(rig.call(&within(&rig, &rig.agent, "/session/a", "2")).await.status, 402, "its time is over");
    rig.audit().await;
}

#[tokio::test]
async fn what_was_not_served_is_given_back() {
    let rig = rig().await;
    opened(&rig).await;
    rig.origin.answer(|| response(500, &[], "no"));
    assert_eq!(rig.call(&within(&rig, &rig.agent, "/session/a", "1")).await.status, 500);
    rig.origin.answer(|| response(200, &[], "yes"));
    let got = rig.call(&within(&rig, &rig.agent, "/session/a", "2")).await;
    assert_eq!(left(&got), Some(2));
    let kinds = rig.journal().await;
    assert!(kinds.ends_with(&[E::PassOpened, E::PassUsed, E::PassReturned, E::PassUsed]), "{kinds:?}");
    rig.audit().await;
}

#[tokio::test]
async fn threat_08_books_that_fail_serve_nothing_within_a_pass() {
    let rig = rig().await;
    opened(&rig).await;
    let down = || BooksError::Unavailable { detail: "away".to_owned() };
    for call in ["pass_of", "pass_take"] {
        rig.faults.fail(call, down());
        let got = rig.call(&within(&rig, &rig.agent, "/session/a", call)).await;
        assert_eq!((got.status, got.reason()), (503, Some(R::BooksUnavailable)), "{call}");
    }
    rig.faults.fail("pass_open", down());
    let sent = rig.buy(Way::X402, "/session/b", "second");
    let got = rig.call(&sent).await;
    assert_eq!((got.status, left(&got)), (200, None), "what was paid is served");
    rig.faults.mend();
    let again = rig.call(&sent).await;
    assert_eq!((again.status, left(&again)), (200, Some(3)), "the same payment opens its pass");
    assert_eq!(rig.origin.runs(), 2);
}

#[tokio::test]
async fn a_charge_that_is_taken_back_takes_its_pass_along() {
    let rig = rig().await;
    let long = || vec![vec![b'x'; 300 << 10]; 2];
    rig.origin.answer(move || {
        let mut response = response(200, &[], "");
        *response.body_mut() = cut(long());
        response
    });
    rig.call(&rig.buy(Way::X402, "/session/a", "bought")).await;
    let revoked = || async { rig.books.passes(Sequence::ZERO, 1).await.unwrap()[0].revoked };
    let wait = async {
        let mut pause = tokio::time::interval(std::time::Duration::from_millis(1));
        while !revoked().await {
            pause.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), wait).await.unwrap();
    assert_eq!(rig.owed().await, 0);
    rig.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_27_many_at_once_never_pass_the_count() {
    let rig = std::sync::Arc::new(rig().await);
    opened(&rig).await;
    let asked = (0..40).map(|number| {
        let rig = std::sync::Arc::clone(&rig);
        let sent = within(&rig, &rig.agent, "/session/a", &format!("n{number}"));
        tokio::spawn(async move { rig.call(&sent).await.status })
    });
    let mut served = 0;
    for answer in asked.collect::<Vec<_>>() {
        served += usize::from(answer.await.unwrap() == 200);
    }
    assert_eq!((served, rig.origin.runs()), (3, 4));
}
