//! The port through which the engine learns what a payload says.

use serde_json::{Map, Value};
use tollway_ledger::PaymentId;
use tollway_protocol::{Amount, Asset, Network, Refusal};

/// Reads the payloads of one or more kinds of network. It reads only: no signature is checked, no
/// chain is asked, no clock is looked at.
pub trait ExactScheme: Send + Sync {
    /// What this payload says, for a payment of `asset` on `network`.
    ///
    /// # Errors
    /// `invalid_payload` for what cannot be read, `invalid_network` for a network that is not spoken.
    fn read(&self, network: &Network, asset: &Asset, payload: &Map<String, Value>) -> Result<ExactFacts, Refusal>;

    /// Whether two spellings of an address are one.
    fn same_address(&self, network: &Network, one: &str, other: &str) -> bool {
        one == other || (network.namespace() == "eip155" && one.eq_ignore_ascii_case(other))
    }
}

/// What a payload says. It is not believed until a facilitator has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactFacts {
    /// The authorization: the same however the message around it is spelled.
    pub id: PaymentId,
    /// Whose money.
    pub payer: String,
    /// To whom.
    pub pay_to: String,
    /// How much, in atomic units.
    pub amount: Amount,
    /// Unix second from which on the network refuses it.
    pub expires: u64,
}
