//! Promises to pay with the bill of the day: a commitment (compact JWS) signed with the agent's key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use tollway_core::buyer::{AuditLine, Journal};
use tollway_core::offer::OfferId;
use tollway_core::scheme::deferred::{
    COMMITMENT_LIFE_MAX, Called, Commitment, EXTRA_DECIMALS, EXTRA_OFFER, PAYLOAD_JWS,
};
use tollway_ledger::CommitmentId;
use tollway_protocol::{Dress, PaymentRequirements, Reason, Refusal, Scale};
use tollway_signatures::{AgentUrl, PrivateKey, Signer as _};

/// Key of `extra` that says which terms, by their hash.
const TERMS_HASH: &str = "termsHash";

/// An agent that promises.
pub struct Promiser {
    agent: AgentUrl,
    key: Arc<PrivateKey>,
    journal: Arc<dyn Journal>,
}

/// A signed promise.
pub(super) struct Promised {
    pub(super) id: CommitmentId,
    pub(super) payload: Map<String, Value>,
    pub(super) expires: u64,
    offer: String,
}

impl Promiser {
    /// An agent, the key that is published at its URL, and the log of its promises.
    #[must_use]
    pub fn new(agent: AgentUrl, key: Arc<PrivateKey>, journal: Arc<dyn Journal>) -> Self {
        Self { agent, key, journal }
    }

    /// Who promises.
    #[must_use]
    pub fn agent(&self) -> &str {
        self.agent.as_str()
    }

    /// Whether these requirements can be answered with a promise.
    pub(super) fn can_promise(&self, requirements: &PaymentRequirements) -> Result<(), Refusal> {
        offer(requirements)?;
        let decimals = requirements.extra(EXTRA_DECIMALS).map(Value::as_u64);
        // The budget counts micro-dollars; whoever counts otherwise is not compared with it.
        if decimals.is_some_and(|digits| digits != Some(u64::from(Scale::MICRO.get()))) {
            return Err(Refusal::new(Reason::AssetMismatch, "the promise would not be counted in micro-dollars"));
        }
        Ok(())
    }

    /// Signs a promise for a call. It is durable in the log before anybody has it.
    pub(super) fn sign(
        &self,
        requirements: &PaymentRequirements,
        call: Called<'_>,
        now: u64,
        nonce: &[u8; 32],
    ) -> Result<Promised, Refusal> {
        let offer = offer(requirements)?;
        let life = requirements.max_timeout_seconds.get().min(COMMITMENT_LIFE_MAX);
        let commitment = Commitment {
            agent: self.agent.as_str().to_owned(),
            amount: requirements.amount,
            arguments: call.arguments,
            asset: requirements.asset.clone(),
            exp: now.saturating_add(life),
            iat: now,
            network: requirements.network.clone(),
            nonce: URL_SAFE_NO_PAD.encode(nonce),
            offer: offer.clone(),
            pay_to: requirements.pay_to.clone(),
            resource: call.resource.to_owned(),
            terms: requirements.extra(TERMS_HASH).and_then(Value::as_str).and_then(|hash| hash.parse().ok()),
        };
        let jws = commitment.sign(&self.key);
        let base = jws.rsplit_once('.').map_or("", |(base, _)| base);
        Ok(Promised {
            id: CommitmentId::derive(now, self.key.thumbprint().as_bytes(), base.as_bytes()),
            expires: commitment.exp,
            payload: Map::from_iter([(PAYLOAD_JWS.to_owned(), jws.into())]),
            offer,
        })
    }

    /// Writes the promise down.
    pub(super) async fn write(
        &self,
        promised: &Promised,
        requirements: &PaymentRequirements,
        (method, resource): (&str, &str),
        now: u64,
    ) -> Result<(), Refusal> {
        let line = AuditLine::Promise {
            at: now,
            id: promised.id,
            seller: requirements.pay_to.clone(),
            method: method.to_owned(),
            url: resource.to_owned(),
            amount: requirements.amount,
            asset: requirements.asset.clone(),
            offer: promised.offer.clone(),
            dress: Dress::Mcp,
        };
        self.journal.write(&line).await
    }

    /// Writes down what became of a promise.
    pub(super) async fn record(&self, line: &AuditLine) -> Result<(), Refusal> {
        self.journal.write(line).await
    }
}

/// The offer that is promised for.
fn offer(requirements: &PaymentRequirements) -> Result<String, Refusal> {
    let named = requirements.extra(EXTRA_OFFER).and_then(Value::as_str);
    let named = named.filter(|text| text.parse::<OfferId>().is_ok());
    let missing = || Refusal::new(Reason::InvalidPaymentRequirements, "a promise needs the id of an offer");
    named.map(str::to_owned).ok_or_else(missing)
}
