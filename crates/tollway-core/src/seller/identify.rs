//! Who signed: from a message to a proved signature, the clock not yet asked.

use tollway_ledger::AgentId;
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::{AgentCard, AgentUrl, Components, Policy, PublicKey, Thumbprint, Unverified};

use super::{Seller, Signed};
use crate::scheme::deferred::PresentedCommitment;

/// A signature that was proved to be that of an agent's key.
pub struct Identified {
    /// The account it belongs to.
    pub agent: AgentId,
    /// The agent as its signature names it.
    pub agent_url: AgentUrl,
    /// The key.
    pub key: PublicKey,
    /// The signature.
    pub signature: Signed,
}

impl Seller {
    /// What an agent says of itself, asked of its own host.
    ///
    /// # Errors
    /// A reason of the agent's directory.
    pub async fn ask_card(&self, agent: &AgentUrl, path: Option<&str>, now: u64) -> Result<AgentCard, Refusal> {
        self.shared.parts.keys.card(agent, path, now).await
    }

    /// Verifies the signature of a message, cheapest refusals first: nothing is fetched for a
    /// message that is refutable by itself, or for an agent that has no account here.
    ///
    /// # Errors
    /// One reason of the signature, of the agent's directory, or `agent_not_registered`.
    pub async fn identify(
        &self,
        message: &(dyn Components + Sync),
        policy: &Policy,
        now: u64,
    ) -> Result<Identified, Refusal> {
        let unverified = Unverified::read(message, policy)?;
        let agent_url = unverified
            .agent()
            .cloned()
            .ok_or_else(|| Refusal::new(Reason::AgentMissing, "the request names no signature agent"))?;
        let (agent, key) = self.key_of(&agent_url, unverified.keyid(), now).await?;
        let signature = Signed::message(&unverified.verify(&key)?);
        Ok(Identified { agent, agent_url, key, signature })
    }

    /// The same for a promise that is a document of its own.
    ///
    /// # Errors
    /// `agent_malformed` and kin, one reason of the agent's directory, `agent_not_registered`,
    /// `signature_invalid`.
    pub async fn identify_commitment(&self, presented: &PresentedCommitment, now: u64) -> Result<Identified, Refusal> {
        let agent_url = AgentUrl::parse(&presented.claims().agent, self.agents())?;
        let (agent, key) = self.key_of(&agent_url, presented.kid(), now).await?;
        let signature = presented.verify(&key)?;
        Ok(Identified { agent, agent_url, key, signature })
    }

    async fn key_of(
        &self,
        agent_url: &AgentUrl,
        keyid: &Thumbprint,
        now: u64,
    ) -> Result<(AgentId, PublicKey), Refusal> {
        let agent = AgentId::new(agent_url.as_str())
            .map_err(|_| Refusal::new(Reason::AgentMalformed, "the agent's URL is too long"))?;
        let keys = &self.shared.parts.keys;
        // An agent that the rules name is worth asking for, account or not.
        let expected = self.rules().names(agent_url) || self.has_account(&agent, now).await?;
        let key = if expected {
            keys.registered_key(agent_url, keyid, now).await?
        } else {
            keys.key(agent_url, keyid, now).await?
        };
        Ok((agent, key))
    }
}
