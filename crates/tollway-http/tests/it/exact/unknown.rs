//! "Not known" never becomes "not paid": no fresh demand, no second payment, no lost answer.

use tollway_core::scheme::cash::Mood;
use tollway_http::endpoint::Endpoint as _;
use tollway_ledger::ExactState as S;
use tollway_protocol::{Reason as R, header};

use super::shop::{COINS, MONEY, Shop, failed, rules, settled};
use crate::rig::{page_text, response, streamed};

#[tokio::test]
async fn threat_03_an_outcome_that_is_not_known_is_never_a_fresh_demand() {
    for (mood, money_moved, hash) in [
        (Mood::Mute, true, ""),
        (Mood::Deaf, false, ""),
        (Mood::Garbled, true, ""),
        (Mood::Pending, true, "slip-1"),
        (Mood::Empty, false, ""),
        (Mood::Elsewhere, true, "slip-1"),
        (Mood::SomebodyElse, true, "slip-1"),
    ] {
        let shop = Shop::new().await;
        let sent = shop.buy("GET", "/paid/a").await;
        shop.till.set_mood(mood);
        let got = shop.call(&sent).await;
        assert_eq!((got.status, got.reason()), (503, Some(R::SettlementPending)), "{mood:?}");
        assert!(got.field(header::PAYMENT_REQUIRED).is_none() && got.field("retry-after").is_some(), "{mood:?}");
        let failure = failed(&got);
        assert_eq!(failure.reason.as_deref(), Some("settlement_pending"), "{mood:?}");
        assert_eq!(failure.transaction.unwrap_or_default(), hash, "{mood:?}");
        assert_eq!(shop.states().await, [S::Unknown], "{mood:?}: the claim is kept");
        assert_eq!(shop.till.money("ann") < MONEY, money_moved, "{mood:?}");
        // Still not known: asked again, answered the same.
        assert_eq!(shop.call(&sent).await.reason(), Some(R::SettlementPending), "{mood:?}");
        shop.till.set_mood(Mood::Honest);
        let got = shop.call(&sent).await;
        assert_eq!((got.status, &got.body[..]), (200, page_text("/paid/a").as_bytes()), "{mood:?}");
        assert_eq!(settled(&got).transaction, "slip-1", "{mood:?}");
        assert_eq!((shop.origin.runs(), shop.till.paid()), (1, 1), "{mood:?}: one run, one payment");
        assert_eq!(shop.till.money("ann"), MONEY - COINS, "{mood:?}");
    }
}

#[tokio::test]
async fn threat_50_a_crash_with_an_unknown_outcome_loses_neither_money_nor_answer() {
    for mood in [Mood::Mute, Mood::Deaf, Mood::Pending] {
        let shop = Shop::new().await;
        let sent = shop.buy("GET", "/paid/a").await;
        shop.till.set_mood(mood);
        assert_eq!(shop.call(&sent).await.status, 503);
        let shop = shop.after_a_crash(rules()).await;
        let resolved = shop.layer.resolve_exact().await.unwrap();
        assert_eq!((resolved.settled.len(), resolved.open.len()), (0, 1), "{mood:?}");
        shop.till.set_mood(Mood::Honest);
        let resolved = shop.layer.resolve_exact().await.unwrap();
        assert_eq!((resolved.settled.len(), resolved.open.len()), (1, 0), "{mood:?}");
        assert_eq!(shop.states().await, [S::Settled], "{mood:?}");
        let got = shop.call(&sent).await;
        assert_eq!((got.status, &got.body[..]), (200, page_text("/paid/a").as_bytes()), "{mood:?}");
        assert_eq!((shop.origin.runs(), shop.till.paid()), (1, 1), "{mood:?}");
    }
}

#[tokio::test]
async fn an_outcome_that_turns_out_refused_is_refused_and_keeps_nothing() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    shop.till.set_mood(Mood::Deaf);
    assert_eq!((shop.call(&sent).await.status, shop.spooled()), (503, 1));
    shop.till.set_mood(Mood::Refusing);
    let resolved = shop.layer.resolve_exact().await.unwrap();
    assert_eq!((resolved.ended.len(), shop.spooled()), (1, 0));
    shop.till.set_mood(Mood::Honest);
    let got = shop.call(&sent).await;
    assert_eq!((got.status, got.reason()), (402, "invalid_exact_cash_refused".parse().ok()));
    assert_eq!(failed(&got).reason.as_deref(), Some("invalid_exact_cash_refused"));
    assert_eq!((shop.states().await, shop.till.paid()), (vec![S::Failed], 0));
}

#[tokio::test]
async fn a_claim_that_a_crash_left_is_given_back_unsettled() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    shop.origin.behave(|_| std::future::pending());
    let answering = shop.gate.answer(sent.request());
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), answering).await.is_err());
    assert_eq!(shop.states().await, [S::Claimed]);
    let shop = shop.after_a_crash(rules()).await;
    let got = shop.call(&sent).await;
    assert_eq!((got.status, got.reason()), (503, Some(R::SettlementPending)), "another process may work on it");
    shop.layer.resolve_exact().await.unwrap();
    assert_eq!(shop.states().await, [S::Claimed], "too early to tell");
    shop.clock.advance(91);
    assert_eq!(shop.layer.resolve_exact().await.unwrap().ended.len(), 1);
    assert_eq!((shop.states().await, shop.till.settles()), (vec![S::Released], 0));
    assert_eq!(shop.call(&sent).await.reason(), Some(R::ReplayMismatch));
}

#[tokio::test]
async fn a_long_answer_whose_outcome_was_not_known_runs_once_more() {
    let shop = Shop::new().await;
    shop.origin.answer(|| {
        let mut long = response(200, &[], "");
        *long.body_mut() = streamed(vec![vec![7; 600_000]; 3]);
        long
    });
    let sent = shop.buy("GET", "/paid/long").await;
    shop.till.set_mood(Mood::Pending);
    let got = shop.call(&sent).await;
    assert_eq!((got.status, shop.origin.runs()), (503, 1));
    shop.till.set_mood(Mood::Honest);
    let got = shop.call(&sent).await;
    assert_eq!((got.status, got.body.len(), shop.origin.runs()), (200, 1_800_000, 2));
    assert_eq!(shop.call(&sent).await.reason(), Some(R::AlreadyDelivered));
    assert_eq!((shop.origin.runs(), shop.till.paid()), (2, 1));
}

#[tokio::test]
async fn answers_nobody_comes_for_are_dropped_an_hour_after_their_outcome() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    shop.till.set_mood(Mood::Mute);
    assert_eq!(shop.call(&sent).await.status, 503);
    shop.clock.advance(90_000);
    shop.layer.resolve_exact().await.unwrap();
    assert_eq!(shop.spooled(), 1, "kept as long as the outcome is open");
    shop.till.set_mood(Mood::Honest);
    shop.layer.resolve_exact().await.unwrap();
    shop.clock.advance(3_000);
    shop.layer.resolve_exact().await.unwrap();
    assert_eq!(shop.spooled(), 1);
    shop.clock.advance(700);
    shop.layer.resolve_exact().await.unwrap();
    assert_eq!(shop.spooled(), 0);
    assert_eq!(shop.call(&sent).await.reason(), Some(R::AlreadyDelivered), "the receipt is for ever");
}
