//! Payments that are refused: malformed, doubled, for something else, too low, or without credit.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tollway_ledger::Books as _;
use tollway_protocol::{CrawlerError, Reason as R, header};

use crate::rig::{Got, PRICE, Rig, Sent, Setup, Way};

/// Asserts that nothing of the kind was sold: the origin has not run, nothing is owed or held.
async fn nothing_sold(rig: &Rig, name: &str) {
    assert_eq!((rig.origin.runs(), rig.sales().await), (0, 0), "{name}");
    assert!(rig.view().await.reserved.is_zero(), "{name}");
}

/// Signs a request that carries this payment.
fn carrying(rig: &Rig, field: &str, value: &str) -> Sent {
    let draft = rig.draft(&rig.agent, "GET", "/paid/a").with(field, value);
    draft.params(|params| params.nonce = Some("a nonce".into())).signed(&rig.agent.key())
}

async fn check(rig: &Rig, name: &str, sent: &Sent, status: u16, reason: R) -> Got {
    let got = rig.call(sent).await;
    assert_eq!((got.status, got.reason()), (status, Some(reason)), "{name}: {got:?}");
    nothing_sold(rig, name).await;
    got
}

/// The x402 payment for the page, as JSON.
fn payment(rig: &Rig) -> Value {
    let text = rig.buy(Way::X402, "/paid/a", "n").field(header::PAYMENT_SIGNATURE);
    serde_json::from_slice(&BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn threat_70_malformed_payments_are_refused_with_their_reason() {
    let rig = Rig::new().await;
    let base64 = |json: &str| BASE64_STANDARD.encode(json);
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let doubled = payment(&rig).to_string().replacen("{", "{\"x402Version\":2,", 1);
    for (name, field, value, status, reason) in [
        ("not base64", header::PAYMENT_SIGNATURE, "!!!".to_owned(), 400, R::MalformedPayment),
        ("not JSON", header::PAYMENT_SIGNATURE, base64("{"), 400, R::MalformedPayment),
        ("another shape", header::PAYMENT_SIGNATURE, base64("{\"x402Version\":2}"), 400, R::MalformedPayment),
        ("no version", header::PAYMENT_SIGNATURE, base64("{}"), 400, R::MalformedPayment),
        ("nested", header::PAYMENT_SIGNATURE, base64(&deep), 400, R::MalformedPayment),
        ("a key twice", header::PAYMENT_SIGNATURE, base64(&doubled), 400, R::MalformedPayment),
        ("too long", header::PAYMENT_SIGNATURE, "A".repeat(9_000), 431, R::PaymentTooLarge),
        ("version 1", header::PAYMENT_SIGNATURE, base64("{\"x402Version\":1}"), 400, R::UnsupportedVersion),
        ("the field of version 1", header::X_PAYMENT, base64("{}"), 400, R::MalformedPayment),
        ("no dictionary", header::PAYMENT, "((".to_owned(), 400, R::MalformedPayment),
        ("no id", header::PAYMENT, "scheme=\"deferred\", network=\"tollway:402\"".to_owned(), 400, R::MalformedPayment),
        ("empty", header::PAYMENT, String::new(), 400, R::MalformedPayment),
        ("too long", header::PAYMENT, format!("scheme=\"{}\"", "d".repeat(3_000)), 431, R::PaymentTooLarge),
        ("no asset", header::CRAWLER_EXACT_PRICE, "0.01".to_owned(), 400, R::PriceMalformed),
        ("exponent", header::CRAWLER_MAX_PRICE, "USD 1e9".to_owned(), 400, R::PriceMalformed),
        ("minus", header::CRAWLER_MAX_PRICE, "USD -1".to_owned(), 400, R::PriceMalformed),
        ("too long", header::CRAWLER_MAX_PRICE, format!("USD {}", "9".repeat(500)), 400, R::PriceMalformed),
    ] {
        check(&rig, &format!("{field}: {name}"), &carrying(&rig, field, &value), status, reason).await;
    }
}

#[tokio::test]
async fn a_request_pays_once_and_in_one_way() {
    let rig = Rig::new().await;
    let (x402, exact) = (rig.buy(Way::X402, "/paid/a", "1"), rig.buy(Way::Exact("USD 0.01"), "/paid/a", "2"));
    let handshake = rig.buy(Way::Handshake, "/paid/a", "3").field(header::PAYMENT);
    let own = x402.field(header::PAYMENT_SIGNATURE);
    for (name, sent, reason) in [
        ("doubled", x402.clone().add(header::PAYMENT_SIGNATURE, &own), R::FieldRepeated),
        ("two dresses", x402.clone().add(header::PAYMENT, &handshake), R::ConflictingPayment),
        ("x402 and a price", x402.clone().add(header::CRAWLER_MAX_PRICE, "USD 1"), R::ConflictingPayment),
        ("v1 beside v2", x402.clone().add(header::X_PAYMENT, "e30="), R::ConflictingPayment),
        ("both prices", exact.clone().add(header::CRAWLER_MAX_PRICE, "USD 1"), R::ConflictingPayment),
        ("a price twice", exact.clone().add(header::CRAWLER_EXACT_PRICE, "USD 0.01"), R::FieldRepeated),
    ] {
        check(&rig, name, &sent, 400, reason).await;
    }
    let got = check(&rig, "both", &exact.add(header::CRAWLER_MAX_PRICE, "USD 1"), 400, R::ConflictingPayment).await;
    assert_eq!(got.field(header::CRAWLER_ERROR), Some(CrawlerError::ConflictingPriceHeaders.as_str()));
}

#[tokio::test]
async fn threat_12_a_payment_is_for_this_offer_or_refused() {
    let rig = Rig::new().await;
    let altered = |change: &dyn Fn(&mut Value)| {
        let mut value = payment(&rig);
        change(&mut value);
        carrying(&rig, header::PAYMENT_SIGNATURE, &BASE64_STANDARD.encode(value.to_string()))
    };
    let both = |value: &mut Value, key: &str, to: &str| {
        value["accepted"][key] = json!(to);
        value["payload"][key] = json!(to);
    };
    let dear = rig.offer("/dear/a").id().to_string();
    let cheap = rig.offer("/live/a").id().to_string();
    let rows: Vec<(&str, Sent, R)> = vec![
        ("underpaid", altered(&|v| both(v, "amount", "9999")), R::AmountTooLow),
        ("overpaid", altered(&|v| both(v, "amount", "10001")), R::AmountMismatch),
        ("two amounts", altered(&|v| v["payload"]["amount"] = json!("1")), R::AmountMismatch),
        ("another asset", altered(&|v| both(v, "asset", "EUR")), R::AssetMismatch),
        ("another payTo", altered(&|v| v["accepted"]["payTo"] = json!("https://evil.example")), R::PayToMismatch),
        ("another network", altered(&|v| v["accepted"]["network"] = json!("cloudflare:402")), R::UnsupportedNetwork),
        ("another scheme", altered(&|v| v["accepted"]["scheme"] = json!("exact")), R::UnsupportedScheme),
        ("another time", altered(&|v| v["accepted"]["maxTimeoutSeconds"] = json!(7)), R::NoMatchingOffer),
        ("no offer", altered(&|v| v["accepted"]["extra"] = json!({"decimals": 6})), R::NoMatchingOffer),
        ("fewer decimals", altered(&|v| v["accepted"]["extra"]["decimals"] = json!(2)), R::NoMatchingOffer),
        (
            "a made-up offer",
            altered(&|v| v["accepted"]["extra"]["offer"] = json!("AAAAAAAAAAAAAAAAAAAAAA")),
            R::OfferUnknown,
        ),
        ("no offer id", altered(&|v| v["accepted"]["extra"]["offer"] = json!("abc123")), R::OfferUnknown),
        ("a dearer one", altered(&|v| v["accepted"]["extra"]["offer"] = json!(dear)), R::OfferUnknown),
        ("another at this price", altered(&|v| v["accepted"]["extra"]["offer"] = json!(cheap)), R::OfferUnknown),
    ];
    for (name, sent, reason) in rows {
        let got = check(&rig, name, &sent, 402, reason).await;
        assert_eq!(got.demand().error.as_deref(), Some(reason.code()), "{name}");
    }
    for (name, value, reason) in [
        (
            "unknown",
            r#"scheme="deferred", network="tollway:402", id="AAAAAAAAAAAAAAAAAAAAAA""#.to_owned(),
            R::OfferUnknown,
        ),
        ("no id of ours", r#"scheme="deferred", network="tollway:402", id="abc123""#.to_owned(), R::OfferUnknown),
        (
            "another network",
            format!(r#"scheme="deferred", network="cloudflare:402", id="{cheap}""#),
            R::UnsupportedNetwork,
        ),
        ("another scheme", format!(r#"scheme="exact", network="tollway:402", id="{cheap}""#), R::UnsupportedScheme),
        ("another rule's", format!(r#"scheme="deferred", network="tollway:402", id="{cheap}""#), R::OfferUnknown),
    ] {
        check(&rig, name, &carrying(&rig, header::PAYMENT, &value), 402, reason).await;
    }
}

#[tokio::test]
async fn threat_12_only_the_diagonal_of_resources_and_payments_is_sold() {
    let rig = Rig::new().await;
    let resources = ["/paid/a", "/live/a", "/dear/a", "/get/a"];
    for (row, bought) in resources.into_iter().enumerate() {
        for (column, presented) in resources.into_iter().enumerate() {
            let (name, value) = crate::rig::commitment(&rig.promise(Way::X402, bought));
            let draft = rig.draft(&rig.agent, "GET", presented).with(&name, &value);
            let sent = draft.params(|params| params.nonce = Some(format!("{row} {column}"))).signed(&rig.agent.key());
            let got = rig.call(&sent).await;
            assert_eq!(got.status, if row == column { 200 } else { 402 }, "{bought} presented for {presented}");
        }
    }
    assert_eq!((rig.audit().await.sales, rig.origin.runs()), (4, 4));
}

#[tokio::test]
async fn a_crawler_is_told_in_its_own_words() {
    let rig = Rig::new().await;
    use CrawlerError as E;
    let exact = |text: &'static str| rig.buy(Way::Exact(text), "/paid/a", text);
    let most = |text: &'static str| rig.buy(Way::Max(text), "/paid/a", text);
    let unsigned = Sent::plain(&rig.site, "GET", "/paid/a").add(header::CRAWLER_MAX_PRICE, "USD 1");
    let uncovered = rig.paying(Way::Max("USD 1"), "GET", "/paid/a", "n").uncovered(header::CRAWLER_MAX_PRICE);
    let blocked = Sent { target: "/closed/a".into(), ..most("USD 1") };
    for (name, sent, status, word) in [
        ("too little exactly", exact("USD 0.009"), 402, E::InvalidCrawlerExactPrice),
        ("too much exactly", exact("USD 0.02"), 402, E::InvalidCrawlerExactPrice),
        ("a low ceiling", most("USD 0.009"), 402, E::InvalidCrawlerMaxPrice),
        ("unsigned", unsigned, 400, E::StrongAuthRequired),
        ("not covered", uncovered.signed(&rig.agent.key()), 400, E::InvalidSignature),
        ("no price", carrying(&rig, header::CRAWLER_MAX_PRICE, "one cent"), 400, E::InvalidCrawlerPriceValue),
        ("another asset", carrying(&rig, header::CRAWLER_EXACT_PRICE, "EUR 0.01"), 400, E::InvalidCrawlerPriceValue),
        ("blocked", blocked, 403, E::CrawlerForbidden),
    ] {
        let got = rig.call(&sent).await;
        assert_eq!((got.status, got.field(header::CRAWLER_ERROR)), (status, Some(word.as_str())), "{name}: {got:?}");
        nothing_sold(&rig, name).await;
    }
}

#[tokio::test]
async fn nobody_buys_without_credit() {
    for (name, credit, daily, reason, status, crawl) in [
        ("credit", Some(PRICE - 1), None, R::OverCredit, 402, 403),
        ("budget", Some(PRICE), Some(PRICE - 1), R::OverBudget, 402, 403),
        ("account", None, None, R::AgentNotRegistered, 403, 403),
    ] {
        let rig = Rig::with(Setup { credit, daily, ..Setup::default() }).await;
        for way in Way::ALL {
            let got = rig.call(&rig.buy(way, "/paid/a", "n")).await;
            let expected = if matches!(way, Way::Exact(_) | Way::Max(_)) { crawl } else { status };
            assert_eq!((got.status, got.reason()), (expected, Some(reason)), "{name}: {way:?}");
        }
        assert_eq!((rig.origin.runs(), rig.sales().await), (0, 0), "{name}");
    }
}

#[tokio::test]
async fn a_day_ends_at_midnight() {
    let rig = Rig::with(Setup { daily: Some(PRICE), ..Setup::default() }).await;
    let bought = async |nonce: &str| rig.call(&rig.buy(Way::X402, "/paid/a", nonce)).await.status;
    assert_eq!((bought("1").await, bought("2").await), (200, 402));
    rig.clock.advance(12 * 3_600 - 1);
    assert_eq!(bought("3").await, 402);
    rig.clock.advance(1);
    assert_eq!((bought("4").await, bought("5").await), (200, 402));
    assert_eq!(rig.audit().await.sales, 2);
}

#[tokio::test]
async fn a_blocked_agent_is_refused_also_while_it_is_served() {
    let rig = Rig::new().await;
    rig.books.agent_block(&rig.agent.id(), true, crate::rig::NOON).await.unwrap();
    let got = check(&rig, "blocked", &rig.buy(Way::X402, "/paid/a", "1"), 403, R::AgentBlocked).await;
    assert_eq!(got.field("retry-after"), None);
    rig.books.agent_block(&rig.agent.id(), false, crate::rig::NOON).await.unwrap();
    let (books, agent) = (rig.books.clone(), rig.agent.id());
    rig.origin.behave(move |_| {
        let (books, agent) = (books.clone(), agent.clone());
        async move {
            books.agent_block(&agent, true, crate::rig::NOON).await.unwrap();
            crate::rig::response(200, &[], "a secret")
        }
    });
    let got = rig.call(&rig.buy(Way::X402, "/paid/a", "2")).await;
    assert_eq!((got.status, got.reason()), (403, Some(R::AgentBlocked)));
    assert!(!got.body.windows(6).any(|word| word == b"secret"));
    assert_eq!((rig.origin.runs(), rig.sales().await, rig.owed().await), (1, 0, 0));
    rig.audit().await;
}
