//! Paying from a wallet: one authorization a purchase, whatever the seller and the wire do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, Response, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tollway_core::buyer::exact::{
    Ceilings, Choice, PayableAsset, PaymentEnd, Signed, SignedPayment, SigningOrder, Wallet,
};
use tollway_core::clock::ManualClock;
use tollway_http::body::{Body, full};
use tollway_http::payer::exact::{Confirm, ExactAnswer, ExactPayer, ExactPayerParts, PurseFile};
use tollway_http::payer::{Order, PayError};
use tollway_ledger::PaymentId;
use tollway_protocol::{
    Amount, PaymentPayload, PaymentRequired, PaymentRequirements, Reason, Refusal, Scale, decode_json, encode_header,
    header, v1,
};

use crate::rig::{NOON, Origin};

const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
const PAYER: &str = "0x857b06519E91e3A54538791bDbb0E22373e36b66";

/// Signs anything on its network, and counts.
#[derive(Default)]
struct Ink {
    signed: AtomicUsize,
    used: Option<bool>,
}

#[async_trait]
impl Wallet for Ink {
    fn payer(&self) -> String {
        PAYER.to_owned()
    }

    fn can_sign(&self, requirements: &PaymentRequirements) -> Result<(), Refusal> {
        if requirements.pay_to.len() == 42 {
            return Ok(());
        }
        Err(Refusal::new(Reason::InvalidPaymentRequirements, "payTo is no address"))
    }

    async fn sign(&self, order: SigningOrder<'_>) -> Result<SignedPayment, Refusal> {
        let number = self.signed.fetch_add(1, Ordering::SeqCst);
        let requirements = order.requirements;
        let payload = json!({"signature": format!("0x{number:02x}"), "to": requirements.pay_to,
            "value": requirements.amount});
        Ok(SignedPayment {
            id: PaymentId::derive(&requirements.network, &requirements.asset, PAYER, &order.nonce),
            payload: payload.as_object().unwrap().clone(),
            extensions: order.extensions.cloned(),
            expires: order.now + requirements.max_timeout_seconds.get(),
        })
    }

    async fn was_used(&self, _: &Signed) -> Option<bool> {
        self.used
    }
}

struct Person(bool);

#[async_trait]
impl Confirm for Person {
    async fn confirm(&self, _: &str, _: &Choice) -> bool {
        self.0
    }
}

/// A buyer with a purse in a folder.
struct Buyer {
    payer: ExactPayer,
    wallet: Arc<Ink>,
    clock: Arc<ManualClock>,
}

impl Buyer {
    fn new(folder: &Path) -> Self {
        Self::made(folder, Ink::default(), None)
    }

    fn made(folder: &Path, wallet: Ink, confirm: Option<Arc<dyn Confirm>>) -> Self {
        let asset = PayableAsset {
            network: "eip155:84532".parse().unwrap(),
            asset: USDC.parse().unwrap(),
            scale: Scale::MICRO,
            symbol: "USDC".to_owned(),
        };
        static NONCES: AtomicU64 = AtomicU64::new(0);
        let (wallet, clock) = (Arc::new(wallet), Arc::new(ManualClock::at(NOON)));
        let payer = ExactPayer::new(ExactPayerParts {
            transport: Arc::new(
                reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            ),
            wallet: wallet.clone(),
            ceilings: Ceilings::cautious(vec![asset]),
            purse: PurseFile::open(&folder.join("purse.jsonl")).unwrap(),
            confirm,
            again: false,
            clock: clock.clone(),
            entropy: Arc::new(|bytes| {
                bytes[..8].copy_from_slice(&NONCES.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            }),
            body_max: 1 << 20,
        });
        Self { payer, wallet, clock }
    }

    async fn buy(&self, url: &str) -> Result<ExactAnswer, PayError> {
        self.payer.buy(&Order::get(url.parse().unwrap())).await
    }

    fn signed(&self) -> usize {
        self.wallet.signed.load(Ordering::SeqCst)
    }

    fn ends(&self) -> Vec<PaymentEnd> {
        self.payer.purse().payments().unwrap().into_iter().map(|payment| payment.end).collect()
    }
}

fn reason(outcome: Result<ExactAnswer, PayError>) -> Reason {
    match outcome {
        Err(PayError::Refused(refusal)) => refusal.reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn entry(amount: &str) -> Value {
    json!({"scheme": "exact", "network": "eip155:84532", "amount": amount, "asset": USDC, "payTo": PAYEE,
        "maxTimeoutSeconds": 60, "extra": {"name": "USDC", "version": "2"}})
}

fn demand(accepts: Value) -> Response<Body> {
    let demand = json!({"x402Version": 2, "error": "Payment required", "resource": {"url": "http://shop.example/a"},
        "accepts": accepts, "extensions": {"payment-identifier": {"info": {"required": true}, "schema": {}}}});
    let demand: PaymentRequired = decode_json(demand.to_string().as_bytes(), 1 << 16).unwrap();
    let mut response = Response::new(full("{}"));
    *response.status_mut() = StatusCode::PAYMENT_REQUIRED;
    response.headers_mut().insert(header::PAYMENT_REQUIRED, demand.encode().parse().unwrap());
    response
}

fn with_receipt(status: u16, receipt: Value) -> Response<Body> {
    let mut response = Response::new(full("the page"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert(header::PAYMENT_RESPONSE, encode_header(&receipt).parse().unwrap());
    response
}

fn paid() -> Response<Body> {
    with_receipt(200, json!({"success": true, "transaction": "0xabc", "network": "eip155:84532", "payer": PAYER}))
}

/// A seller that answers payments in turn, the last answer again and again; the payments it saw.
async fn seller(answers: Vec<fn() -> Response<Body>>) -> (String, Arc<Mutex<Vec<String>>>) {
    seller_of(json!([entry("1000")]), answers).await
}

async fn seller_of(accepts: Value, answers: Vec<fn() -> Response<Body>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let origin = Origin::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let payments = Arc::clone(&seen);
    origin.behave(move |request| {
        let answer = match payment(request.headers()) {
            None => demand(accepts.clone()),
            Some(payment) => {
                let mut payments = payments.lock();
                payments.push(payment);
                answers[(payments.len() - 1).min(answers.len() - 1)]()
            }
        };
        std::future::ready(answer)
    });
    (format!("{}/a", origin.over_http().await), seen)
}

fn payment(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(header::PAYMENT_SIGNATURE)?.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_page_is_paid_and_its_receipt_kept() {
    let folder = tempfile::tempdir().unwrap();
    let buyer = Buyer::new(folder.path());
    let (url, seen) = seller(vec![paid]).await;
    let answer = buyer.buy(&url).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"the page"[..]));
    assert_eq!(answer.paid.unwrap().transaction, "0xabc");
    let sent = PaymentPayload::decode(&seen.lock()[0]).unwrap();
    assert_eq!(serde_json::to_value(&sent.accepted).unwrap(), entry("1000"));
    let extensions = sent.extensions.unwrap();
    let info = &extensions["payment-identifier"]["info"];
    assert_eq!(info["required"], true);
    assert!(info["id"].as_str().unwrap().starts_with("pay_"));
    assert_eq!(buyer.ends(), [PaymentEnd::Settled { transaction: Some("0xabc".to_owned()) }]);
    assert_eq!(buyer.payer.purse().spending(NOON).unwrap().settled, Amount::new(1_000));
}

#[tokio::test]
async fn version_1_is_paid_in_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let buyer = Buyer::new(folder.path());
    let origin = Origin::new();
    origin.behave(|request| {
        let Some(line) = request.headers().get(header::X_PAYMENT) else {
            let body = json!({"x402Version": 1, "error": "X-PAYMENT header is required", "accepts": [{
                "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "1000", "asset": USDC,
                "resource": "http://shop.example/a", "description": "", "mimeType": "", "payTo": PAYEE,
                "maxTimeoutSeconds": 60, "extra": {"name": "USDC", "version": "2"}}]});
            let mut response = Response::new(full(body.to_string()));
            *response.status_mut() = StatusCode::PAYMENT_REQUIRED;
            return std::future::ready(response);
        };
        let sent = v1::PaymentPayload::decode(line.to_str().unwrap()).unwrap();
        assert_eq!((sent.scheme.as_str(), sent.payload["value"].as_str()), ("exact", Some("1000")));
        let receipt = json!({"success": true, "transaction": "0xabc", "network": "base-sepolia", "payer": PAYER});
        let mut response = Response::new(full("the page"));
        response.headers_mut().insert(header::X_PAYMENT_RESPONSE, encode_header(&receipt).parse().unwrap());
        std::future::ready(response)
    });
    let answer = buyer.buy(&format!("{}/a", origin.over_http().await)).await.unwrap();
    assert_eq!(answer.paid.unwrap().transaction, "0xabc");
}

#[tokio::test]
async fn threat_25_the_way_that_was_checked_is_the_way_that_is_signed() {
    let dear = entry("1000001");
    let elsewhere = json!({"scheme": "exact", "network": "eip155:1", "amount": "1", "asset": USDC, "payTo": PAYEE,
        "maxTimeoutSeconds": 60});
    let mut upto = entry("1");
    upto["scheme"] = json!("upto");
    let mut crooked = entry("1");
    crooked["payTo"] = json!("0x1");
    let mut escrow = entry("1");
    escrow["extra"]["paymentFlow"] = json!("escrow");
    for poison in [dear, elsewhere, upto, crooked, escrow] {
        for accepts in [json!([entry("1000"), poison]), json!([poison, entry("1000")])] {
            let folder = tempfile::tempdir().unwrap();
            let buyer = Buyer::new(folder.path());
            let (url, seen) = seller_of(accepts.clone(), vec![paid]).await;
            buyer.buy(&url).await.unwrap();
            let sent = PaymentPayload::decode(&seen.lock()[0]).unwrap();
            assert_eq!(sent.payload["value"], "1000", "{accepts}");
        }
        let folder = tempfile::tempdir().unwrap();
        let buyer = Buyer::new(folder.path());
        let (url, _) = seller_of(json!([poison]), vec![paid]).await;
        assert!(buyer.buy(&url).await.is_err(), "{poison}");
        assert_eq!(buyer.signed(), 0, "{poison}");
    }
}

#[tokio::test]
async fn threat_24_what_is_over_a_ceiling_is_never_signed() {
    let folder = tempfile::tempdir().unwrap();
    let buyer = Buyer::new(folder.path());
    let (url, seen) = seller_of(json!([entry("1000000")]), vec![paid]).await;
    for page in 0..10 {
        buyer.buy(&format!("{url}/{page}")).await.unwrap();
    }
    assert_eq!(reason(buyer.buy(&format!("{url}/11")).await), Reason::BudgetExhausted);
    assert_eq!((buyer.signed(), seen.lock().len()), (10, 10));
    buyer.clock.advance(86_400);
    buyer.buy(&format!("{url}/11")).await.unwrap();
}

#[tokio::test]
async fn a_person_who_declines_signs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (url, seen) = seller(vec![paid]).await;
    let buyer = Buyer::made(folder.path(), Ink::default(), Some(Arc::new(Person(false))));
    assert_eq!(reason(buyer.buy(&url).await), Reason::Declined);
    assert_eq!((buyer.signed(), seen.lock().len(), buyer.ends().len()), (0, 0, 0));
    let buyer = Buyer::made(folder.path(), Ink::default(), Some(Arc::new(Person(true))));
    assert!(buyer.buy(&url).await.unwrap().paid.is_some());
}

fn busy() -> Response<Body> {
    let mut response = Response::new(full("busy"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

fn pending() -> Response<Body> {
    with_receipt(
        402,
        json!({"success": false, "errorReason": "settlement_pending", "transaction": "0xabc",
        "network": "eip155:84532"}),
    )
}

fn elsewhere() -> Response<Body> {
    with_receipt(503, json!({"success": true, "transaction": "0xabc", "network": "eip155:1", "payer": PAYER}))
}

fn empty_transfer() -> Response<Body> {
    with_receipt(503, json!({"success": true, "transaction": "", "network": "eip155:84532", "payer": PAYER}))
}

#[tokio::test]
async fn threat_22_no_clear_yes_is_asked_for_again_with_the_same_bytes() {
    for trouble in [busy, pending, elsewhere, empty_transfer] {
        let folder = tempfile::tempdir().unwrap();
        let buyer = Buyer::new(folder.path());
        let (url, seen) = seller(vec![trouble, paid]).await;
        assert!(buyer.buy(&url).await.unwrap().paid.is_some());
        let seen = seen.lock();
        assert_eq!((seen.len(), buyer.signed()), (2, 1));
        assert_eq!(seen[0], seen[1]);
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_what_was_signed() {
    let folder = tempfile::tempdir().unwrap();
    let (url, seen) = seller(vec![busy, busy, paid]).await;
    let first = Buyer::new(folder.path());
    let cut = tokio::time::timeout(Duration::from_millis(400), first.buy(&url)).await;
    assert!(cut.is_err() && first.signed() == 1);
    drop(first);
    let second = Buyer::new(folder.path());
    assert!(second.buy(&url).await.unwrap().paid.is_some());
    assert_eq!(second.signed(), 0);
    let sent = seen.lock().clone();
    assert!(sent.iter().all(|payment| *payment == sent[0]), "one authorization only");
    assert!(second.buy(&url).await.unwrap().paid.is_some());
    assert_eq!(second.signed(), 1, "what is over is bought anew");
}

#[tokio::test]
async fn what_has_ended_without_an_outcome_is_not_signed_for_again_unseen() {
    for (used, expected) in [(None, None), (Some(false), Some(1)), (Some(true), Some(1))] {
        let folder = tempfile::tempdir().unwrap();
        let (url, _) = seller(vec![busy, paid]).await;
        let first = Buyer::new(folder.path());
        let cut = tokio::time::timeout(Duration::from_millis(200), first.buy(&url)).await;
        assert!(cut.is_err());
        let second = Buyer::made(folder.path(), Ink { used, ..Ink::default() }, None);
        second.clock.advance(121);
        let outcome = second.buy(&url).await;
        match expected {
            None => assert_eq!((reason(outcome), second.signed()), (Reason::OutcomeUnknown, 0)),
            Some(signed) => assert!(outcome.unwrap().paid.is_some() && second.signed() == signed),
        }
    }
}

#[tokio::test]
async fn a_refusal_is_told_and_its_money_held_until_it_ends() {
    fn refused() -> Response<Body> {
        with_receipt(
            402,
            json!({"success": false, "errorReason": "invalid_exact_evm_signature", "transaction": "",
            "network": "eip155:84532"}),
        )
    }
    let folder = tempfile::tempdir().unwrap();
    let buyer = Buyer::new(folder.path());
    let (url, seen) = seller(vec![refused]).await;
    let Err(PayError::Refused(refusal)) = buyer.buy(&url).await else { panic!("paid") };
    assert_eq!(refusal.reason, Reason::PaymentRefused);
    assert!(refusal.detail.contains("invalid_exact_evm_signature"), "{refusal}");
    assert_eq!(seen.lock().len(), 1);
    assert_eq!(buyer.payer.purse().spending(NOON).unwrap().held, Amount::new(1_000));
    assert_eq!(buyer.payer.purse().spending(NOON + 121).unwrap().held, Amount::ZERO);
}

#[tokio::test]
async fn a_page_without_a_receipt_is_given_and_its_payment_stays_open() {
    let folder = tempfile::tempdir().unwrap();
    let buyer = Buyer::new(folder.path());
    let (url, _) = seller(vec![|| Response::new(full("the page"))]).await;
    let answer = buyer.buy(&url).await.unwrap();
    assert_eq!((&answer.body[..], answer.paid), (&b"the page"[..], None));
    assert_eq!(buyer.ends(), [PaymentEnd::Unknown]);
}

#[tokio::test]
async fn threat_42_a_redirect_takes_no_payment_along() {
    let folder = tempfile::tempdir().unwrap();
    let buyer = Buyer::new(folder.path());
    let thief = Origin::new();
    let place = thief.over_http().await;
    let moved = Origin::new();
    moved.behave(move |request| {
        let mut response = demand(json!([entry("1000")]));
        if payment(request.headers()).is_some() {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().clear();
            response.headers_mut().insert("location", place.parse().unwrap());
        }
        std::future::ready(response)
    });
    let answer = buyer.buy(&format!("{}/a", moved.over_http().await)).await.unwrap();
    assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(thief.runs(), 0);
}

#[tokio::test]
async fn threat_27_many_at_once_stay_within_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let buyer = Arc::new(Buyer::new(folder.path()));
    let (url, seen) = seller_of(json!([entry("1000000")]), vec![paid]).await;
    let mut buying = tokio::task::JoinSet::new();
    for page in 0..100 {
        let (buyer, url) = (Arc::clone(&buyer), format!("{url}/{page}"));
        buying.spawn(async move { buyer.buy(&url).await.is_ok() });
    }
    let bought = buying.join_all().await.into_iter().filter(|bought| *bought).count();
    assert_eq!((bought, seen.lock().len()), (10, 10));
}
