//! What a payload on an EVM chain says, for the seller's engine: read, and not believed.

use alloy_primitives::{Address, U256};
use serde_json::{Map, Value};
use tollway_core::scheme::exact::{ExactFacts, ExactScheme};
use tollway_protocol::{Amount, Asset, Network, Reason, Refusal};

use crate::asset::chain_id;
use crate::payload::ExactPayload;

/// Last second that books write as a number every JSON reader holds.
const LAST_SECOND: u64 = (1 << 53) - 1;

/// Reads the payloads of EIP-3009 and Permit2.
#[derive(Debug, Clone, Copy, Default)]
pub struct EvmExact;

impl ExactScheme for EvmExact {
    fn read(&self, network: &Network, asset: &Asset, payload: &Map<String, Value>) -> Result<ExactFacts, Refusal> {
        if chain_id(network).is_none() {
            return Err(Refusal::new(Reason::UnsupportedNetwork, "payments are taken on EVM chains"));
        }
        let contract: Address = asset.as_str().parse().map_err(|_| {
            Refusal::new(Reason::AssetMismatch, "an asset on an EVM chain is the address of a contract")
        })?;
        let payload =
            ExactPayload::from_map(payload).map_err(|error| Refusal::new(Reason::InvalidPayload, error.to_string()))?;
        let amount = u128::try_from(payload.value())
            .map_err(|_| Refusal::new(Reason::AmountMismatch, "the payment moves more than any price"))?;
        // EIP-3009 holds before its instant, a permit up to it.
        let expires = match &payload {
            ExactPayload::Eip3009(eip3009) => eip3009.authorization.valid_before,
            ExactPayload::Permit2(permit2) => {
                if permit2.authorization.token != contract {
                    return Err(Refusal::new(Reason::AssetMismatch, "the permit is for another asset"));
                }
                permit2.authorization.deadline.saturating_add(U256::ONE)
            }
        };
        Ok(ExactFacts {
            id: payload.payment_id(network, contract),
            payer: payload.payer().to_checksum(None),
            pay_to: payload.pay_to().to_checksum(None),
            amount: Amount::new(amount),
            expires: u64::try_from(expires).unwrap_or(LAST_SECOND).min(LAST_SECOND),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COIN: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
    const ANN: &str = "0x857b06519E91e3A54538791bDbb0E22373e36b66";
    const SHOP: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";

    fn read(network: &str, asset: &str, payload: &Value) -> Result<ExactFacts, Reason> {
        let payload = payload.as_object().unwrap();
        EvmExact.read(&network.parse().unwrap(), &asset.parse().unwrap(), payload).map_err(|refusal| refusal.reason)
    }

    fn eip3009(value: &str, until: &str) -> Value {
        let signature = format!("0x{}", "11".repeat(65));
        json!({"signature": signature, "authorization": {"from": ANN, "to": SHOP, "value": value,
            "validAfter": "0", "validBefore": until, "nonce": format!("0x{}", "22".repeat(32))}})
    }

    #[test]
    fn threat_78_one_authorization_has_one_name_however_it_is_spelled() {
        let facts = read("eip155:84532", COIN, &eip3009("1000", "1740672154")).unwrap();
        assert_eq!((facts.payer.as_str(), facts.pay_to.as_str()), (ANN, SHOP));
        assert_eq!((facts.amount, facts.expires), (Amount::new(1_000), 1_740_672_154));
        let mut lower = eip3009("1000", "1740672154");
        for member in ["from", "to"] {
            lower["authorization"][member] = lower["authorization"][member].as_str().unwrap().to_lowercase().into();
        }
        let other = read("eip155:84532", &COIN.to_lowercase(), &lower).unwrap();
        assert_eq!(other, facts);
        assert_ne!(read("eip155:8453", COIN, &eip3009("1000", "1740672154")).unwrap().id, facts.id);
    }

    #[test]
    fn what_is_no_payment_here_is_refused() {
        let fine = eip3009("1000", "1");
        assert_eq!(read("tollway:402", COIN, &fine), Err(Reason::UnsupportedNetwork));
        assert_eq!(read("eip155:1", "USD", &fine), Err(Reason::AssetMismatch));
        assert_eq!(read("eip155:1", COIN, &json!({})), Err(Reason::InvalidPayload));
        let most = U256::MAX.to_string();
        assert_eq!(read("eip155:1", COIN, &eip3009(&most, "1")), Err(Reason::AmountMismatch));
        assert_eq!(read("eip155:1", COIN, &eip3009("1", &most)).unwrap().expires, LAST_SECOND);
    }

    #[test]
    fn a_permit_is_for_its_own_asset() {
        let permit = json!({"signature": format!("0x{}", "11".repeat(65)), "permit2Authorization": {
            "from": ANN, "permitted": {"token": COIN, "amount": "7"},
            "spender": "0x402085c248EeA27D92E8b30b2C58ed07f9E20001", "nonce": "5", "deadline": "99",
            "witness": {"to": SHOP, "validAfter": "0"}}});
        let facts = read("eip155:84532", COIN, &permit).unwrap();
        assert_eq!((facts.amount, facts.expires, facts.pay_to.as_str()), (Amount::new(7), 100, SHOP));
        assert_eq!(read("eip155:84532", SHOP, &permit), Err(Reason::AssetMismatch));
    }
}
