//! What the service lets in, and what it answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tollway_core::facilitator::FacilitatorError;
use tollway_http::facilitator::{Allowance, Door};

use super::scripted::{HASH, PAYEE, Scripted, body, keyed, serving};

async fn post(url: &url::Url, path: &str, body: impl ToString) -> Response {
    let request = Client::new().post(url.join(path).unwrap()).bearer_auth("s3cret");
    request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap()
}

async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn read(response: Response) -> (StatusCode, Value) {
    (response.status(), json_of(response).await)
}

#[tokio::test]
async fn verifies_settles_and_tells_what_it_supports() {
    let url = serving(Arc::new(Scripted::default()), keyed(100, None)).await;
    let (status, answer) = read(post(&url, "verify", body("0x01")).await).await;
    assert_eq!((status, &answer["isValid"]), (StatusCode::OK, &json!(true)));
    let (status, answer) = read(post(&url, "verify", body("0xbad")).await).await;
    assert_eq!((status, &answer["isValid"]), (StatusCode::OK, &json!(false)));
    assert_eq!(answer["invalidReason"], "invalid_exact_evm_signature");
    let (status, answer) = read(post(&url, "settle", body("0x01")).await).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&answer["success"], &answer["transaction"]), (&json!(true), &json!(HASH)));
    let supported = json_of(reqwest::get(url.join("supported").unwrap()).await.unwrap()).await;
    assert_eq!(supported["kinds"][0]["scheme"], "exact");
    let status = Client::new().get(url.join(&format!("payments/{HASH}")).unwrap()).bearer_auth("s3cret");
    assert_eq!(read(status.send().await.unwrap()).await.1["state"], "settled");
    let description = json_of(reqwest::get(url.join("openapi.json").unwrap()).await.unwrap()).await;
    for path in ["/verify", "/settle", "/supported", "/payments/{id}", "/health", "/ready", "/metrics"] {
        assert!(description["paths"][path].is_object(), "{path}");
    }
    for path in ["health", "ready"] {
        assert_eq!(reqwest::get(url.join(path).unwrap()).await.unwrap().status(), StatusCode::OK);
    }
    let metrics = Client::new().get(url.join("metrics").unwrap()).bearer_auth("s3cret").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = "tollway_facilitator_answers_total{endpoint=\"verify\",outcome=\"invalid_exact_evm_signature\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn version_1_is_answered_in_version_1() {
    let url = serving(Arc::new(Scripted::default()), keyed(100, None)).await;
    let old = |signature: &str| {
        json!({"x402Version": 1,
            "paymentPayload": {"x402Version": 1, "scheme": "exact", "network": "base-sepolia",
                "payload": {"signature": signature}},
            "paymentRequirements": {"scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "1000",
                "resource": "https://shop.example/a", "description": "", "mimeType": "", "payTo": PAYEE,
                "maxTimeoutSeconds": 60, "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}})
    };
    let (_, answer) = read(post(&url, "verify", old("0xbad")).await).await;
    assert_eq!(answer["invalidReason"], "invalid_exact_evm_signature");
    let (_, answer) = read(post(&url, "settle", old("0x01")).await).await;
    assert_eq!(answer, json!({"success": true, "transaction": HASH, "network": "base-sepolia"}));
    let mut elsewhere = old("0x01");
    elsewhere["paymentPayload"]["network"] = json!("base");
    let (status, answer) = read(post(&url, "verify", elsewhere).await).await;
    assert_eq!((status, &answer["invalidReason"]), (StatusCode::OK, &json!("invalid_network")));
}

#[tokio::test]
async fn what_cannot_be_read_is_a_no_with_status_400() {
    let url = serving(Arc::new(Scripted::default()), keyed(100, None)).await;
    for wrong in ["", "[]", "{}", "{\"x402Version\":2}", "{\"x402Version\":2,\"x402Version\":2}", "nonsense"] {
        let (status, answer) = read(post(&url, "verify", wrong).await).await;
        assert_eq!((status, &answer["isValid"]), (StatusCode::BAD_REQUEST, &json!(false)), "{wrong}");
        let (status, answer) = read(post(&url, "settle", wrong).await).await;
        assert_eq!((status, &answer["success"]), (StatusCode::BAD_REQUEST, &json!(false)), "{wrong}");
    }
    let mut other = body("0x01");
    other["x402Version"] = json!(3);
    assert_eq!(read(post(&url, "verify", other).await).await.1["invalidReason"], "invalid_x402_version");
    let long = format!("{}{}", body("0x01"), " ".repeat(40_000));
    assert_eq!(post(&url, "verify", long).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(reqwest::get(url.join("verify").unwrap()).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reqwest::get(url.join("nothing").unwrap()).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn threat_19_strangers_and_greedy_callers_settle_nothing() {
    let facilitator = Arc::new(Scripted { gas_ceiling: 600, gas_used: Some(500), ..Scripted::default() });
    let url = serving(Arc::clone(&facilitator), keyed(3, Some(1_000))).await;
    for path in ["verify", "settle", "metrics", "payments/x"] {
        let request = match path {
            "verify" | "settle" => Client::new().post(url.join(path).unwrap()).body(body("0x01").to_string()),
            _ => Client::new().get(url.join(path).unwrap()),
        };
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(post(&url, "settle", body("0x01")).await.status(), StatusCode::OK);
    // 500 of 1,000 are spent and one more may cost 600.
    let (status, answer) = read(post(&url, "settle", body("0x02")).await).await;
    assert_eq!((status, &answer["errorReason"]), (StatusCode::TOO_MANY_REQUESTS, &json!("gas_budget_exhausted")));
    assert_eq!(post(&url, "verify", body("0x02")).await.status(), StatusCode::OK);
    let (status, answer) = read(post(&url, "settle", body("0x02")).await).await;
    assert_eq!((status, &answer["errorReason"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_requests")));
    assert_eq!(facilitator.settles.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn threat_19_only_listed_payees_are_settled_for() {
    let facilitator = Arc::new(Scripted::default());
    let allowance = Allowance { per_minute: 100, gas_per_day: None };
    let other = "0x000000000000000000000000000000000000dEaD".to_owned();
    let url = serving(Arc::clone(&facilitator), Door::open(allowance, Some(vec![other]))).await;
    assert_eq!(post(&url, "settle", body("0x01")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(facilitator.settles.load(Ordering::SeqCst), 0);
    let url = serving(Arc::clone(&facilitator), Door::open(allowance, Some(vec![PAYEE.to_lowercase()]))).await;
    assert_eq!(post(&url, "settle", body("0x01")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_break_a_settlement_off() {
    let gate = Arc::new(Notify::new());
    let facilitator = Arc::new(Scripted { gate: Some(Arc::clone(&gate)), ..Scripted::default() });
    let url = serving(Arc::clone(&facilitator), keyed(100, None)).await;
    let body = body("0x01").to_string();
    let mut caller = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    let head = "POST /settle HTTP/1.1\r\nhost: x\r\nauthorization: Bearer s3cret\r\ncontent-length: ";
    caller.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    reached(&facilitator.settles).await;
    drop(caller);
    gate.notify_one();
    reached(&facilitator.finished).await;
}

/// Waits until a count is no longer zero.
async fn reached(count: &std::sync::atomic::AtomicUsize) {
    let waiting = async {
        while count.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it was never reached");
}

#[tokio::test]
async fn no_answer_is_503_and_tells_nothing_of_our_inside() {
    let facilitator = Arc::new(Scripted::default());
    *facilitator.refuse.lock() = Some(FacilitatorError::Malformed { detail: "db password xyz".to_owned() });
    let url = serving(Arc::clone(&facilitator), keyed(100, None)).await;
    for (path, flag) in [("verify", "isValid"), ("settle", "success")] {
        let response = post(&url, path, body("0x01")).await;
        assert!(response.headers().contains_key("retry-after"));
        let (status, answer) = read(response).await;
        assert_eq!((status, &answer[flag]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)), "{path}");
        assert!(!answer.to_string().contains("xyz"), "{answer}");
    }
}

#[tokio::test]
async fn threat_98_scripts_of_listed_origins_only() {
    let url = serving(Arc::new(Scripted::default()), keyed(100, None)).await;
    let allowed = |origin: &'static str| {
        let request = Client::new().request(reqwest::Method::OPTIONS, url.join("settle").unwrap());
        async move {
            let response = request.header("origin", origin).send().await.unwrap();
            response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
        }
    };
    assert_eq!(allowed("https://shop.example").await.as_deref(), Some("https://shop.example"));
    assert_eq!(allowed("https://evil.example").await, None);
}
