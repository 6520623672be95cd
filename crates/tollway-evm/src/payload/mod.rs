//! What a payer of `exact` signs and sends (x402 exact EVM): an EIP-3009 authorization or a Permit2
//! permit, read strictly, written as it was read.

mod eip3009;
pub(crate) mod fields;
mod permit2;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Map, Value};
use tollway_ledger::PaymentId;
use tollway_protocol::Network;

use crate::asset::{Method, asset_of};

pub use eip3009::{Eip3009Authorization, Eip3009Payload};
pub use fields::{PayloadError, PayloadFault};
pub use permit2::{Permit2Authorization, Permit2Payload};

/// Bytes of the longest signature that is read. Those of contract wallets with passkeys take about
/// 700, a counterfactual wallet's factory call about 1,500 more.
pub const MAX_SIGNATURE: usize = 4096;

/// The scheme's part of an `exact` payment.
#[derive(Debug, Clone, PartialEq)]
pub enum ExactPayload {
    /// The token itself takes it.
    Eip3009(Eip3009Payload),
    /// Permit2 takes it, through the exact proxy.
    Permit2(Permit2Payload),
}

impl ExactPayload {
    /// Reads the scheme's part of a payment.
    ///
    /// # Errors
    /// Which member is wrong, and how.
    pub fn from_map(payload: &Map<String, Value>) -> Result<Self, PayloadError> {
        match (payload.contains_key("authorization"), payload.contains_key("permit2Authorization")) {
            (true, false) => Eip3009Payload::from_map(payload).map(Self::Eip3009),
            (false, true) => Permit2Payload::from_map(payload).map(Self::Permit2),
            _ => Err(fields::fault("payload", PayloadFault::Form)),
        }
    }

    /// The scheme's part of a payment.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        match self {
            Self::Eip3009(payload) => payload.to_map(),
            Self::Permit2(payload) => payload.to_map(),
        }
    }

    /// How it moves the asset.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Eip3009(_) => Method::Eip3009,
            Self::Permit2(_) => Method::Permit2,
        }
    }

    /// Who pays.
    #[must_use]
    pub const fn payer(&self) -> Address {
        match self {
            Self::Eip3009(payload) => payload.authorization.from,
            Self::Permit2(payload) => payload.authorization.from,
        }
    }

    /// Who is paid.
    #[must_use]
    pub const fn pay_to(&self) -> Address {
        match self {
            Self::Eip3009(payload) => payload.authorization.to,
            Self::Permit2(payload) => payload.authorization.to,
        }
    }

    /// How much, in atomic units.
    #[must_use]
    pub const fn value(&self) -> U256 {
        match self {
            Self::Eip3009(payload) => payload.authorization.value,
            Self::Permit2(payload) => payload.authorization.amount,
        }
    }

    /// What makes the authorization count once on its chain.
    #[must_use]
    pub fn nonce(&self) -> B256 {
        match self {
            Self::Eip3009(payload) => payload.authorization.nonce,
            Self::Permit2(payload) => payload.authorization.nonce.into(),
        }
    }

    /// The payer's signature, as it was sent.
    #[must_use]
    pub const fn signature(&self) -> &Bytes {
        match self {
            Self::Eip3009(payload) => &payload.signature,
            Self::Permit2(payload) => &payload.signature,
        }
    }

    /// The name of this payment in every book: it depends on what can be spent once, so that two
    /// signatures over one nonce are one payment.
    #[must_use]
    pub fn payment_id(&self, network: &Network, asset: Address) -> PaymentId {
        PaymentId::derive(network, &asset_of(asset), &self.payer().to_checksum(None), &self.nonce())
    }
}

pub(crate) fn hex_text(bytes: &[u8]) -> Value {
    alloy_primitives::hex::encode_prefixed(bytes).into()
}

pub(crate) fn address_text(address: Address) -> Value {
    address.to_checksum(None).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    pub(super) fn eip3009() -> Value {
        json!({"signature": "0xAB01", "authorization": {
            "from": "0x857b06519E91e3A54538791bDbb0E22373e36b66", "to": "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
            "value": "10000", "validAfter": "0", "validBefore": "1740672154",
            "nonce": "0xf3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480", "memo": "kept"}, "more": [1]})
    }

    pub(super) fn permit2() -> Value {
        json!({"signature": "0x", "permit2Authorization": {
            "from": "0x857b06519E91e3A54538791bDbb0E22373e36b66",
            "permitted": {"token": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "amount": "10000"},
            "spender": "0x402085c248EeA27D92E8b30b2C58ed07f9E20001", "nonce": "77", "deadline": "1740672154",
            "witness": {"to": "0x209693Bc6afc0C5328bA36FaF03C514EF312287C", "validAfter": "1740672089", "extra": {}}}})
    }

    fn read(value: &Value) -> Result<ExactPayload, PayloadError> {
        ExactPayload::from_map(value.as_object().unwrap())
    }

    #[test]
    fn both_forms_keep_what_they_do_not_know() {
        for value in [eip3009(), permit2()] {
            let payload = read(&value).unwrap();
            let again = read(&Value::Object(payload.to_map())).unwrap();
            assert_eq!(again, payload);
            let lower = value["signature"].as_str().unwrap().to_lowercase();
            let mut expected = value.clone();
            expected["signature"] = lower.into();
            assert_eq!(Value::Object(payload.to_map()), expected);
            assert_eq!(payload.value(), U256::from(10_000));
        }
    }

    #[test]
    fn letter_case_and_signature_do_not_make_another_payment() {
        let (network, asset) = (crate::asset::network_of(84532), Address::repeat_byte(7));
        let id = read(&eip3009()).unwrap().payment_id(&network, asset);
        let mut other = eip3009();
        other["signature"] = json!("0x99");
        let from = other["authorization"]["from"].as_str().unwrap().to_lowercase();
        other["authorization"]["from"] = from.into();
        assert_eq!(read(&other).unwrap().payment_id(&network, asset), id);
        other["authorization"]["nonce"] = json!(format!("0x{}", "00".repeat(32)));
        assert_ne!(read(&other).unwrap().payment_id(&network, asset), id);
        assert_ne!(read(&eip3009()).unwrap().payment_id(&network, Address::ZERO), id);
        assert_eq!(read(&permit2()).unwrap().nonce(), B256::with_last_byte(77));
    }

    #[test]
    fn threat_70_each_member_is_refused_by_name() {
        use PayloadFault::{Address, Decimal, Form, Hex, Kind, Missing, TooLong};
        let long = format!("0x{}", "00".repeat(MAX_SIGNATURE + 1));
        let cases = [
            (eip3009(), "/signature", json!(long), "signature", TooLong),
            (eip3009(), "/signature", json!("ab"), "signature", Hex),
            (eip3009(), "/authorization", json!([]), "authorization", Kind),
            (eip3009(), "/authorization/from", json!("0x1"), "from", Address),
            (eip3009(), "/authorization/to", json!(null), "to", Kind),
            (eip3009(), "/authorization/value", json!(10_000), "value", Kind),
            (eip3009(), "/authorization/value", json!("010"), "value", Decimal),
            (eip3009(), "/authorization/validAfter", json!("-1"), "validAfter", Decimal),
            (eip3009(), "/authorization/validBefore", json!("1e9"), "validBefore", Decimal),
            (eip3009(), "/authorization/nonce", json!("0x00"), "nonce", Hex),
            (permit2(), "/permit2Authorization/permitted", json!("x"), "permitted", Kind),
            (permit2(), "/permit2Authorization/permitted/token", json!("x"), "token", Address),
            (permit2(), "/permit2Authorization/permitted/amount", json!(""), "amount", Decimal),
            (permit2(), "/permit2Authorization/nonce", json!("0x4d"), "nonce", Decimal),
            (permit2(), "/permit2Authorization/deadline", json!("soon"), "deadline", Decimal),
            (permit2(), "/permit2Authorization/witness/to", json!("0x"), "to", Address),
        ];
        for (mut value, place, odd, field, kind) in cases {
            *value.pointer_mut(place).unwrap() = odd;
            assert_eq!(read(&value), Err(PayloadError { field, fault: kind }), "{place}");
        }
        let both = json!({"authorization": {}, "permit2Authorization": {}});
        for value in [json!({}), both] {
            assert_eq!(read(&value), Err(PayloadError { field: "payload", fault: Form }));
        }
        assert_eq!(read(&json!({"authorization": {}})).unwrap_err().fault, Missing);
        let mut many = eip3009();
        for n in 0..17 {
            many["authorization"][format!("x{n}")] = json!(n);
        }
        assert_eq!(read(&many), Err(PayloadError { field: "authorization", fault: TooLong }));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[0-9]{0,80}", "0x[0-9a-fA-F]{0,90}", ".{0,10}"];
        let leaf = prop_oneof![text.prop_map(Value::from), any::<u32>().prop_map(Value::from), Just(Value::Null)];
        let key = prop::sample::select(vec![
            "signature",
            "authorization",
            "permit2Authorization",
            "from",
            "to",
            "value",
            "validAfter",
            "validBefore",
            "nonce",
            "permitted",
            "token",
            "amount",
            "spender",
            "deadline",
            "witness",
            "x",
        ]);
        leaf.prop_recursive(4, 40, 9, move |inner| {
            prop::collection::btree_map(key.clone(), inner, 0..9)
                .prop_map(|map| Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn threat_70_any_object_is_read_or_refused(value in any_value()) {
            if let Value::Object(map) = value && let Ok(payload) = ExactPayload::from_map(&map) {
                prop_assert_eq!(ExactPayload::from_map(&payload.to_map()), Ok(payload));
            }
        }

        #[test]
        fn threat_70_any_member_may_be_anything(
            permit in any::<bool>(),
            place in any::<prop::sample::Index>(),
            odd in any_value(),
        ) {
            let mut value = if permit { permit2() } else { eip3009() };
            let places: &[&str] = if permit {
                &["/signature", "/permit2Authorization/from", "/permit2Authorization/permitted",
                    "/permit2Authorization/permitted/amount", "/permit2Authorization/witness", "/permit2Authorization/nonce"]
            } else {
                &["/signature", "/authorization", "/authorization/from", "/authorization/value", "/authorization/nonce"]
            };
            *value.pointer_mut(places[place.index(places.len())]).unwrap() = odd;
            if let Ok(payload) = read(&value) {
                prop_assert_eq!(ExactPayload::from_map(&payload.to_map()), Ok(payload));
            }
        }
    }
}
