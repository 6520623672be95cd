//! Answers that are lost, late or refuse: a payment is sent again, never signed again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tollway_core::buyer::AuditLine;
use tollway_core::buyer::exact::PaymentEnd;
use tollway_mcp::buyer::{CallAnswer, Lost};
use tollway_mcp::wire::names;
use tollway_protocol::Amount;

use super::rig::{PRICE, Purse, Shop, call, demand, payment, promise_way, receipt, refusal, text, way};

/// A shop that loses the answers to the first `lost` paid calls.
fn losing(lost: usize, way: serde_json::Value) -> Shop {
    let asked = demand(json!([way]));
    let seen = AtomicUsize::new(0);
    Shop::new(move |params| {
        let Some(paid) = payment(params) else { return Ok(refusal(&asked)) };
        if seen.fetch_add(1, Ordering::SeqCst) < lost { Err(Lost::now("broken pipe")) } else { Ok(receipt(&paid)) }
    })
}

#[tokio::test(start_paused = true)]
async fn threat_45_a_lost_answer_is_asked_for_with_the_same_payment() {
    for way in [way(PRICE), promise_way(PRICE)] {
        let purse = Purse::new();
        let shop = losing(3, way);
        let answered = call(&purse.payer(), &shop).await;
        assert_eq!(text(&answered), "49");
        let payments = shop.payments();
        assert_eq!(payments.len(), 4);
        assert!(payments.iter().all(|paid| *paid == payments[0]), "the same bytes");
        assert_eq!(purse.signed().await.len(), 1);
        assert_eq!(purse.parts.session.view().spent, Amount::new(PRICE));
    }
}

#[tokio::test(start_paused = true)]
async fn threat_45_a_later_call_goes_on_with_an_open_payment_also_in_another_run() {
    for another_run in [false, true] {
        let purse = Purse::new();
        let shop = losing(6, way(PRICE));
        let first = purse.payer();
        let answered = call(&first, &shop).await;
        assert!(text(&answered).contains("goes on with the same payment"), "{}", text(&answered));
        assert_eq!(purse.signed().await[0].end, PaymentEnd::Unknown);
        assert_eq!(purse.parts.session.view().held, Amount::new(PRICE), "the money stays held");
        let later = if another_run { purse.payer() } else { first };
        assert_eq!(text(&call(&later, &shop).await), "49");
        assert_eq!((shop.payments().len(), purse.signed().await.len()), (7, 1));
        assert!(shop.payments().iter().all(|paid| *paid == shop.payments()[0]));
        assert_eq!(shop.times(), 8, "the later call was not asked for its price again");
        let next = call(&later, &shop).await;
        assert!(next.paid.is_some(), "and the next one is a purchase of its own");
        assert_eq!(purse.signed().await.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_payment_that_has_ended_makes_room_when_it_was_not_taken() {
    for way in [way(PRICE), promise_way(PRICE)] {
        let purse = Purse::new();
        let down = Arc::new(AtomicUsize::new(1));
        let (asked, switch) = (demand(json!([way])), down.clone());
        let first = Arc::new(parking_lot::Mutex::new(None));
        let shop = Shop::new(move |params| {
            let Some(paid) = payment(params) else { return Ok(refusal(&asked)) };
            let mut first = first.lock();
            let known = first.get_or_insert_with(|| paid.clone());
            if switch.load(Ordering::SeqCst) == 1 {
                return Err(Lost::now("down"));
            }
            let mut expired = asked.clone();
            expired["error"] = json!("expired");
            Ok(if paid == *known { refusal(&expired) } else { receipt(&paid) })
        });
        let payer = purse.payer();
        drop(call(&payer, &shop).await);
        down.store(0, Ordering::SeqCst);
        purse.clock.advance(300 + 61);
        let answered = call(&payer, &shop).await;
        assert_eq!(text(&answered), "49");
        let signed = purse.signed().await;
        assert_eq!(signed.len(), 2, "the earlier one has ended and was not taken");
        assert!(matches!(signed[1].end, PaymentEnd::Settled { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_payment_that_is_refused_while_it_can_be_used_is_not_paid_again() {
    let purse = Purse::new();
    let asked = demand(json!([way(PRICE)]));
    let seen = AtomicUsize::new(0);
    let shop = Shop::new(move |params| match payment(params) {
        None => Ok(refusal(&asked)),
        Some(_) if seen.fetch_add(1, Ordering::SeqCst) < 6 => Err(Lost::now("down")),
        Some(_) => Ok(refusal(&asked)),
    });
    let payer = purse.payer();
    drop(call(&payer, &shop).await);
    let refused = call(&payer, &shop).await;
    assert!(text(&refused).contains("not paid again"), "{}", text(&refused));
    assert_eq!(purse.signed().await.len(), 1);
}

#[tokio::test]
async fn a_second_402_after_paying_is_not_paid() {
    let purse = Purse::new();
    let shop = Shop::new(|params| {
        let mut asked = demand(json!([way(PRICE)]));
        if payment(params).is_some() {
            asked["error"] = json!("invalid_exact_evm_payload_signature");
        }
        Ok(refusal(&asked))
    });
    let answered = call(&purse.payer(), &shop).await;
    let words = text(&answered);
    assert!(
        words.contains("did not take the payment") && words.contains("invalid_exact_evm_payload_signature"),
        "{words}"
    );
    assert_eq!((shop.payments().len(), purse.signed().await.len()), (1, 1));
    assert!(matches!(purse.signed().await[0].end, PaymentEnd::Refused { .. }));
    let day = purse.parts.purse.spending(None, super::rig::NOW).await.unwrap();
    assert_eq!(day.held, Amount::new(PRICE), "whoever holds it may still use it");
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_is_pending_is_asked_for_again() {
    for pending in ["settlement_pending", "books_unavailable", "outcome_unknown", "replay_pending"] {
        let purse = Purse::new();
        let asked = demand(json!([way(PRICE)]));
        let seen = AtomicUsize::new(0);
        let shop = Shop::new(move |params| {
            let Some(paid) = payment(params) else { return Ok(refusal(&asked)) };
            let later = json!({"isError": true, "content": [{"type": "text", "text": pending}],
                "structuredContent": {"error": pending, "detail": ""}});
            Ok(if seen.fetch_add(1, Ordering::SeqCst) < 2 { CallAnswer::Result(later) } else { receipt(&paid) })
        });
        assert_eq!(text(&call(&purse.payer(), &shop).await), "49", "{pending}");
        assert_eq!((shop.payments().len(), purse.signed().await.len()), (3, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_not_for_this_payment_proves_nothing() {
    let receipts = [
        json!({"success": true, "transaction": "0x1", "network": "eip155:1"}),
        json!({"success": true, "transaction": "", "network": "eip155:84532"}),
        json!({"success": true, "transaction": "0x1", "network": "eip155:84532", "payer": "0x02"}),
        json!({"success": true, "transaction": "0x1", "network": "eip155:84532", "amount": "10001"}),
        json!("nonsense"),
    ];
    for receipt in receipts {
        let purse = Purse::new();
        let asked = demand(json!([way(PRICE)]));
        let told = receipt.clone();
        let shop = Shop::new(move |params| {
            let result = json!({"content": [{"type": "text", "text": "49"}], "_meta": {names::PAYMENT_RESPONSE: told}});
            Ok(payment(params).map_or_else(|| refusal(&asked), |_| CallAnswer::Result(result)))
        });
        let answered = call(&purse.payer(), &shop).await;
        assert_eq!((text(&answered).as_str(), answered.paid), ("49", None), "{receipt}");
        assert_eq!(purse.signed().await[0].end, PaymentEnd::Unknown);
        assert_eq!(purse.parts.session.view().held, Amount::new(PRICE));
    }
}

#[tokio::test]
async fn a_failed_call_is_not_charged_and_the_log_says_so() {
    let purse = Purse::new();
    let asked = demand(json!([promise_way(PRICE)]));
    let shop = Shop::new(move |params| {
        let failed = CallAnswer::Error(json!({"code": -32_603, "message": "boom"}));
        Ok(payment(params).map_or_else(|| refusal(&asked), |_| failed))
    });
    let answered = call(&purse.payer(), &shop).await;
    assert_eq!(answered.answer, CallAnswer::Error(json!({"code": -32_603, "message": "boom"})));
    let lines = purse.lines.0.lock();
    assert!(matches!(&lines[1], AuditLine::Refused { reason, .. } if reason == "call_failed"), "{lines:?}");
}

#[tokio::test]
async fn an_unpaid_call_whose_answer_is_lost_is_an_error_and_costs_nothing() {
    let purse = Purse::new();
    let shop = Shop::new(|_| Err(Lost::now("gone")));
    let lost = purse.payer().call("tools/call", &super::rig::square(), &shop).await;
    assert_eq!(lost, Err(Lost::now("gone")));
    assert_eq!((shop.times(), purse.signed().await.len()), (1, 0));
}
