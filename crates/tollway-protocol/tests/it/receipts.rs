//! One receipt of a deferred sale, under the three readers that were published for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tollway_protocol::{Amount, Asset, Network, Reason, SettleResponse, Settlement};

/// The binding's text of April 2026.
#[derive(Deserialize)]
struct April {
    amount: String,
    asset: String,
    network: String,
    timestamp: u64,
}

/// The later text, which took over the settle response.
#[derive(Deserialize)]
struct Later {
    success: bool,
    transaction: String,
    network: String,
    payer: String,
    amount: String,
    extra: LaterExtra,
}

#[derive(Deserialize)]
struct LaterExtra {
    timestamp: u64,
}

fn receipt() -> Settlement {
    let charged = (Amount::new(10_000), &Asset::usd());
    Settlement::promise("commitment-1", Network::tollway(), "https://bot.example", charged, 1_730_872_968)
}

#[test]
fn three_readers_find_their_fields() {
    let header = SettleResponse::Settled(receipt()).encode();
    let json = STANDARD.decode(&header).unwrap();

    let april: April = serde_json::from_slice(&json).unwrap();
    assert_eq!((april.amount.as_str(), april.asset.as_str()), ("10000", "USD"));
    assert_eq!((april.network.as_str(), april.timestamp), ("tollway:402", 1_730_872_968));

    let later: Later = serde_json::from_slice(&json).unwrap();
    assert!(later.success);
    assert_eq!(later.transaction, "commitment-1");
    assert_eq!((later.network.as_str(), later.payer.as_str()), ("tollway:402", "https://bot.example"));
    assert_eq!((later.amount.as_str(), later.extra.timestamp), ("10000", april.timestamp));

    assert_eq!(SettleResponse::decode(&header), Ok(SettleResponse::Settled(receipt())));
}

#[test]
fn asset_and_time_are_found_wherever_they_stand() {
    assert_eq!(receipt().asset(), Some(Asset::usd()));
    assert_eq!(receipt().timestamp(), Some(1_730_872_968));
    let mut nested = receipt();
    nested.attachments.rest.clear();
    assert_eq!((nested.asset(), nested.timestamp()), (None, Some(1_730_872_968)));
    nested.attachments.extra = None;
    assert_eq!(nested.timestamp(), None);
}

#[test]
fn a_receipt_that_does_not_say_success_is_refused() {
    let april = r#"{"amount":"5","asset":"USD","network":"cloudflare:402","timestamp":1730872968}"#;
    let refusal = SettleResponse::decode(&STANDARD.encode(april)).unwrap_err();
    assert_eq!(refusal.reason, Reason::ReceiptInvalid);
}
