//! One way to pay for a resource (x402 v2, `PaymentRequirements`).

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::amount::Amount;
use crate::asset::Asset;
use crate::network::Network;

/// One entry of `accepts`, and the `accepted` that a buyer echoes.
///
/// What was absent stays absent and what is unknown is kept, so that an echo equals what was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequirements {
    /// The manner of payment, such as `exact` or `batch-settlement`.
    pub scheme: String,
    /// Where it settles.
    pub network: Network,
    /// How much, in atomic units.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// To whom: an address, an origin, or a word the network defines.
    pub pay_to: String,
    /// How long the seller may take to answer, and the price holds: whole seconds, at least 1.
    pub max_timeout_seconds: NonZeroU64,
    /// What the scheme needs besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
    /// Fields of later versions, echoed as they came. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl PaymentRequirements {
    /// A value of `extra`, if there is one under this key.
    #[must_use]
    pub fn extra(&self, key: &str) -> Option<&Value> {
        self.extra.as_ref()?.get(key)
    }

    /// Whether `accepted` answers this offer: each named field equal, byte for byte, and nothing of
    /// what was sent left out. A buyer may add to `extra` (x402 v2 match rule).
    #[must_use]
    pub fn is_echoed_by(&self, accepted: &Self) -> bool {
        let echoed = |sent: &Map<String, Value>, back: Option<&Map<String, Value>>| {
            sent.iter().all(|(key, value)| back.and_then(|back| back.get(key)) == Some(value))
        };
        self.scheme == accepted.scheme
            && self.network == accepted.network
            && self.amount == accepted.amount
            && self.asset == accepted.asset
            && self.pay_to == accepted.pay_to
            && self.max_timeout_seconds == accepted.max_timeout_seconds
            && self.extra.as_ref().is_none_or(|sent| echoed(sent, accepted.extra.as_ref()))
            && echoed(&self.rest, Some(&accepted.rest))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn offer() -> Value {
        json!({"scheme": "exact", "network": "eip155:84532", "amount": "1000", "asset": "0xAb",
            "payTo": "0xdead", "maxTimeoutSeconds": 300, "extra": {"name": "USDC"}, "later": [1]})
    }

    fn read(value: Value) -> PaymentRequirements {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_echo_keeps_unknown_fields_and_absences() {
        for value in [offer(), {
            let mut bare = offer();
            bare.as_object_mut().unwrap().remove("extra");
            bare
        }] {
            assert_eq!(serde_json::to_value(read(value.clone())).unwrap(), value);
        }
        let mut empty = offer();
        empty["extra"] = json!({});
        assert_eq!(serde_json::to_value(read(empty.clone())).unwrap(), empty);
    }

    #[test]
    fn an_echo_may_add_but_not_change() {
        let sent = read(offer());
        assert!(sent.is_echoed_by(&sent));
        let mut added = offer();
        added["extra"]["nonce"] = json!("n");
        assert!(sent.is_echoed_by(&read(added)));
        for (key, value) in [
            ("scheme", json!("upto")),
            ("network", json!("eip155:8453")),
            ("amount", json!("999")),
            ("asset", json!("0xab")),
            ("payTo", json!("0xbeef")),
            ("maxTimeoutSeconds", json!(301)),
            ("extra", json!({})),
            ("extra", json!({"name": "USDT"})),
            ("later", json!([2])),
        ] {
            let mut changed = offer();
            changed[key] = value;
            assert!(!sent.is_echoed_by(&read(changed)), "{key}");
        }
    }

    #[test]
    fn refuses_fields_of_the_wrong_kind() {
        for (key, value) in [
            ("amount", json!(1000)),
            ("amount", json!("")),
            ("amount", json!("-1")),
            ("maxTimeoutSeconds", json!(0)),
            ("maxTimeoutSeconds", json!(-1)),
            ("maxTimeoutSeconds", json!(1.5)),
            ("maxTimeoutSeconds", json!("300")),
            ("network", json!("base-sepolia")),
            ("extra", json!([])),
            ("payTo", json!(null)),
        ] {
            let mut wrong = offer();
            wrong[key] = value;
            assert!(serde_json::from_value::<PaymentRequirements>(wrong).is_err(), "{key}");
        }
        assert!(serde_json::from_value::<PaymentRequirements>(json!(["exact"])).is_err());
    }
}
