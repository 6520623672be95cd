//! Copies of one payment: the call runs once.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tollway_mcp::wire::Payment;

use super::rig::{Shop, demands, refused, text};

async fn a_hundred(shop: &Arc<Shop>, payment: Payment) -> Vec<Map<String, Value>> {
    let copies = (0..100).map(|_| {
        let (shop, payment) = (Arc::clone(shop), payment.clone());
        tokio::spawn(async move { shop.call("square", &json!({"number": 4}), Some(&payment)).await })
    });
    join_all(copies).await.into_iter().map(Result::unwrap).collect()
}

fn served(answers: &[Map<String, Value>]) -> usize {
    answers.iter().filter(|answer| answer.get("isError") != Some(&json!(true))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_01_a_hundred_copies_of_a_payment_run_the_tool_once() {
    let shop = Arc::new(Shop::new().await);
    let payments = [shop.cash("square", &json!({"number": 4})).await, shop.promise("square", &json!({"number": 4}))];
    for (round, payment) in payments.into_iter().enumerate() {
        let answers = a_hundred(&shop, payment).await;
        assert_eq!((shop.runs(), shop.sold().await), (round + 1, round + 1));
        assert!(served(&answers) >= 1);
        for answer in &answers {
            if answer.get("isError") == Some(&json!(true)) {
                let code = refused(answer);
                assert!(["already_delivered", "replay_pending"].contains(&code.as_str()), "{code}");
                assert!(!demands(answer), "no copy is asked to pay again");
            } else {
                assert_eq!(text(answer), "16");
            }
        }
    }
    assert_eq!(shop.till.paid(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_and_not_for_ever() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let named = |payment: Payment| {
        let Payment::V2(mut payment) = payment else { panic!("version 2") };
        let extensions = json!({"payment-identifier": {"info": {"required": false, "id": "purchase-0123456789"}}});
        payment.extensions = extensions.as_object().cloned();
        Payment::V2(payment)
    };
    let (promise, cash) = (shop.promise("square", &arguments), shop.cash("square", &arguments).await);
    let own = named(shop.cash("square", &arguments).await);
    // A settled payment is public on its network: without a name of its own it is answered once more only.
    for (payment, more) in [(promise, 3), (cash, 1), (own, 3)] {
        for time in 0..=more {
            assert_eq!(text(&shop.call("square", &arguments, Some(&payment)).await), "16", "{time}");
        }
        let last = shop.call("square", &arguments, Some(&payment)).await;
        assert_eq!(refused(&last), "already_delivered");
        assert!(last["_meta"]["x402/payment-response"]["success"].as_bool().unwrap());
    }
    assert_eq!((shop.runs(), shop.sold().await), (3, 3));
}

#[tokio::test]
async fn what_is_live_is_given_once() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    for payment in [shop.promise("live", &arguments), shop.cash("live", &arguments).await] {
        assert_eq!(text(&shop.call("live", &arguments, Some(&payment)).await), "16");
        assert_eq!(refused(&shop.call("live", &arguments, Some(&payment)).await), "already_delivered");
    }
}
