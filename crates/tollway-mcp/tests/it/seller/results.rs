//! A settlement that fails or is lost after the tool ran: the result waits, and the tool never runs twice.

use serde_json::json;
use tollway_core::scheme::cash::Mood;
use tollway_ledger::ExactState;
use tollway_mcp::seller::Step;
use tollway_mcp::wire::Payment;

use super::rig::{Shop, demands, failure, receipt, refused, text};

#[tokio::test]
async fn threat_03_a_result_waits_for_its_settlement_and_no_answer_is_a_demand() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    for mood in [Mood::Mute, Mood::Deaf, Mood::Garbled, Mood::Pending] {
        let payment = shop.cash("square", &arguments).await;
        let runs = shop.runs();
        shop.till.set_mood(mood);
        let lost = shop.call("square", &arguments, Some(&payment)).await;
        assert_eq!((refused(&lost), failure(&lost)), ("settlement_pending".into(), "settlement_pending".into()));
        assert!(!demands(&lost), "what is not known is never a demand");
        shop.till.set_mood(Mood::Honest);
        let found = shop.call("square", &arguments, Some(&payment)).await;
        assert_eq!((text(&found), shop.runs() - runs), ("16", 1), "{mood:?}");
        assert_eq!(receipt(&found).payer.as_deref(), Some("ann"));
    }
}

#[tokio::test]
async fn a_result_survives_a_crash_before_its_settlement_was_known() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let payment = shop.cash("square", &arguments).await;
    shop.till.set_mood(Mood::Mute);
    shop.call("square", &arguments, Some(&payment)).await;
    let shop = shop.after_a_crash();
    shop.till.set_mood(Mood::Honest);
    assert_eq!(shop.tools.resolve().await.unwrap().settled.len(), 1);
    let found = shop.call("square", &arguments, Some(&payment)).await;
    assert_eq!((text(&found), shop.runs(), shop.till.paid()), ("16", 1, 1));
}

#[tokio::test]
async fn a_crash_while_the_tool_ran_charges_nothing_and_runs_nothing_again() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let (cash, promise) = (shop.cash("square", &arguments).await, shop.promise("square", &arguments));
    for payment in [&cash, &promise] {
        let Step::Run(running) = shop.admit("square", &arguments, Some(payment)).await else { panic!("it may run") };
        std::mem::forget(running);
    }
    let shop = shop.after_a_crash();
    for (payment, code) in [(&cash, "settlement_pending"), (&promise, "outcome_unknown")] {
        let answer = shop.call("square", &arguments, Some(payment)).await;
        assert_eq!(refused(&answer), code);
        assert!(!demands(&answer));
    }
    shop.clock.advance(100);
    shop.tools.resolve().await.unwrap();
    assert_eq!(refused(&shop.call("square", &arguments, Some(&cash)).await), "replay_mismatch");
    assert_eq!((shop.runs(), shop.sold().await, shop.till.paid()), (0, 0, 0));
}

#[tokio::test]
async fn a_crash_after_an_upfront_payment_owes_it_back() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let payment: Payment = shop.cash("first", &arguments).await;
    let Step::Run(running) = shop.admit("first", &arguments, Some(&payment)).await else { panic!("it may run") };
    std::mem::forget(running);
    let shop = shop.after_a_crash();
    assert_eq!(refused(&shop.call("first", &arguments, Some(&payment)).await), "refund_owed");
    assert_eq!((shop.states().await, shop.runs()), (vec![ExactState::RefundOwed], 0));
}

#[tokio::test]
async fn a_call_whose_caller_is_gone_gives_the_payment_back() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    for payment in [shop.cash("square", &arguments).await, shop.promise("square", &arguments)] {
        let Step::Run(running) = shop.admit("square", &arguments, Some(&payment)).await else { panic!("it may run") };
        drop(running);
        // The copy waits for the flight, which lands when the payment was given back.
        let again = shop.call("square", &arguments, Some(&payment)).await;
        assert_eq!(refused(&again), "replay_mismatch");
    }
    assert_eq!((shop.states().await, shop.runs()), (vec![ExactState::Released], 0));
}
