//! A call that costs is paid and its answer comes back; what is free passes as it is.

use serde_json::{Map, Value, json};
use tollway_core::buyer::AuditLine;
use tollway_core::buyer::exact::PaymentEnd;
use tollway_core::scheme::deferred::{Called, PresentedCommitment, arguments_hash};
use tollway_mcp::buyer::{CallAnswer, ToolQuote};
use tollway_mcp::wire::names;
use tollway_protocol::{Amount, Dress};
use tollway_signatures::Signer as _;

use super::rig::{
    PAY_TO, PRICE, Purse, SERVER, Shop, agent_key, call, demand, payment, promise_way, receipt, refusal, square, text,
    way,
};

#[tokio::test]
async fn pass_through_of_what_is_not_402() {
    let purse = Purse::new();
    let answers = [
        CallAnswer::Result(json!({"content": [{"type": "text", "text": "echo"}], "unknown": {"kept": 1}})),
        CallAnswer::Result(json!({"isError": true, "content": [{"type": "text", "text": "no such number"}]})),
        CallAnswer::Error(json!({"code": -32_602, "message": "unknown tool"})),
    ];
    for answer in answers {
        let given = answer.clone();
        let shop = Shop::new(move |_| Ok(given.clone()));
        let answered = call(&purse.payer(), &shop).await;
        assert_eq!((answered.answer, answered.paid), (answer, None));
        assert_eq!(*shop.calls.lock(), [square()], "what was asked came as it was");
    }
    assert!(purse.signed().await.is_empty());
}

#[tokio::test]
async fn pays_and_retries() {
    let purse = Purse::new();
    let shop = Shop::asking(demand(json!([way(PRICE)])));
    let answered = call(&purse.payer(), &shop).await;
    assert_eq!(text(&answered), "49");
    let paid = answered.paid.unwrap();
    assert_eq!(
        (paid.transaction.as_str(), paid.signed.price, paid.signed.pay_to.as_str()),
        ("0xfeed", Amount::new(PRICE), PAY_TO)
    );
    assert_eq!((paid.signed.host.as_str(), paid.signed.url.as_str()), (SERVER, "mcp://tool/square"));
    let calls = shop.calls.lock().clone();
    assert_eq!(calls.len(), 2);
    assert!(calls[1]["_meta"][names::PAYMENT].is_object());
    assert_eq!((&calls[1]["name"], &calls[1]["arguments"]), (&calls[0]["name"], &calls[0]["arguments"]));
    let signed = purse.signed().await;
    assert_eq!(signed[0].end, PaymentEnd::Settled { transaction: Some("0xfeed".to_owned()) });
    assert_eq!(purse.parts.session.view().spent, Amount::new(PRICE));
}

#[tokio::test]
async fn a_server_that_reads_strings_gets_a_string() {
    let purse = Purse::new();
    let asked = demand(json!([way(PRICE)]));
    let shop = Shop::new(move |params| {
        let text = params.get("_meta").and_then(|meta| meta.get(names::PAYMENT)).filter(|paid| paid.is_string());
        let only_meta = json!({"isError": true, "content": [], "_meta": {names::ERROR: asked}});
        Ok(text.map_or(CallAnswer::Result(only_meta), |_| receipt(&payment(params).unwrap())))
    });
    assert_eq!(text(&call(&purse.payer(), &shop).await), "49");
    assert_eq!((shop.times(), purse.signed().await.len()), (2, 1));
}

#[tokio::test]
async fn pays_a_demand_of_version_1_in_version_1() {
    let purse = Purse::new();
    let asked = json!({"x402Version": 1, "error": "payment required", "accepts": [{"scheme": "exact",
        "network": "base-sepolia", "maxAmountRequired": "10000", "asset": super::rig::USDC, "payTo": PAY_TO,
        "resource": "mcp://tool/square", "description": "", "mimeType": "", "maxTimeoutSeconds": 300,
        "extra": {"name": "USDC", "version": "2"}}]});
    let shop = Shop::new(move |params| {
        let paid = params.get("_meta").and_then(|meta| meta.get(names::PAYMENT));
        let settled = json!({"content": [], "_meta": {names::PAYMENT_RESPONSE:
            {"success": true, "transaction": "0xfeed", "network": "base-sepolia"}}});
        Ok(paid.map_or_else(|| refusal(&asked), |_| CallAnswer::Result(settled)))
    });
    let answered = call(&purse.payer(), &shop).await;
    assert_eq!(answered.paid.unwrap().signed.version, 1);
    assert_eq!(shop.calls.lock()[1]["_meta"][names::PAYMENT]["x402Version"], 1);
}

#[tokio::test]
async fn a_promise_is_signed_for_this_call_and_stands_in_the_log() {
    let purse = Purse::new();
    let shop = Shop::asking(demand(json!([promise_way(PRICE)])));
    let answered = call(&purse.payer(), &shop).await;
    assert_eq!(text(&answered), "49");
    let payload = shop.payments().remove(0);
    let presented = PresentedCommitment::of_payment(&payload).unwrap();
    presented.verify(&agent_key().public()).unwrap();
    let arguments = arguments_hash(square()["arguments"].as_object()).unwrap();
    presented.is_for(Called { resource: "mcp://tool/square", arguments }).unwrap();
    assert_eq!(*presented.kid(), agent_key().thumbprint());
    assert_eq!((presented.claims().amount, presented.claims().exp), (Amount::new(PRICE), super::rig::NOW + 300));
    presented.promise(&payload.accepted).unwrap();
    let lines = purse.lines.0.lock();
    let id = answered.paid.unwrap().signed.commitment.unwrap();
    assert!(
        matches!(&lines[0], AuditLine::Promise { id: own, url, method, dress: Dress::Mcp, .. }
            if *own == id && url == "mcp://tool/square" && method == "tools/call"),
        "{lines:?}"
    );
    assert!(matches!(&lines[1], AuditLine::Receipt { id: own, .. } if *own == id), "{lines:?}");
}

#[tokio::test]
async fn resources_and_prompts_are_paid_by_the_error_402() {
    for (method, params, url) in [
        ("resources/read", json!({"uri": "docs://a"}), "mcp://resource/docs://a"),
        ("prompts/get", json!({"name": "greet"}), "mcp://prompt/greet"),
    ] {
        let purse = Purse::new();
        let mut asked = demand(json!([way(PRICE)]));
        asked["resource"]["url"] = json!(url);
        let shop = Shop::new(move |params| {
            let error = json!({"code": 402, "message": "Payment required", "data": asked});
            Ok(payment(params).map_or(CallAnswer::Error(error), |paid| receipt(&paid)))
        });
        let params = params.as_object().unwrap();
        let answered = purse.payer().call(method, params, &shop).await.unwrap();
        assert_eq!(answered.paid.unwrap().signed.url, url);
        let poor = Purse {
            parts: tollway_mcp::buyer::ToolPayerParts { means: Default::default(), ..purse.parts.clone() },
            ..Purse::new()
        };
        let refused = poor.payer().call(method, params, &shop).await.unwrap();
        let CallAnswer::Error(error) = refused.answer else { panic!("{refused:?}") };
        assert!(error["message"].as_str().unwrap().contains("unsupported_scheme"), "{error}");
    }
}

#[tokio::test]
async fn a_call_that_brings_its_own_payment_is_its_caller_s_business() {
    let purse = Purse::new();
    let shop = Shop::new(|_| Ok(refusal(&demand(json!([way(PRICE)])))));
    let mut params = square();
    params.insert("_meta".to_owned(), json!({names::PAYMENT: "e30="}));
    let answered = purse.payer().call("tools/call", &params, &shop).await.unwrap();
    assert_eq!(answered.answer, refusal(&demand(json!([way(PRICE)]))));
    assert_eq!(*shop.calls.lock(), [params]);
}

#[tokio::test]
async fn a_quote_says_what_it_costs_and_signs_nothing() {
    let purse = Purse::new();
    let shop = Shop::asking(demand(json!([way(PRICE)])));
    let quote = purse.payer().quote("tools/call", &square(), &shop).await.unwrap();
    let ToolQuote::Priced(question) = quote else { panic!("{quote:?}") };
    assert_eq!((question.price, question.symbol.as_str()), (Amount::new(PRICE), "USDC"));
    let dear = Shop::asking(demand(json!([way(2_000_000)])));
    assert!(matches!(purse.payer().quote("tools/call", &square(), &dear).await, Ok(ToolQuote::Refused(_))));
    let free = Shop::new(|_| Ok(CallAnswer::Result(json!({"content": []}))));
    assert!(matches!(purse.payer().quote("tools/call", &square(), &free).await, Ok(ToolQuote::Free(_))));
    assert!(purse.signed().await.is_empty());
}

#[tokio::test]
async fn list_tools_adds_the_cost_text() {
    let purse = Purse::new();
    let tool = json!({"name": "square", "description": "Squares", "_meta": {names::LISTED_REQUIRED: true, names::LISTED_PRICE: 0.01}});
    let mut result = Map::from_iter([("tools".to_owned(), Value::Array(vec![tool]))]);
    purse.payer().list(&mut result);
    let words = "Squares (This is a paid tool, you will be charged $0.01 for its execution)";
    assert_eq!(result["tools"][0]["description"], words);
}
