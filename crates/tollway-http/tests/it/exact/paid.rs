//! What is paid is served, once.

use std::sync::Arc;

use serde_json::json;
use tollway_http::gate::{GateOptions, PaidBy};
use tollway_ledger::{EntryKind, ExactState};
use tollway_protocol::{PaymentPayload, Reason as R, ResourceInfo, header};

use super::shop::{COINS, MONEY, Shop, failed, json, rules, settled};
use crate::rig::{Got, page_text, response, streamed};

#[tokio::test]
async fn a_page_is_paid_settled_and_served() {
    let shop = Shop::on_a_socket(rules(), None).await;
    let sent = shop.buy("GET", "/paid/a").await;
    let got = shop.send(&sent).await.unwrap();
    assert_eq!((got.status, &got.body[..]), (200, page_text("/paid/a").as_bytes()), "{got:?}");
    let settlement = settled(&got);
    assert_eq!(settlement.transaction, "slip-1");
    assert_eq!(settlement.network.as_str(), "cash:till");
    assert_eq!(settlement.payer.as_deref(), Some("ann"));
    assert_eq!(settlement.amount.unwrap().get(), COINS);
    assert!(got.field("cache-control").unwrap().contains("private"));
    assert!(got.field("access-control-expose-headers").unwrap().contains(header::PAYMENT_RESPONSE));
    assert!(got.field(header::SIGNATURE).is_some(), "the seller signs its receipt");
    assert_eq!(shop.till.money("ann"), MONEY - COINS);
    let kinds = shop.journal().await;
    let steps = [EntryKind::ExactClaim, EntryKind::ExactUnknown, EntryKind::ExactSettled];
    assert!(kinds.ends_with(&steps), "{kinds:?}");
    let record = &shop.payments().await[0];
    assert_eq!((record.state, record.delivery.status), (ExactState::Settled, 200));
    assert_eq!(record.transaction.as_deref(), Some("slip-1"));
    assert_eq!(shop.spooled(), 0, "delivered: nothing waits");
}

#[tokio::test]
async fn a_route_with_both_ways_lists_both_and_takes_both() {
    let shop = Shop::new().await;
    let got = shop.call(&shop.unpaid("GET", "/both/a")).await;
    let schemes: Vec<String> = got.demand().accepts.into_iter().map(|entry| entry.scheme).collect();
    assert_eq!(schemes, ["batch-settlement", "exact"]);
    assert_eq!(json(&got)["accepts"].as_array().map(Vec::len), Some(1), "the body never mixes kinds");
    assert_eq!(json(&got)["accepts"][0]["scheme"], "deferred");
    let paid = shop.call(&shop.buy("GET", "/both/a").await).await;
    assert_eq!(paid.status, 200);
    assert_eq!(settled(&paid).transaction, "slip-1");
}

#[tokio::test]
async fn the_handler_is_told_who_pays() {
    let shop = Shop::with(rules(), GateOptions { payment_context: true, ..GateOptions::default() }).await;
    let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    shop.origin.behave(move |request| {
        seen.lock().push((
            request.extensions().get::<PaidBy>().cloned().unwrap(),
            request.headers().contains_key(header::PAYMENT_CONTEXT),
        ));
        std::future::ready(response(200, &[], "ok"))
    });
    for target in ["/paid/a", "/upfront/a"] {
        assert_eq!(shop.call(&shop.buy("GET", target).await).await.status, 200);
    }
    assert!(!shop.origin.last().headers.contains_key(header::PAYMENT_SIGNATURE), "the payment itself stays here");
    let told = told.lock();
    let fact = |n: usize| (told[n].0.scheme, told[n].0.agent.as_str(), told[n].0.transaction.as_deref(), told[n].1);
    assert_eq!(fact(0), ("exact", "ann", None, true));
    assert_eq!(fact(1), ("exact", "ann", Some("slip-2"), true));
}

#[tokio::test]
async fn threat_01_ten_thousand_identical_payments_run_once_settle_once_and_are_served_once() {
    let shop = Arc::new(Shop::on_a_socket(rules(), None).await);
    let sent = Arc::new(shop.buy("GET", "/paid/a").await);
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..250 {
        let (shop, sent) = (Arc::clone(&shop), Arc::clone(&sent));
        lanes.spawn(async move {
            let mut answers = Vec::new();
            for _ in 0..40 {
                let got = Got::of(tollway_http::endpoint::Endpoint::answer(&shop.gate, sent.request()).await).await;
                answers.push((got.status, got.reason(), got.headers.contains_key(header::PAYMENT_RESPONSE)));
            }
            answers
        });
    }
    let answers: Vec<_> = lanes.join_all().await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 10_000);
    let served = answers.iter().filter(|(status, ..)| *status == 200).count();
    assert_eq!((shop.origin.runs(), shop.till.settles(), shop.till.paid(), served), (1, 1, 1, 1));
    for (status, reason, receipt) in answers.iter().filter(|(status, ..)| *status != 200) {
        let known = matches!((status, reason), (409, Some(R::AlreadyDelivered | R::ReplayPending)));
        assert!(known && (*receipt == (*reason == Some(R::AlreadyDelivered))), "{status} {reason:?} {receipt}");
    }
    assert_eq!(shop.till.money("ann"), MONEY - COINS);
}

#[tokio::test]
async fn threat_02_a_facilitator_that_says_yes_again_grants_nothing_again() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    assert_eq!(shop.call(&sent).await.status, 200);
    for seconds in [1, 60, 3_600, 90_000] {
        shop.clock.advance(seconds);
        shop.layer.resolve_exact().await.unwrap();
        let got = shop.call(&sent).await;
        assert_eq!((got.status, got.reason()), (409, Some(R::AlreadyDelivered)), "after {seconds} s");
        assert_eq!(settled(&got).transaction, "slip-1", "the receipt is there for ever");
    }
    assert_eq!((shop.origin.runs(), shop.till.settles()), (1, 1));
}

#[tokio::test]
async fn threat_12_a_payment_buys_the_request_it_was_made_for() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    assert_eq!(shop.call(&sent).await.status, 200);
    let payment = sent.field(header::PAYMENT_SIGNATURE);
    for (name, method, target) in
        [("page", "GET", "/paid/b"), ("query", "GET", "/paid/a?x"), ("method", "POST", "/paid/a")]
    {
        let other = shop.unpaid(method, target).add(header::PAYMENT_SIGNATURE, &payment);
        let got = shop.call(&other).await;
        assert_eq!((got.status, got.reason()), (409, Some(R::ReplayMismatch)), "{name}");
    }
    let mut body = shop.unpaid("GET", "/paid/a").add(header::PAYMENT_SIGNATURE, &payment);
    body.body = b"{}".to_vec();
    assert_eq!(shop.call(&body).await.reason(), Some(R::ReplayMismatch), "another body");
    assert_eq!((shop.origin.runs(), shop.till.paid()), (1, 1));
}

#[tokio::test]
async fn threat_12_a_payment_for_another_resource_is_refused() {
    let shop = Shop::new().await;
    let terms = shop.terms("/paid/a").await;
    for (url, status) in [
        ("https://other.example/paid/a", 402),
        ("https://shop.example/paid/b", 402),
        ("https://shop.example", 402),
        ("https://shop.example/paid/a", 200),
    ] {
        let mut payment = PaymentPayload::new(terms.clone(), shop.note("ann", &terms).payload());
        payment.resource = Some(ResourceInfo::at(url));
        let got = shop.call(&shop.paying("GET", "/paid/a", &payment)).await;
        assert_eq!(got.status, status, "{url}");
    }
    assert_eq!(shop.till.paid(), 1);
}

#[tokio::test]
async fn an_upstream_that_fails_costs_nothing() {
    let shop = Shop::new().await;
    for status in [304, 400, 404, 500] {
        shop.origin.answer(move || response(status, &[], "sorry"));
        let sent = shop.buy("GET", "/paid/a").await;
        let got = shop.call(&sent).await;
        assert_eq!((got.status, &got.body[..]), (status, &b"sorry"[..]));
        let again = shop.call(&sent).await;
        assert_eq!((again.status, again.reason()), (409, Some(R::ReplayMismatch)), "given back: sign a new one");
    }
    shop.origin.answer(|| {
        let mut cut = response(200, &[("content-length", "9")], "");
        *cut.body_mut() = crate::rig::cut(vec![b"half".to_vec()]);
        cut
    });
    let got = shop.call(&shop.buy("GET", "/paid/a").await).await;
    assert_eq!((got.status, got.reason()), (502, Some(R::UpstreamMalformed)));
    assert_eq!((shop.till.settles(), shop.till.money("ann")), (0, MONEY));
    assert!(shop.states().await.iter().all(|state| *state == ExactState::Released));
}

#[tokio::test]
async fn a_long_answer_is_held_at_its_head_and_streamed_when_it_is_paid() {
    let shop = Shop::new().await;
    let chunks = || vec![vec![7; 600_000]; 4];
    shop.origin.answer(move || {
        let mut long = response(200, &[], "");
        *long.body_mut() = streamed(chunks());
        long
    });
    let sent = shop.buy("GET", "/paid/long").await;
    let got = shop.call(&sent).await;
    assert_eq!((got.status, got.body.len(), got.cut), (200, 2_400_000, false));
    assert_eq!(settled(&got).transaction, "slip-1");
    assert_eq!(shop.spooled(), 0);
    assert_eq!(shop.call(&sent).await.reason(), Some(R::AlreadyDelivered));
    let posted = shop.call(&shop.buy("POST", "/paid/long").await).await;
    assert_eq!((posted.status, posted.reason()), (502, Some(R::UpstreamMalformed)), "a method with effects");
    assert_eq!(shop.till.paid(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_collected_with_the_same_payment() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    // The answer is made and dropped unread: the connection is gone.
    drop(tollway_http::endpoint::Endpoint::answer(&shop.gate, sent.request()).await);
    assert_eq!(shop.spooled(), 1);
    let shop = shop.after_a_crash(rules()).await;
    let got = shop.call(&sent).await;
    assert_eq!((got.status, &got.body[..]), (200, page_text("/paid/a").as_bytes()));
    assert_eq!(settled(&got).transaction, "slip-1");
    let again = shop.call(&sent).await;
    assert_eq!(again.reason(), Some(R::AlreadyDelivered), "a payment that has settled is public");
    assert_eq!((shop.origin.runs(), shop.till.settles(), shop.spooled()), (1, 1, 0));
}

#[tokio::test]
async fn a_lost_long_answer_is_asked_for_once_more_under_the_same_payment() {
    let shop = Shop::new().await;
    shop.origin.answer(|| {
        let mut long = response(200, &[], "");
        *long.body_mut() = streamed(vec![vec![7; 600_000]; 3]);
        long
    });
    let sent = shop.buy("GET", "/paid/long").await;
    for _ in 0..4 {
        drop(tollway_http::endpoint::Endpoint::answer(&shop.gate, sent.request()).await);
    }
    assert_eq!((shop.origin.runs(), shop.till.settles()), (2, 1), "the first run and one more");
    assert_eq!(shop.call(&sent).await.reason(), Some(R::AlreadyDelivered));
}

#[tokio::test]
async fn threat_49_a_buyer_who_hangs_up_leaves_nothing_half_done() {
    let shop = Shop::new().await;
    let sent = shop.buy("GET", "/paid/a").await;
    let (go, wait) = tokio::sync::watch::channel(false);
    shop.origin.behave(move |_| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|go| *go).await.unwrap();
            response(200, &[], "ok")
        }
    });
    let answering = tollway_http::endpoint::Endpoint::answer(&shop.gate, sent.request());
    let polled = tokio::time::timeout(std::time::Duration::from_millis(50), answering).await;
    assert!(polled.is_err(), "the handler has not ended");
    go.send(true).unwrap();
    crate::rig::until(|| shop.till.paid() == 1).await;
    let mut got = shop.call(&sent).await;
    while got.reason() == Some(R::ReplayPending) {
        got = shop.call(&sent).await;
    }
    assert_eq!((got.status, &got.body[..]), (200, &b"ok"[..]), "the same payment collects it");
    assert_eq!(shop.origin.runs(), 1);
}

#[tokio::test]
async fn the_state_of_a_payment_can_be_read_by_its_id() {
    let shop = Shop::new().await;
    let got = shop.call(&shop.buy("GET", "/paid/a").await).await;
    let id = settled(&got).attachments.extra.unwrap()["payment"].as_str().unwrap().to_owned();
    let told = shop.call(&shop.unpaid("GET", &format!("/.well-known/tollway/payments/{id}"))).await;
    let state = json(&told);
    assert_eq!((told.status, &state["state"], &state["transaction"]), (200, &json!("settled"), &json!("slip-1")));
    assert_eq!(state.as_object().unwrap().len(), 5, "nothing of the buyer or of what it bought: {state}");
    for unknown in ["x", &"A".repeat(43)] {
        let told = shop.call(&shop.unpaid("GET", &format!("/.well-known/tollway/payments/{unknown}"))).await;
        assert_eq!((told.status, told.reason()), (404, Some(R::NotFound)));
    }
}

#[tokio::test]
async fn threat_05_head_runs_no_handler_and_moves_no_money() {
    let shop = Shop::new().await;
    let got = shop.call(&shop.buy("HEAD", "/paid/a").await).await;
    assert_eq!((got.status, shop.origin.runs(), shop.till.settles()), (402, 0, 0));
    let refused = shop.buy("GET", "/paid/a").await;
    shop.till.set_mood(tollway_core::scheme::cash::Mood::Refusing);
    let got = shop.call(&refused).await;
    assert_eq!((got.status, failed(&got).reason.as_deref()), (402, Some("invalid_exact_cash_refused")));
}

#[tokio::test]
async fn threat_11_a_payment_seen_on_its_network_buys_nothing_again() {
    let shop = Shop::new().await;
    let terms = shop.terms("/paid/a").await;
    let note = shop.note("ann", &terms);
    let bought = shop.paying("GET", "/paid/a", &PaymentPayload::new(terms.clone(), note.payload()));
    assert_eq!(shop.call(&bought).await.status, 200);
    // Whoever watches the network knows the note and puts it into a message of its own.
    let mut bare = terms.clone();
    bare.extra.as_mut().unwrap().remove("offer");
    for accepted in [terms, bare] {
        let mut copied = PaymentPayload::new(accepted, note.payload());
        copied.resource = Some(ResourceInfo::at("https://shop.example/paid/a"));
        let got = shop.call(&shop.paying("GET", "/paid/a", &copied)).await;
        assert_eq!((got.status, got.reason()), (409, Some(R::AlreadyDelivered)));
        assert!(!String::from_utf8_lossy(&got.body).contains("page at"));
        let other = shop.call(&shop.paying("GET", "/paid/b", &PaymentPayload { resource: None, ..copied })).await;
        assert_eq!(other.reason(), Some(R::ReplayMismatch));
    }
    assert_eq!((shop.origin.runs(), shop.till.settles()), (1, 1));
}
