//! Version 1 against version 2: what one says, the other says, or it is not said.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tollway_protocol::{Amount, PaymentRequirements, ResourceInfo, v1};

const NAMES: [&str; 26] = [
    "base",
    "base-sepolia",
    "ethereum",
    "sepolia",
    "abstract",
    "abstract-testnet",
    "avalanche",
    "avalanche-fuji",
    "iotex",
    "sei",
    "sei-testnet",
    "polygon",
    "polygon-amoy",
    "peaq",
    "story",
    "educhain",
    "skale-base-sepolia",
    "megaeth",
    "monad",
    "stable",
    "stable-testnet",
    "celo",
    "flare",
    "solana",
    "solana-devnet",
    "solana-testnet",
];

fn offer(name: &str) -> PaymentRequirements {
    let network = v1::network_named(name).unwrap();
    let offer = json!({"scheme": "exact", "network": network, "amount": "10000",
        "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "payTo": "0xdead", "maxTimeoutSeconds": 60,
        "extra": {"name": "USDC", "version": "2"}});
    serde_json::from_value(offer).unwrap()
}

fn resource() -> ResourceInfo {
    ResourceInfo { description: Some("Weather".to_owned()), ..ResourceInfo::at("https://example.com/a") }
}

#[test]
fn every_named_network_is_offered_and_paid_in_both_versions() {
    for name in NAMES {
        let ours = offer(name);
        let demand = v1::PaymentRequired::of("payment required", &resource(), std::slice::from_ref(&ours)).unwrap();
        let read = v1::PaymentRequired::decode(demand.encode().as_bytes()).unwrap();
        assert_eq!((read.accepts[0].to_v2(), read.accepts[0].resource()), (ours.clone(), resource()));
        let scheme = Map::from_iter([("signature".to_owned(), json!("0x"))]);
        let sent = v1::PaymentPayload::answering(&ours, scheme.clone()).unwrap().encode();
        let paid = v1::PaymentPayload::decode(&sent).unwrap().to_v2(&ours).unwrap();
        assert_eq!((paid.accepted, paid.payload), (ours, scheme));
    }
}

#[test]
fn what_version_1_cannot_say_is_not_said_in_it() {
    let said = |change: &dyn Fn(&mut PaymentRequirements)| {
        let mut ours = offer("base-sepolia");
        change(&mut ours);
        v1::PaymentRequirements::of(&resource(), &ours).is_some()
    };
    let method = |word: Value| {
        said(&|ours| {
            let extra = ours.extra.as_mut().unwrap();
            extra.insert("assetTransferMethod".to_owned(), word.clone());
        })
    };
    assert!(said(&|_| {}) && method(json!("eip3009")));
    assert!(!said(&|ours| ours.scheme = "upto".to_owned()));
    assert!(!said(&|ours| ours.network = "eip155:31337".parse().unwrap()));
    // A client that knows no other way would sign an authorization the seller never asked for.
    assert!(!method(json!("permit2")) && !method(json!(1)));
}

#[test]
fn a_facilitator_is_asked_the_same_in_both_versions() {
    let ours = offer("base-sepolia");
    let old = v1::PaymentRequirements::of(&resource(), &ours).unwrap();
    let payment = v1::PaymentPayload::answering(&ours, Map::new()).unwrap();
    let body = json!({"x402Version": 1, "paymentPayload": payment, "paymentRequirements": old});
    let asked = v1::FacilitatorRequest::decode(body.to_string().as_bytes()).unwrap().to_v2().unwrap();
    assert_eq!((&asked.payment_requirements, &asked.payment_payload.accepted), (&ours, &ours));
    assert_eq!(asked.payment_payload.resource, Some(resource()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn offers_survive_the_way_there_and_back(
        name in prop::sample::select(NAMES.to_vec()),
        amount in any::<u64>(),
        timeout in 1..u64::from(u32::MAX),
        pay_to in "[!-~]{1,50}",
        description in "\\PC{1,40}",
        extra in prop::option::of(prop::collection::btree_map("[a-z]{1,8}", any::<u32>(), 0..4)),
    ) {
        let mut ours = offer(name);
        ours.amount = Amount::new(u128::from(amount));
        ours.max_timeout_seconds = timeout.try_into().unwrap();
        ours.pay_to = pay_to;
        ours.extra = extra.map(|extra| extra.into_iter().map(|(key, value)| (key, value.into())).collect());
        let about = ResourceInfo { description: Some(description), ..resource() };
        let old = v1::PaymentRequirements::of(&about, &ours).unwrap();
        prop_assert_eq!((old.to_v2(), old.resource()), (ours, about));
        let again = serde_json::from_value::<v1::PaymentRequirements>(serde_json::to_value(&old).unwrap()).unwrap();
        prop_assert_eq!(again, old);
    }
}
