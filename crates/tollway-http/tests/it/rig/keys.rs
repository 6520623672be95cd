//! Keys: of agents for the seller, of everybody for the auditor.

use std::collections::HashMap;

use async_trait::async_trait;
use tollway_core::seller::KeySource;
use tollway_ledger::{EvidenceKeys, Proof};
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::{AgentUrl, PublicKey, Thumbprint, Verifier as _, jws};

use super::Agent;

/// Type of the seller's seals on statements and checkpoints.
pub(crate) const SEAL_TYPE: &str = "tollway-books+jws";

/// Agents' keys, without a network.
pub(crate) struct Ring {
    keys: HashMap<(String, Thumbprint), PublicKey>,
}

impl Ring {
    pub(crate) fn of(agents: &[&Agent]) -> Self {
        let entry = |agent: &&Agent| {
            let key = agent.key().public();
            ((agent.url.clone(), *key.thumbprint()), key)
        };
        Self { keys: agents.iter().map(entry).collect() }
    }
}

#[async_trait]
impl KeySource for Ring {
    async fn key(&self, agent: &AgentUrl, keyid: &Thumbprint, _: u64) -> Result<PublicKey, Refusal> {
        let found = self.keys.get(&(agent.as_str().to_owned(), *keyid)).cloned();
        found.ok_or_else(|| Refusal::new(Reason::KeyNotFound, "no such key"))
    }
}

/// What an auditor has from the parties.
pub(crate) struct Keys {
    agents: HashMap<[u8; 32], PublicKey>,
    seller: PublicKey,
}

impl Keys {
    pub(crate) fn of(agents: &[&Agent], seller: PublicKey) -> Self {
        let entry = |agent: &&Agent| {
            let key = agent.key().public();
            (*key.thumbprint().as_bytes(), key)
        };
        Self { agents: agents.iter().map(entry).collect(), seller }
    }
}

impl EvidenceKeys for Keys {
    fn verify_sale(&self, thumbprint: &[u8; 32], base: &str, signature: &[u8; 64]) -> Proof {
        match self.agents.get(thumbprint) {
            None => Proof::NoKey,
            Some(key) if key.verify(base.as_bytes(), signature).is_ok() => Proof::Proved,
            Some(_) => Proof::Wrong,
        }
    }

    fn verify_jws(&self, text: &str) -> Option<Vec<u8>> {
        jws::verify(SEAL_TYPE, text, 1 << 16, &self.seller).ok()
    }
}
