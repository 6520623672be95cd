//! What a paid call goes through when all is well. Names follow those of the tests of `agents/x402`.

use serde_json::{Map, Value, json};
use tollway_core::scheme::cash::Mood;
use tollway_ledger::{EntryKind, ExactState, NoKeys, verify_export};
use tollway_mcp::Kind;
use tollway_mcp::seller::{Answer, Call, Step};
use tollway_mcp::wire::{self, Payment, names};

use super::rig::{AGENT, COINS, MONEY, ORIGIN, Shop, demands, failure, receipt, refused, text};

#[tokio::test]
async fn payment_required_without_token() {
    let shop = Shop::new().await;
    let asked = shop.call("square", &json!({"number": 4}), None).await;
    assert_eq!(refused(&asked), "payment_required");
    let demand = wire::demand_in_result(&asked).unwrap().unwrap();
    assert_eq!(demand.resource.url, "mcp://tool/square");
    let schemes: Vec<_> = demand.accepts.iter().map(|entry| entry.scheme.as_str()).collect();
    assert_eq!(schemes, ["exact", "batch-settlement"], "what settles at once stands first");
    assert_eq!(demand.accepts[1].pay_to, ORIGIN);
    assert_eq!(demand.accepts[1].amount.get(), 10_000);
    assert!(demand.extensions.unwrap().contains_key("tollway-offer"));
    assert_eq!((shop.runs(), shop.sold().await), (0, 0));
    assert_eq!(shop.journal().await.len(), 2, "nothing is written for an unpaid call");
}

#[tokio::test]
async fn executes_and_settles_at_once() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let paid = shop.call("square", &arguments, Some(&shop.cash("square", &arguments).await)).await;
    assert_eq!(text(&paid), "16");
    let settled = receipt(&paid);
    assert_eq!((settled.payer.as_deref(), settled.amount.unwrap().get()), (Some("ann"), COINS));
    assert_eq!(shop.till.money("ann"), MONEY - COINS);
    assert_eq!((shop.runs(), shop.states().await), (1, vec![ExactState::Settled]));
}

#[tokio::test]
async fn executes_and_posts_a_promise() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 5});
    let paid = shop.call("square", &arguments, Some(&shop.promise("square", &arguments))).await;
    assert_eq!(text(&paid), "25");
    let posted = receipt(&paid);
    assert_eq!((posted.payer.as_deref(), posted.amount.unwrap().get()), (Some(AGENT), 10_000));
    assert_eq!(posted.network.as_str(), "tollway:402");
    let journal = shop.journal().await;
    assert!(journal.ends_with(&[EntryKind::Claim, EntryKind::SalePosted]), "{journal:?}");
}

#[tokio::test]
async fn the_books_of_a_promise_are_consistent_and_say_what_was_signed() {
    use tollway_ledger::{Books as _, Sequence};
    let shop = Shop::new().await;
    let arguments = json!({"number": 5});
    shop.call("square", &arguments, Some(&shop.promise("square", &arguments))).await;
    let entries = shop.books.entries(Sequence::new(1), 100).await.unwrap();
    let export: String = entries.iter().map(|entry| entry.export_line() + "\n").collect();
    let report = verify_export(export.as_bytes(), &NoKeys);
    assert_eq!(report.fault_count, 0, "{:?}", report.faults);
    let claim: Value = entries
        .iter()
        .find(|entry| entry.kind == EntryKind::Claim)
        .map(|entry| serde_json::from_str(&entry.export_line()).unwrap())
        .unwrap();
    let body = &claim["body"];
    assert_eq!((&body["evidence"], &body["dress"]), (&json!("jws"), &json!("mcp")));
    assert_eq!((&body["url"], &body["method"]), (&json!("mcp://tool/square"), &json!("tools/call")));
    let forged = export.replace("\"evidence\":\"jws\",", "");
    assert!(verify_export(forged.as_bytes(), &NoKeys).fault_count > 0);
}

#[tokio::test]
async fn token_from_headers_and_as_base64() {
    use http::{HeaderMap, HeaderName, HeaderValue};
    let shop = Shop::new().await;
    let arguments = json!({"number": 3});
    for name in ["PAYMENT-SIGNATURE", "X-PAYMENT"] {
        let Payment::V2(payment) = shop.cash("square", &arguments).await else { panic!("version 2") };
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(&payment.encode()).unwrap(),
        );
        let params = Map::from_iter([("name".into(), "square".into()), ("arguments".into(), arguments.clone())]);
        let call = Call::of_request("tools/call", &params, Some(&headers)).unwrap();
        assert!(matches!(shop.tools.admit(&call).await, Step::Run(_)), "{name}");
    }
    let Payment::V2(payment) = shop.promise("square", &arguments) else { panic!("version 2") };
    let meta = json!({names::PAYMENT: payment.encode()});
    let params = json!({"name": "square", "arguments": arguments, "_meta": meta});
    let call = Call::of_request("tools/call", params.as_object().unwrap(), None).unwrap();
    assert!(matches!(shop.tools.admit(&call).await, Step::Run(_)));
}

#[tokio::test]
async fn free_calls_pass_untouched() {
    let shop = Shop::new().await;
    assert!(matches!(shop.admit("echo", &json!({}), None).await, Step::Pass));
    assert!(matches!(shop.admit("echo", &json!({}), Some(&shop.promise("square", &json!({})))).await, Step::Pass));
    for (method, params) in [
        ("tools/list", json!({})),
        ("ping", json!({})),
        ("tools/call", json!({"name": 7})),
        ("tools/call", json!({"name": "search", "arguments": [{"depth": 10}]})),
    ] {
        assert!(Call::of_request(method, params.as_object().unwrap(), None).is_none(), "{method}");
    }
}

#[tokio::test]
async fn prices_depend_on_arguments() {
    let shop = Shop::new().await;
    for (arguments, micro) in [(json!({"depth": 10}), 100_000), (json!({"depth": 9}), 20_000), (json!({}), 20_000)] {
        let asked = shop.call("search", &arguments, None).await;
        let demand = wire::demand_in_result(&asked).unwrap().unwrap();
        assert_eq!(demand.accepts[0].amount.get(), micro, "{arguments}");
        let paid = shop.call("search", &arguments, Some(&shop.promise("search", &arguments))).await;
        assert_eq!(receipt(&paid).amount.unwrap().get(), micro);
    }
}

#[tokio::test]
async fn registers_metadata() {
    let shop = Shop::new().await;
    let mut list = json!({"tools": [
        {"name": "square", "annotations": {"readOnlyHint": true}}, {"name": "echo", "_meta": {"own": 1}},
        {"name": "search", "_meta": {"own": 1}},
    ], "nextCursor": "x"});
    let free = list["tools"][1].clone();
    shop.tools.annotate_list(Kind::Tool, list.as_object_mut().unwrap());
    assert_eq!(list["tools"][1], free, "a free tool stays as it is");
    let meta = &list["tools"][0]["_meta"];
    assert_eq!((&meta[names::LISTED_REQUIRED], meta[names::LISTED_PRICE].to_string()), (&json!(true), "0.01".into()));
    assert_eq!(meta[names::LISTED_OFFER]["accepts"][1]["amount"], "10000");
    assert_eq!(list["tools"][0]["annotations"], json!({"readOnlyHint": true}));
    let meta = &list["tools"][2]["_meta"];
    assert_eq!((&meta["own"], meta[names::LISTED_PRICE].to_string()), (&json!(1), "0.1".into()));
    let mut odd = json!({"tools": [1, {"name": 2}, {"name": "square", "_meta": 3}]});
    let before = odd.clone();
    shop.tools.annotate_list(Kind::Tool, odd.as_object_mut().unwrap());
    assert_eq!(odd, before);
}

#[tokio::test]
async fn does_not_settle_on_is_error() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let failing = |_: &Map<String, Value>| json!({"content": [{"type": "text", "text": "no"}], "isError": true});
    let unfinished = |_: &Map<String, Value>| json!({"resultType": "input_required", "content": []});
    for payment in [shop.promise("square", &arguments), shop.cash("square", &arguments).await] {
        let answer = shop.call_with("square", &arguments, Some(&payment), failing).await;
        assert_eq!((text(&answer), answer.get("_meta")), ("no", None));
        let again = shop.call("square", &arguments, Some(&payment)).await;
        assert_eq!(refused(&again), "replay_mismatch", "it was given back; the next call needs a new one");
        assert!(demands(&again));
    }
    let answer = shop.call_with("square", &arguments, Some(&shop.promise("square", &arguments)), unfinished).await;
    assert_eq!(answer["resultType"], "input_required");
    assert_eq!((shop.sold().await, shop.till.paid()), (0, 0));
}

#[tokio::test]
async fn does_not_settle_on_throw() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    for payment in [shop.promise("square", &arguments), shop.cash("square", &arguments).await] {
        let Step::Run(running) = shop.admit("square", &arguments, Some(&payment)).await else { panic!("it may run") };
        let error = json!({"code": -32603, "message": "Tool execution failed"});
        let given = running.finish(Answer::Error(error.as_object().unwrap().clone())).await;
        assert_eq!(given, Answer::Error(error.as_object().unwrap().clone()));
        let payment = if matches!(&payment, Payment::V2(p) if p.accepted.scheme == "exact") {
            shop.cash("square", &arguments).await
        } else {
            shop.promise("square", &arguments)
        };
        let Step::Run(running) = shop.admit("square", &arguments, Some(&payment)).await else { panic!("it may run") };
        let panicking = async { panic!("the tool panics") };
        let Answer::Result(answer) = running.run(panicking).await else { panic!("a result") };
        assert_eq!(refused(&answer), "internal");
    }
    assert_eq!((shop.sold().await, shop.till.paid()), (0, 0));
}

#[tokio::test]
async fn threat_04_settlement_failed_and_the_result_stays_here() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let payment = shop.cash("square", &arguments).await;
    let Step::Run(running) = shop.admit("square", &arguments, Some(&payment)).await else { panic!("it may run") };
    shop.till.set_mood(Mood::Refusing);
    let result = json!({"content": [{"type": "text", "text": "16"}]});
    let Answer::Result(answer) = running.finish(Answer::Result(result.as_object().unwrap().clone())).await else {
        panic!("a result")
    };
    assert!(!text(&answer).contains("16"), "what is not paid for is not given");
    assert!(demands(&answer));
    let code = failure(&answer);
    assert_eq!(refused(&answer), code);
    shop.till.set_mood(Mood::Honest);
    let again = shop.call("square", &arguments, Some(&payment)).await;
    assert_eq!((refused(&again), shop.runs()), (code, 0), "its outcome is final");
    assert_eq!(shop.till.paid(), 0);
}

#[tokio::test]
async fn resources_are_sold_and_refused_by_an_error_of_their_own() {
    let shop = Shop::new().await;
    let params = json!({"uri": "docs://paid/one"});
    let call = Call::of_request("resources/read", params.as_object().unwrap(), None).unwrap();
    let Step::Answer(Answer::Error(error)) = shop.tools.admit(&call).await else { panic!("an error") };
    assert_eq!(error["code"], wire::PAYMENT_REQUIRED_CODE);
    let demand = wire::demand_in_error(&error).unwrap().unwrap();
    assert_eq!(
        (demand.resource.url.as_str(), demand.accepts[0].amount.get()),
        ("mcp://resource/docs://paid/one", 50_000)
    );
    let free = json!({"uri": "docs://free/one"});
    let call = Call::of_request("resources/read", free.as_object().unwrap(), None).unwrap();
    assert!(matches!(shop.tools.admit(&call).await, Step::Pass));
}

#[tokio::test]
async fn upfront_settles_first_and_owes_back_what_fails() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let paid = shop.call("first", &arguments, Some(&shop.cash("first", &arguments).await)).await;
    assert_eq!((text(&paid), receipt(&paid).payer.as_deref()), ("16", Some("ann")));
    let payment = shop.cash("first", &arguments).await;
    let failing = |_: &Map<String, Value>| json!({"content": [{"type": "text", "text": "no"}], "isError": true});
    let failed = shop.call_with("first", &arguments, Some(&payment), failing).await;
    assert_eq!((text(&failed), receipt(&failed).payer.as_deref()), ("no", Some("ann")));
    let again = shop.call("first", &arguments, Some(&payment)).await;
    assert_eq!(refused(&again), "refund_owed");
    assert_eq!(shop.states().await, [ExactState::Settled, ExactState::RefundOwed]);
    assert_eq!(shop.runs(), 2);
}
