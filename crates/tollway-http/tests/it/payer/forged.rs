//! Receipts that are forged, altered, swapped or greedy: none is believed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Response};
use serde_json::{Value, json};
use tollway_core::buyer::AuditLine;
use tollway_http::body::{Body, full};
use tollway_http::gate::sign_response;
use tollway_http::message::RequestView;
use tollway_http::payer::PayError;
use tollway_protocol::{Dress, header};
use tollway_signatures::PrivateKey;

use super::market::{Market, pays};
use crate::rig::PRICE;

/// What a liar does to the receipt, and whose key signs it afterwards, if anyone's.
type Forgery = (&'static str, fn(&mut Value), Option<u8>);

fn receipt(headers: &HeaderMap) -> Value {
    let text = headers[header::PAYMENT_RESPONSE].to_str().unwrap();
    serde_json::from_slice(&BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

fn altered(
    parts: &http::request::Parts,
    mut answer: Response<Body>,
    change: fn(&mut Value),
    signer: Option<u8>,
) -> Response<Body> {
    let mut value = receipt(answer.headers());
    change(&mut value);
    let text = BASE64_STANDARD.encode(value.to_string());
    answer.headers_mut().insert(header::PAYMENT_RESPONSE, HeaderValue::from_str(&text).unwrap());
    if let Some(seed) = signer {
        let request = RequestView {
            method: parts.method.as_str(),
            scheme: "http",
            authority: parts.headers["host"].to_str().unwrap(),
            path_and_query: parts.uri.path_and_query().unwrap().as_str(),
            headers: &parts.headers,
        };
        let status = answer.status().as_u16();
        let key = PrivateKey::from_seed([seed; 32]);
        sign_response(status, answer.headers_mut(), request, &[header::PAYMENT_RESPONSE], &key, crate::rig::NOON)
            .unwrap();
    }
    answer
}

/// No body was handed over, and the log has what the seller's books say and no more.
async fn not_believed(market: &Market, name: &str) {
    let outcome = market.get("/paid/a").await;
    assert!(matches!(outcome, Err(PayError::Refused(_) | PayError::Unknown { .. })), "{name}: {outcome:?}");
    assert_eq!((market.signed(), market.story().as_str(), market.money()), (1, "P?r", (PRICE, 0)), "{name}");
    assert!(matches!(market.lines().pop(), Some(AuditLine::Receipt { amount, .. }) if amount.get() == PRICE), "{name}");
    assert_eq!(market.rig.audit().await.sales, 1, "{name}");
}

#[tokio::test]
async fn threat_91_no_altered_receipt_is_believed() {
    let own = 1;
    let forgeries: [Forgery; 13] = [
        ("amount", |v| v["amount"] = json!("1"), None),
        ("asset", |v| v["asset"] = json!("EUR"), None),
        ("payer", |v| v["payer"] = json!("https://other.example"), None),
        ("network", |v| v["network"] = json!("cloudflare:402"), None),
        ("commitment", |v| v["transaction"] = json!("A".repeat(43)), None),
        ("time", |v| v["timestamp"] = json!(1), None),
        ("sequence", |v| v["extra"]["sequence"] = json!(1), None),
        ("another key", |_| {}, Some(2)),
        ("more than promised", |v| v["amount"] = json!("10001"), Some(own)),
        (
            "another asset",
            |v| {
                v["asset"] = json!("EUR");
                v["extra"]["asset"] = json!("EUR")
            },
            Some(own),
        ),
        ("another commitment", |v| v["transaction"] = json!("A".repeat(43)), Some(own)),
        (
            "no amount",
            |v| {
                v.as_object_mut().unwrap().remove("amount");
            },
            Some(own),
        ),
        ("not settled", |v| v["success"] = json!(false), Some(own)),
    ];
    for (name, change, signer) in forgeries {
        let market = Market::new(Dress::X402).await;
        market
            .meddle(move |parts, _, answer| if pays(parts) { altered(parts, answer, change, signer) } else { answer });
        not_believed(&market, name).await;
    }
}

#[tokio::test]
async fn threat_91_a_receipt_without_its_signature_or_its_body_is_not_believed() {
    type Change = fn(Response<Body>) -> Response<Body>;
    fn without(mut answer: Response<Body>, field: &str) -> Response<Body> {
        answer.headers_mut().remove(field);
        answer
    }
    let changes: [(&str, Change); 6] = [
        ("no signature", |answer| without(answer, header::SIGNATURE)),
        ("no input", |answer| without(answer, header::SIGNATURE_INPUT)),
        ("no digest", |answer| without(answer, header::CONTENT_DIGEST)),
        ("another body", |answer| answer.map(|_| full("<p>another page</p>"))),
        ("another status", |mut answer| {
            *answer.status_mut() = 203.try_into().unwrap();
            answer
        }),
        ("no JSON", |mut answer| {
            answer.headers_mut().insert(header::PAYMENT_RESPONSE, HeaderValue::from_static("e30"));
            answer
        }),
    ];
    for (name, change) in changes {
        let market = Market::new(Dress::X402).await;
        market.meddle(move |parts, _, answer| if pays(parts) { change(answer) } else { answer });
        not_believed(&market, name).await;
    }
    let market = Market::new(Dress::Crawl).await;
    market.meddle(|parts, _, answer| if pays(parts) { without(answer, header::CRAWLER_CHARGED) } else { answer });
    not_believed(&market, "a crawler is not told").await;
}

#[tokio::test]
async fn threat_91_the_receipt_of_one_sale_is_not_that_of_another() {
    let market = Market::new(Dress::X402).await;
    let first = market.get("/paid/a").await.unwrap().headers;
    let earlier = market.story();
    market.meddle(move |parts, _, mut answer| {
        if pays(parts) {
            for field in [header::PAYMENT_RESPONSE, header::SIGNATURE, header::SIGNATURE_INPUT] {
                answer.headers_mut().insert(field, first[field].clone());
            }
        }
        answer
    });
    assert!(market.get("/paid/a").await.is_err());
    assert_eq!(market.story(), earlier + "P?r");
    assert_eq!((market.money(), market.rig.audit().await.sales), ((2 * PRICE, 0), 2));
}

/// Asked what became of a promise, a seller claims more than was promised.
#[tokio::test]
async fn threat_33_books_that_claim_more_than_was_promised_are_not_believed() {
    let market = Market::new(Dress::X402).await;
    market.intercept(|gate, parts, _, body| async move {
        if pays(&parts) {
            super::market::hang_up()
        }
        let answer =
            tollway_http::endpoint::Endpoint::answer(&gate, http::Request::from_parts(parts.clone(), body)).await;
        let Some((_, id)) = parts.uri.path().split_once("/commitments/") else { return answer };
        let body = json!({"commitment": {
            "id": id, "state": "posted", "amount": "1000000", "posted_at": crate::rig::NOON, "sequence": 9, "head": "x",
        }});
        greedy(&parts, body.to_string())
    });
    let outcome = market.get("/paid/a").await;
    assert!(matches!(outcome, Err(PayError::Unknown { .. })), "{outcome:?}");
    assert_eq!((market.story().as_str(), market.money()), ("P?", (0, PRICE)));
    assert_eq!(market.payer.resolve_open().await, 1);
}

/// A body that the seller's own key has signed.
fn greedy(parts: &http::request::Parts, body: String) -> Response<Body> {
    let digest = tollway_signatures::digest::make(body.as_bytes());
    let mut answer = crate::rig::response(200, &[(header::CONTENT_DIGEST, &digest)], body);
    let request = RequestView {
        method: "GET",
        scheme: "http",
        authority: parts.headers["host"].to_str().unwrap(),
        path_and_query: parts.uri.path(),
        headers: &parts.headers,
    };
    sign_response(200, answer.headers_mut(), request, &[], &PrivateKey::from_seed([1; 32]), crate::rig::NOON).unwrap();
    answer
}
