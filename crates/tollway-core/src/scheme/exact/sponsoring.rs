//! Who pays the gas of a buyer's approval: the extensions `eip2612GasSponsoring` and
//! `erc20ApprovalGasSponsoring`, as a demand declares them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How a buyer's approval may come along with its payment, so that it needs no coins for gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GasSponsoring {
    /// As a signed permit, for tokens that take such.
    Eip2612,
    /// As a signed transaction, for all others.
    Erc20Approval,
}

impl GasSponsoring {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Eip2612, Self::Erc20Approval];

    /// The extension's name.
    #[must_use]
    pub const fn extension_name(self) -> &'static str {
        match self {
            Self::Eip2612 => "eip2612GasSponsoring",
            Self::Erc20Approval => "erc20ApprovalGasSponsoring",
        }
    }

    /// The extension's object in a demand: a buyer adds its members to `info`.
    #[must_use]
    pub fn extension(self) -> Value {
        let (description, members): (_, &[&str]) = match self {
            Self::Eip2612 => (
                "A signed EIP-2612 permit for Permit2 may come along; the gas is paid.",
                &["from", "asset", "spender", "amount", "nonce", "deadline", "signature", "version"],
            ),
            Self::Erc20Approval => (
                "A signed transaction that approves Permit2 may come along; the gas is paid.",
                &["from", "asset", "spender", "amount", "signedTransaction", "version"],
            ),
        };
        let text = |name: &&str| ((*name).to_owned(), json!({"type": "string"}));
        let properties: Map<String, Value> = members.iter().map(text).collect();
        json!({
            "info": {"description": description, "version": "1"},
            "schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": properties,
                "required": members,
            },
        })
    }
}
