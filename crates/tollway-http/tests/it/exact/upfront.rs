//! The flow `upfront`: the money moves first; a handler that fails afterwards is a debt that the buyer
//! can see.

use serde_json::json;
use tollway_core::scheme::cash::Mood;
use tollway_http::endpoint::Endpoint as _;
use tollway_ledger::ExactState as S;
use tollway_protocol::{Reason as R, header};

use super::shop::{COINS, MONEY, Shop, json, rules, settled};
use crate::rig::{page_text, response, streamed};

#[tokio::test]
async fn the_money_moves_first_and_the_demand_says_so() {
    let shop = Shop::new().await;
    let terms = shop.terms("/upfront/a").await;
    assert_eq!(terms.extra("paymentFlow"), Some(&json!("upfront")));
    let (till, moved) = (shop.till.clone(), std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let seen = std::sync::Arc::clone(&moved);
    shop.origin.behave(move |_| {
        seen.store(till.paid(), std::sync::atomic::Ordering::SeqCst);
        std::future::ready(response(200, &[], "ok"))
    });
    let sent = shop.buy("GET", "/upfront/a").await;
    let got = shop.call(&sent).await;
    assert_eq!((got.status, settled(&got).transaction.as_str()), (200, "slip-1"));
    assert_eq!(moved.load(std::sync::atomic::Ordering::SeqCst), 1, "before the handler ran");
    assert_eq!(shop.call(&sent).await.reason(), Some(R::AlreadyDelivered));
    assert_eq!((shop.origin.runs(), shop.till.settles(), shop.spooled()), (1, 1, 0));
}

#[tokio::test]
async fn a_method_with_effects_may_stream() {
    let shop = Shop::new().await;
    shop.origin.answer(|| {
        let mut long = response(200, &[], "");
        *long.body_mut() = streamed(vec![vec![7; 600_000]; 3]);
        long
    });
    let got = shop.call(&shop.buy("POST", "/upfront/a").await).await;
    assert_eq!((got.status, got.body.len()), (200, 1_800_000));
    assert_eq!((shop.states().await, shop.spooled()), (vec![S::Settled], 0));
}

#[tokio::test]
async fn threat_23_a_handler_that_fails_after_the_payment_leaves_a_debt_that_the_buyer_can_see() {
    let shop = Shop::new().await;
    shop.origin.answer(|| response(500, &[], "sorry"));
    let sent = shop.buy("GET", "/upfront/a").await;
    let got = shop.call(&sent).await;
    assert_eq!((got.status, &got.body[..]), (500, &b"sorry"[..]), "the handler's own answer");
    let settlement = settled(&got);
    assert_eq!((settlement.transaction.as_str(), shop.states().await), ("slip-1", vec![S::RefundOwed]));
    let id = settlement.attachments.extra.unwrap()["payment"].as_str().unwrap().to_owned();
    let told = json(&shop.call(&shop.unpaid("GET", &format!("/.well-known/tollway/payments/{id}"))).await);
    assert_eq!((&told["state"], &told["reason"]), (&json!("refund-owed"), &json!("the upstream answered 500")));
    shop.origin.answer(|| response(200, &[], "ok"));
    let again = shop.call(&sent).await;
    assert_eq!((again.status, again.reason()), (409, Some(R::RefundOwed)));
    assert_eq!(settled(&again).transaction, "slip-1", "its receipt, for the claim");
    assert_eq!((shop.origin.runs(), shop.till.money("ann")), (1, MONEY - COINS));
}

#[tokio::test]
async fn threat_23_an_answer_that_breaks_off_after_the_payment_is_owed_back() {
    let shop = Shop::new().await;
    shop.origin.answer(|| {
        let mut cut = response(200, &[("content-length", "90")], "");
        *cut.body_mut() = crate::rig::cut(vec![b"half".to_vec()]);
        cut
    });
    let got = shop.call(&shop.buy("GET", "/upfront/a").await).await;
    assert_eq!((got.status, got.reason(), shop.states().await), (409, Some(R::RefundOwed), vec![S::RefundOwed]));
    assert_eq!(shop.spooled(), 0);
}

#[tokio::test]
async fn a_settlement_that_is_not_known_runs_no_handler_until_it_is() {
    let shop = Shop::new().await;
    let sent = shop.buy("POST", "/upfront/a").await;
    shop.till.set_mood(Mood::Pending);
    let got = shop.call(&sent).await;
    assert_eq!((got.status, got.reason(), shop.origin.runs()), (503, Some(R::SettlementPending), 0));
    assert!(got.field(header::PAYMENT_REQUIRED).is_none());
    let shop = shop.after_a_crash(rules()).await;
    shop.till.set_mood(Mood::Honest);
    assert_eq!(shop.layer.resolve_exact().await.unwrap().settled.len(), 1);
    assert_eq!(shop.origin.runs(), 0, "nobody asks for it now");
    let got = shop.call(&sent).await;
    assert_eq!((got.status, &got.body[..]), (200, page_text("/upfront/a").as_bytes()));
    assert_eq!((shop.origin.runs(), shop.till.paid()), (1, 1));
    assert_eq!(shop.call(&sent).await.reason(), Some(R::AlreadyDelivered));
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_handler_with_effects_is_a_debt_and_never_a_second_run() {
    for by_the_job in [false, true] {
        let shop = Shop::new().await;
        shop.origin.behave(|_| std::future::pending());
        let sent = shop.buy("POST", "/upfront/a").await;
        let answering = shop.gate.answer(sent.request());
        drop(tokio::time::timeout(std::time::Duration::from_millis(50), answering).await);
        crate::rig::until(|| shop.origin.runs() == 1).await;
        let shop = shop.after_a_crash(rules()).await;
        shop.origin.answer(|| response(200, &[], "ok"));
        if by_the_job {
            shop.layer.resolve_exact().await.unwrap();
            assert_eq!(shop.states().await, [S::RefundOwed]);
        }
        let got = shop.call(&sent).await;
        assert_eq!((got.status, got.reason()), (409, Some(R::RefundOwed)));
        assert_eq!((shop.states().await, shop.origin.runs()), (vec![S::RefundOwed], 1));
    }
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_safe_handler_runs_it_once_more() {
    let shop = Shop::new().await;
    shop.origin.behave(|_| std::future::pending());
    let sent = shop.buy("GET", "/upfront/a").await;
    let answering = shop.gate.answer(sent.request());
    drop(tokio::time::timeout(std::time::Duration::from_millis(50), answering).await);
    crate::rig::until(|| shop.origin.runs() == 1).await;
    let shop = shop.after_a_crash(rules()).await;
    shop.origin.answer(|| response(200, &[], "ok"));
    let got = shop.call(&sent).await;
    assert_eq!((got.status, &got.body[..], shop.origin.runs()), (200, &b"ok"[..], 2));
    assert_eq!((shop.till.settles(), shop.call(&sent).await.reason()), (1, Some(R::AlreadyDelivered)));
}
