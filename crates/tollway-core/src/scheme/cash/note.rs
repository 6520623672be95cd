//! A note: who pays whom how much, until when, sealed with the payer's secret.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tollway_ledger::{Hash, PaymentId};
use tollway_protocol::{Amount, Asset, Network, Reason, Refusal};

use super::cash_network;
use crate::scheme::exact::{ExactFacts, ExactScheme};

/// The payload of the toy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Note {
    /// How much.
    pub amount: Amount,
    /// A word used once: 43 characters of base64url.
    pub nonce: Hash,
    /// To whom.
    pub pay_to: String,
    /// Whose money.
    pub payer: String,
    /// SHA-256 over the payer's secret and all the rest.
    pub seal: Hash,
    /// Unix second from which on the till refuses it.
    pub until: u64,
}

impl Note {
    /// A sealed note.
    pub fn drawn(payer: &str, secret: &str, pay_to: &str, amount: Amount, nonce: [u8; 32], until: u64) -> Self {
        let mut note = Self {
            amount,
            nonce: Hash::from_bytes(nonce),
            pay_to: pay_to.to_owned(),
            payer: payer.to_owned(),
            seal: Hash::ZERO,
            until,
        };
        note.seal = note.sealed_with(secret);
        note
    }

    /// As a payload.
    ///
    /// # Panics
    /// Never: a note is plain data.
    pub fn payload(&self) -> Map<String, Value> {
        match serde_json::to_value(self).expect("a note is plain data") {
            Value::Object(map) => map,
            _ => unreachable!("a struct is an object"),
        }
    }

    pub(super) fn read(payload: &Map<String, Value>) -> Result<Self, Refusal> {
        serde_json::from_value(Value::Object(payload.clone()))
            .map_err(|_| Refusal::new(Reason::InvalidPayload, "the payload is no note"))
    }

    pub(super) fn sealed_with(&self, secret: &str) -> Hash {
        let text = format!("{}\n{}\n{}\n{}\n{}", self.amount, self.nonce, self.pay_to, self.payer, self.until);
        Hash::from_bytes(Sha256::new().chain_update(secret).chain_update(b"\n").chain_update(text).finalize().into())
    }
}

/// Reads notes.
#[derive(Debug, Clone)]
pub struct CashScheme(Network);

impl CashScheme {
    /// Notes drawn on a till on this network.
    pub fn on(network: Network) -> Self {
        Self(network)
    }
}

impl Default for CashScheme {
    fn default() -> Self {
        Self(cash_network())
    }
}

impl ExactScheme for CashScheme {
    fn read(&self, network: &Network, asset: &Asset, payload: &Map<String, Value>) -> Result<ExactFacts, Refusal> {
        if *network != self.0 {
            return Err(Refusal::new(Reason::UnsupportedNetwork, "notes are drawn on a till"));
        }
        let note = Note::read(payload)?;
        Ok(ExactFacts {
            id: PaymentId::derive(network, asset, &note.payer, note.nonce.as_bytes()),
            payer: note.payer,
            pay_to: note.pay_to,
            amount: note.amount,
            expires: note.until,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_reader_of_payloads_refuses_and_never_panics(json in "[\\{\\}\\[\\]a-z\":0-9, ]{0,200}") {
            let Ok(Value::Object(payload)) = serde_json::from_str(&json) else { return Ok(()) };
            prop_assert!(CashScheme::default().read(&cash_network(), &Asset::usd(), &payload).is_err());
        }
    }

    #[test]
    fn a_note_reads_back() {
        let note = Note::drawn("ann", "s", "shop", Amount::new(5), [7; 32], 9);
        let facts = CashScheme::default().read(&cash_network(), &Asset::usd(), &note.payload()).unwrap();
        assert_eq!((facts.payer.as_str(), facts.amount, facts.expires), ("ann", Amount::new(5), 9));
        let mut more = note.payload();
        more.insert("more".into(), 1.into());
        assert!(CashScheme::default().read(&cash_network(), &Asset::usd(), &more).is_err());
        assert!(CashScheme::default().read(&Network::tollway(), &Asset::usd(), &note.payload()).is_err());
    }
}
