//! Giving a signed transaction to the network.

use alloy_primitives::B256;
use serde_json::json;

use super::{ChainError, Rpc, answer};

/// What became of a transaction that was given to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broadcast {
    /// An endpoint has it.
    Accepted,
    /// Every endpoint that was asked refused it, for the reason of the first.
    Refused(BroadcastRefusal),
    /// Nobody knows: an endpoint was silent, or answered with something else.
    Unknown(ChainError),
}

/// Why endpoints refuse a transaction, as geth words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastRefusal {
    /// The chain has taken another transaction with this account nonce.
    NonceTooLow,
    /// The pool holds another one with this nonce that pays as much.
    ReplacementUnderpriced,
    /// It pays less than the endpoint takes.
    Underpriced,
    /// The signer cannot pay the fees.
    InsufficientFunds,
    /// It is malformed for this chain: gas limit, type, chain id.
    Impossible,
}

impl Rpc {
    /// Gives signed bytes to the endpoints in order until one has them. Only these bytes are ever
    /// sent, so it does not matter how many endpoints take them.
    pub async fn broadcast(&self, raw: &[u8], hash: B256) -> Broadcast {
        let params = json!([alloy_primitives::hex::encode_prefixed(raw)]);
        let mut refusal = None;
        let mut silent = None;
        for endpoint in self.in_order() {
            let answer = endpoint.request("eth_sendRawTransaction", &params).await;
            match answer.and_then(answer::from_value::<B256>) {
                Ok(sent) if sent == hash => return Broadcast::Accepted,
                Ok(_) => silent = Some(ChainError::Malformed { detail: "the hash of another transaction".into() }),
                Err(ChainError::Rejected { message, .. }) if is_known(&message) => return Broadcast::Accepted,
                Err(error) => match refused(&error) {
                    Some(reason) => refusal = refusal.or(Some(reason)),
                    None => silent = Some(error),
                },
            }
        }
        match (silent, refusal) {
            (Some(error), _) => Broadcast::Unknown(error),
            (None, Some(reason)) => Broadcast::Refused(reason),
            (None, None) => Broadcast::Unknown(ChainError::Timeout),
        }
    }
}

fn is_known(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("already known") || message.contains("already imported") || message.contains("known transaction")
}

/// The refusal in an error; none if the error may hide an acceptance.
fn refused(error: &ChainError) -> Option<BroadcastRefusal> {
    use BroadcastRefusal as Refusal;
    let ChainError::Rejected { message, .. } = error else {
        return None;
    };
    let message = message.to_ascii_lowercase();
    let has = |text: &str| message.contains(text);
    if has("nonce too low") || has("nonce is too low") {
        Some(Refusal::NonceTooLow)
    } else if has("replacement transaction underpriced") || has("could not replace") {
        Some(Refusal::ReplacementUnderpriced)
    } else if has("underpriced") || has("less than block base fee") || has("fee too low") {
        Some(Refusal::Underpriced)
    } else if has("insufficient funds") {
        Some(Refusal::InsufficientFunds)
    } else if has("exceeds block gas limit") || has("intrinsic gas") || has("invalid chain id") || has("invalid sender")
    {
        Some(Refusal::Impossible)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_refusals_are_refusals() {
        let rejected = |message: &str| ChainError::Rejected { code: -32_000, message: message.into(), data: None };
        for (message, reason) in [
            ("nonce too low: next nonce 5, tx nonce 3", BroadcastRefusal::NonceTooLow),
            ("replacement transaction underpriced", BroadcastRefusal::ReplacementUnderpriced),
            ("transaction underpriced: tip needed 1", BroadcastRefusal::Underpriced),
            ("max fee per gas less than block base fee", BroadcastRefusal::Underpriced),
            ("insufficient funds for gas * price + value", BroadcastRefusal::InsufficientFunds),
            ("intrinsic gas too low", BroadcastRefusal::Impossible),
        ] {
            assert_eq!(refused(&rejected(message)), Some(reason), "{message}");
        }
        for message in ["internal error", "upstream hung up", "header not found", ""] {
            assert_eq!(refused(&rejected(message)), None, "{message}");
        }
        assert_eq!(refused(&ChainError::Timeout), None);
        assert!(is_known("Already Known"));
    }
}
