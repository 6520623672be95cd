//! What the gate tells its upstream about a paid request: a typed value for a handler in the same
//! process, and a signed token for an upstream across the network, who can then trust that the
//! gate took the money.

use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tollway_core::seller::{Seller, Verified};
use tollway_ledger::{CommitmentId, Recorded};
use tollway_protocol::{Amount, header};
use tollway_signatures::jws;

/// Seconds for which a token is good.
const LIFETIME: u64 = 120;

/// Who pays for this request: found among a request's extensions by a handler behind the gate.
/// Its credit is held; it is charged when the handler has answered with success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidBy {
    /// The payer: the signature agent's URL.
    pub agent: String,
    /// What will be charged, in atomic units.
    pub amount: Amount,
    /// The rule that decided.
    pub rule: String,
    /// The commitment.
    pub commitment: CommitmentId,
}

impl PaidBy {
    pub(super) fn of(verified: &Verified) -> Self {
        Self {
            agent: verified.payer().to_owned(),
            amount: verified.amount(),
            rule: verified.rule().id.clone(),
            commitment: verified.id(),
        }
    }

    /// Who paid for what is served again.
    pub(super) fn of_recorded(recorded: &Recorded) -> Self {
        Self {
            agent: recorded.agent.as_str().to_owned(),
            amount: recorded.amount,
            rule: recorded.rule.clone(),
            commitment: recorded.id,
        }
    }

    /// Writes the signed token: a JWT (RFC 7519) by the seller's key, for this URL, for 120 s.
    pub(super) fn write_token(&self, headers: &mut HeaderMap, seller: &Seller, url: &str) {
        let now = seller.now();
        let claims = json!({
            "amount": self.amount,
            "aud": url,
            "exp": now + LIFETIME,
            "iat": now,
            "iss": seller.origin(),
            "jti": self.commitment,
            "nbf": now,
            "rule": self.rule,
            "scheme": "deferred",
            "sub": self.agent,
        });
        let token = jws::sign("JWT", claims.to_string().as_bytes(), seller.key());
        if let Ok(value) = HeaderValue::from_str(&token) {
            headers.insert(header::PAYMENT_CONTEXT, value);
        }
    }
}
