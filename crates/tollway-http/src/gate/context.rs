//! What the gate tells its upstream about a paid request: a typed value for a handler in the same
//! process, and a signed token for an upstream across the network, who can then trust that the
//! gate took the money.

use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tollway_core::scheme::{deferred, exact};
use tollway_core::seller::{ExactReceipt, ExactVerified, Seller, Verified};
use tollway_ledger::{PassTaken, Recorded};
use tollway_protocol::{Amount, Network, header};
use tollway_signatures::jws;

/// Seconds for which a token is good.
const LIFETIME: u64 = 120;
/// What is told of a request within a pass.
const PASS: &str = "pass";

/// Who pays for this request: found among a request's extensions by a handler behind the gate.
///
/// Deferred: its credit is held, and it is charged when the handler has answered with success.
/// Exact: the payment was verified and settles after the handler, or has settled where a
/// transaction is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidBy {
    /// `deferred`, `exact`, or `pass` for a request within one.
    pub scheme: &'static str,
    /// The payer: the signature agent's URL, or an address on the network.
    pub agent: String,
    /// What is charged, in atomic units of what the rule asks for.
    pub amount: Amount,
    /// The rule that decided.
    pub rule: String,
    /// Id of the commitment or of the payment.
    pub id: String,
    /// Where it settles.
    pub network: Network,
    /// The transfer, where the money has moved already.
    pub transaction: Option<String>,
}

impl PaidBy {
    pub(super) fn of(verified: &Verified, network: &Network) -> Self {
        Self {
            scheme: deferred::DEFERRED,
            agent: verified.payer().to_owned(),
            amount: verified.amount(),
            rule: verified.rule().id.clone(),
            id: verified.id().to_string(),
            network: network.clone(),
            transaction: None,
        }
    }

    pub(super) fn at_once(verified: &ExactVerified) -> Self {
        Self {
            scheme: exact::EXACT,
            agent: verified.payer().to_owned(),
            amount: verified.amount(),
            rule: verified.rule().id.clone(),
            id: verified.id().to_string(),
            network: verified.network().clone(),
            transaction: None,
        }
    }

    pub(super) fn settled(receipt: &ExactReceipt) -> Self {
        Self {
            scheme: exact::EXACT,
            agent: receipt.payer.clone(),
            amount: receipt.amount,
            rule: receipt.rule.clone(),
            id: receipt.id.to_string(),
            network: receipt.network.clone(),
            transaction: Some(receipt.transaction.clone()),
        }
    }

    /// Whose pass a request is within.
    pub(super) fn within(taken: &PassTaken, network: &Network) -> Self {
        let pass = &taken.record.pass;
        Self {
            scheme: PASS,
            agent: pass.payer.clone(),
            amount: Amount::ZERO,
            rule: pass.rule.clone(),
            id: pass.id.to_string(),
            network: network.clone(),
            transaction: None,
        }
    }

    /// Who paid for what is served again.
    pub(super) fn of_recorded(recorded: &Recorded, network: &Network) -> Self {
        Self {
            scheme: deferred::DEFERRED,
            agent: recorded.agent.as_str().to_owned(),
            amount: recorded.amount,
            rule: recorded.rule.clone(),
            id: recorded.id.to_string(),
            network: network.clone(),
            transaction: None,
        }
    }

    /// Writes the signed token: a JWT (RFC 7519) by the seller's key, for this URL, for 120 s.
    pub(super) fn write_token(&self, headers: &mut HeaderMap, seller: &Seller, url: &str) {
        let now = seller.now();
        let mut claims = json!({
            "amount": self.amount,
            "aud": url,
            "exp": now + LIFETIME,
            "iat": now,
            "iss": seller.origin(),
            "jti": self.id,
            "nbf": now,
            "network": self.network,
            "rule": self.rule,
            "scheme": self.scheme,
            "sub": self.agent,
        });
        if let Some(transaction) = &self.transaction {
            claims["transaction"] = transaction.as_str().into();
        }
        let token = jws::sign("JWT", claims.to_string().as_bytes(), seller.key());
        if let Ok(value) = HeaderValue::from_str(&token) {
            headers.insert(header::PAYMENT_CONTEXT, value);
        }
    }
}
