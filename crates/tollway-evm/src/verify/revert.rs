//! What a contract said when it reverted, made fit to be shown.

use alloy_primitives::Bytes;
use alloy_sol_types::{Revert, SolError, SolInterface};

use crate::abi::ExactProxy::ExactProxyErrors;

/// Characters of a contract's own words that are passed on.
const MOST: usize = 160;
/// Bytes of revert data that are looked at; contracts may return as much as they pay for.
const MOST_READ: usize = 1024;

/// The cause of a revert in printable words, whoever wrote the contract.
pub(super) fn words(data: &Bytes) -> String {
    let data = &data[..data.len().min(MOST_READ)];
    if data.is_empty() {
        return "reverted without a cause".to_owned();
    }
    if let Ok(error) = ExactProxyErrors::abi_decode(data) {
        return format!("the proxy reverted with {}", name(&error));
    }
    match Revert::abi_decode(data) {
        Ok(revert) => format!("reverted: {}", printable(&revert.reason)),
        Err(_) => format!("reverted with {}", alloy_primitives::hex::encode_prefixed(&data[..data.len().min(4)])),
    }
}

fn name(error: &ExactProxyErrors) -> &'static str {
    match error {
        ExactProxyErrors::InvalidAmount(_) => "InvalidAmount",
        ExactProxyErrors::InvalidDestination(_) => "InvalidDestination",
        ExactProxyErrors::InvalidOwner(_) => "InvalidOwner",
        ExactProxyErrors::InvalidPermit2Address(_) => "InvalidPermit2Address",
        ExactProxyErrors::PaymentTooEarly(_) => "PaymentTooEarly",
        ExactProxyErrors::Permit2612AmountMismatch(_) => "Permit2612AmountMismatch",
    }
}

fn printable(text: &str) -> String {
    let safe = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(MOST).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_97_a_contracts_words_are_short_and_printable() {
        let revert = |text: &str| words(&Revert::from(text.to_owned()).abi_encode().into());
        assert_eq!(revert("FiatToken: invalid signature"), "reverted: FiatToken: invalid signature");
        assert_eq!(revert("a\r\n\u{1b}[2Jb\u{e9}"), "reverted: a???[2Jb?");
        assert!(revert(&"x".repeat(900)).len() < 200);
        assert_eq!(words(&Bytes::new()), "reverted without a cause");
        assert_eq!(words(&vec![0xab; 1_000_000].into()), "reverted with 0xabababab");
        assert_eq!(words(&vec![0xab; 2].into()), "reverted with 0xabab");
    }
}
