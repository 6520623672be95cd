//! Limits: for a call, a server, a day, a session, and for any number of calls at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tollway_core::buyer::Budget;
use tollway_mcp::buyer::{AllowList, CallAnswer, ToolPayer, ToolPayerParts};
use tollway_protocol::Amount;

use super::rig::{PRICE, Purse, Shop, call, demand, payment, promise_way, receipt, refusal, square, text, way};

#[tokio::test]
async fn respects_cap() {
    let purse = Purse::new();
    let shop = Shop::asking(demand(json!([way(1_000_001)])));
    let answered = call(&purse.payer(), &shop).await;
    assert!(text(&answered).contains("more than one payment may cost (over_max_price)"), "{}", text(&answered));
    assert_eq!((shop.times(), purse.signed().await.len()), (1, 0));
}

#[tokio::test]
async fn threat_24_each_limit_holds_alone() {
    let room_for_two = Amount::new(2 * PRICE + PRICE / 2);
    let change: [fn(&mut ToolPayerParts, Amount); 3] = [
        |parts, room| parts.ceilings.per_host = room,
        |parts, room| parts.ceilings.per_day = room,
        |parts, room| parts.session = Budget::new(room, room),
    ];
    for (limit, change) in change.into_iter().enumerate() {
        let mut purse = Purse::new();
        change(&mut purse.parts, room_for_two);
        let payer = purse.payer();
        let shop = Shop::asking(demand(json!([way(PRICE)])));
        for number in 0..4 {
            let answered = call(&payer, &shop).await;
            assert_eq!(answered.paid.is_some(), number < 2, "limit {limit}, call {number}");
        }
        let other = ToolPayer::new(ToolPayerParts { server: "https://other.example".into(), ..purse.parts.clone() });
        assert_eq!(call(&other, &shop).await.paid.is_some(), limit == 0, "another server has its own limit only");
        purse.clock.advance(86_400);
        assert_eq!(call(&payer, &shop).await.paid.is_some(), limit != 2, "a new day, the same session");
    }
}

#[tokio::test]
async fn threat_28_only_tools_on_the_list_are_paid() {
    let mut purse = Purse::new();
    purse.parts.allowed = AllowList::only(vec!["cube".parse().unwrap()]);
    let answered = call(&purse.payer(), &Shop::asking(demand(json!([way(PRICE)])))).await;
    assert!(text(&answered).contains("not on the list"), "{}", text(&answered));
    let free = Shop::new(|_| Ok(CallAnswer::Result(json!({"content": [{"type": "text", "text": "free"}]}))));
    assert_eq!(text(&call(&purse.payer(), &free).await), "free");
}

/// A thousand calls at once against money for a hundred, and how many were paid.
async fn rush(purse: &Purse, way: serde_json::Value) -> usize {
    let payer = Arc::new(purse.payer());
    let runs = Arc::new(AtomicUsize::new(0));
    let asked = demand(json!([way]));
    let counted = runs.clone();
    let shop = Arc::new(Shop::new(move |params| {
        Ok(payment(params).map_or_else(
            || refusal(&asked),
            |paid| {
                counted.fetch_add(1, Ordering::SeqCst);
                receipt(&paid)
            },
        ))
    }));
    let calls: Vec<_> = (0..1_000)
        .map(|number| {
            let (payer, shop) = (payer.clone(), shop.clone());
            tokio::spawn(async move {
                let mut params = square();
                // Half of them are equal, half are not.
                params["arguments"]["number"] = json!(if number % 2 == 0 { 7 } else { number });
                payer.call("tools/call", &params, shop.as_ref()).await.unwrap().paid.is_some()
            })
        })
        .collect();
    let mut paid = 0;
    for call in calls {
        paid += usize::from(call.await.unwrap());
    }
    assert_eq!(runs.load(Ordering::SeqCst), paid);
    assert_eq!(purse.signed().await.len(), paid, "nothing was signed beyond what was paid");
    let ids: std::collections::HashSet<_> =
        shop.payments().iter().map(|paid| serde_json::to_string(&paid.payload).unwrap()).collect();
    assert_eq!(ids.len(), paid, "each call has a payment of its own");
    paid
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threat_27_a_thousand_calls_at_once_pay_a_hundred_times_out_of_money_for_a_hundred() {
    let hundred = Amount::new(100 * PRICE);
    let mut session = Purse::new();
    session.parts.session = Budget::new(hundred, hundred);
    assert_eq!(rush(&session, way(PRICE)).await, 100);
    let mut promises = Purse::new();
    promises.parts.session = Budget::new(hundred, hundred);
    assert_eq!(rush(&promises, promise_way(PRICE)).await, 100);
    let mut day = Purse::new();
    day.parts.ceilings.per_day = hundred;
    assert_eq!(rush(&day, way(PRICE)).await, 100);
}

#[tokio::test]
async fn the_session_s_money_for_a_failed_call_comes_back_when_its_payment_cannot_be_used() {
    let mut purse = Purse::new();
    purse.parts.session = Budget::new(Amount::new(PRICE), Amount::new(PRICE));
    let asked = demand(json!([way(PRICE)]));
    let failing = Shop::new(move |params| {
        let failed = json!({"isError": true, "content": [{"type": "text", "text": "boom"}]});
        Ok(payment(params).map_or_else(|| refusal(&asked), |_| CallAnswer::Result(failed)))
    });
    let payer = purse.payer();
    let answered = call(&payer, &failing).await;
    assert_eq!((text(&answered).as_str(), answered.paid), ("boom", None));
    assert!(text(&call(&payer, &failing).await).contains("budget_exhausted"), "the server still holds a payment");
    purse.clock.advance(300 + 61);
    let shop = Shop::asking(demand(json!([way(PRICE)])));
    assert!(call(&payer, &shop).await.paid.is_some());
    assert_eq!(payer.spending().await.unwrap().session.spent, Amount::new(PRICE));
}
