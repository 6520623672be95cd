//! The port through which the seller's engine learns a signature agent's key.

use async_trait::async_trait;
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::{AgentCard, AgentUrl, PublicKey, Thumbprint};

/// Finds keys by (agent, thumbprint): two agents with the same key material are two agents.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The agent's key with this thumbprint.
    ///
    /// # Errors
    /// A reason of the directory: unreachable, lying, without the key, or too many fetches.
    async fn key(&self, agent: &AgentUrl, keyid: &Thumbprint, now: u64) -> Result<PublicKey, Refusal>;

    /// The same for an agent that has an account: what strangers make a source do does not keep it
    /// waiting.
    ///
    /// # Errors
    /// Those of [`KeySource::key`].
    async fn registered_key(&self, agent: &AgentUrl, keyid: &Thumbprint, now: u64) -> Result<PublicKey, Refusal> {
        self.key(agent, keyid, now).await
    }

    /// What an agent says of itself: its card under `path` of its own origin, or what its key
    /// directory says beside the keys.
    ///
    /// # Errors
    /// A reason of the directory; `not_found` from a source that knows of no cards.
    async fn card(&self, agent: &AgentUrl, path: Option<&str>, now: u64) -> Result<AgentCard, Refusal> {
        let _ = (agent, path, now);
        Err(Refusal::new(Reason::NotFound, "cards are not read here"))
    }
}
