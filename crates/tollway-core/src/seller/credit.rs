//! Credit for strangers, and what the engine remembers of agents so as not to ask the books or
//! anybody else's directory about each request.

use std::collections::HashSet;

use parking_lot::Mutex;
use tollway_ledger::{AgentId, AgentTerms, DocumentKind};
use tollway_protocol::{Amount, Reason, Refusal};
use tollway_signatures::PublicKey;

use super::{Seller, unavailable};
use crate::offer::Offer;

/// Agents and documents remembered; beyond it the memory starts afresh and the books are asked.
const REMEMBERED_MAX: usize = 10_000;

/// What an agent gets that nobody has registered, once it has proved its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StarterCredit {
    /// Credit limit of each such agent.
    pub limit: Amount,
    /// Budget a day of each such agent.
    pub daily_budget: Option<Amount>,
    /// Most such accounts opened within an hour.
    pub accounts_per_hour: u32,
}

/// Agents that have an account, and accounts opened this hour.
#[derive(Default)]
pub(crate) struct KnownAgents {
    state: Mutex<KnownState>,
}

#[derive(Default)]
struct KnownState {
    agents: HashSet<AgentId>,
    hour: u64,
    opened: u32,
}

/// Documents that stand in the books already.
#[derive(Default)]
pub(crate) struct Filed {
    ids: Mutex<HashSet<String>>,
}

impl KnownAgents {
    fn contains(&self, agent: &AgentId) -> bool {
        self.state.lock().agents.contains(agent)
    }

    fn remember(&self, agent: AgentId) {
        let mut state = self.state.lock();
        if state.agents.len() >= REMEMBERED_MAX {
            state.agents.clear();
        }
        state.agents.insert(agent);
    }

    /// Counts one more account in this hour, if there may be one.
    fn may_open(&self, most: u32, now: u64) -> bool {
        let mut state = self.state.lock();
        if state.hour != now / 3_600 {
            state.hour = now / 3_600;
            state.opened = 0;
        }
        let room = state.opened < most;
        state.opened += u32::from(room);
        room
    }
}

impl Seller {
    /// Whether an agent has an account. One that has none is refused before anything is fetched
    /// for it, unless strangers may get starter credit.
    pub(crate) async fn has_account(&self, agent: &AgentId, now: u64) -> Result<bool, Refusal> {
        let shared = &self.shared;
        if shared.memory.known_agents.contains(agent) {
            return Ok(true);
        }
        let account = self.books().account(agent, now).await.map_err(|error| unavailable(&error))?;
        if account.is_some() {
            shared.memory.known_agents.remember(agent.clone());
        } else if shared.parts.starter.is_none() {
            return Err(Refusal::new(Reason::AgentNotRegistered, "this agent has no account with this seller"));
        }
        Ok(account.is_some())
    }

    /// Opens an account with starter credit for an agent that has proved its key.
    pub(crate) async fn open_account(&self, agent: &AgentId, now: u64) -> Result<(), Refusal> {
        let shared = &self.shared;
        let Some(starter) = shared.parts.starter else { return Ok(()) };
        if shared.memory.known_agents.contains(agent) {
            return Ok(());
        }
        let account = self.books().account(agent, now).await.map_err(|error| unavailable(&error))?;
        if account.is_none() {
            if !shared.memory.known_agents.may_open(starter.accounts_per_hour, now) {
                return Err(Refusal::new(Reason::TooManyRequests, "no more accounts are opened in this hour"));
            }
            let terms =
                AgentTerms { agent: agent.clone(), credit_limit: starter.limit, daily_budget: starter.daily_budget };
            self.books().agent_put(terms, now).await.map_err(|error| unavailable(&error))?;
        }
        shared.memory.known_agents.remember(agent.clone());
        Ok(())
    }

    /// Opens an account for an agent that asks for one and has proved its key; says whether it is
    /// new. What it may owe is the starter credit, which may be nothing until the seller raises it.
    ///
    /// # Errors
    /// `agent_not_registered` where agents do not register themselves, `too_many_requests`, or the
    /// books' reason.
    pub async fn register(&self, agent: &AgentId, now: u64) -> Result<bool, Refusal> {
        if self.shared.parts.starter.is_none() {
            return Err(Refusal::new(Reason::AgentNotRegistered, "accounts are opened by the seller here"));
        }
        let known = self.books().account(agent, now).await.map_err(|error| unavailable(&error))?;
        self.open_account(agent, now).await?;
        Ok(known.is_none())
    }

    /// Files the agent's key and the offer in the books, once each, so that every later line can
    /// be proved by reference to them.
    pub(crate) async fn file_evidence(&self, key: &PublicKey, offer: &Offer, now: u64) -> Result<(), Refusal> {
        let thumbprint = key.thumbprint().to_string();
        self.file(DocumentKind::Key, &thumbprint, || jwk(key), now).await?;
        self.file_offer(offer, now).await
    }

    /// Files an offer, so that what was sold under it can be read as long as the books are kept.
    pub(crate) async fn file_offer(&self, offer: &Offer, now: u64) -> Result<(), Refusal> {
        let offer_id = offer.id().to_string();
        self.file(DocumentKind::Offer, &offer_id, || offer.jws().as_bytes().to_vec(), now).await
    }

    async fn file(
        &self,
        kind: DocumentKind,
        id: &str,
        body: impl FnOnce() -> Vec<u8>,
        now: u64,
    ) -> Result<(), Refusal> {
        if self.shared.memory.filed.ids.lock().contains(id) {
            return Ok(());
        }
        self.books().document_put(kind, id, body(), now).await.map_err(|error| unavailable(&error))?;
        let mut ids = self.shared.memory.filed.ids.lock();
        if ids.len() >= REMEMBERED_MAX {
            ids.clear();
        }
        ids.insert(id.to_owned());
        Ok(())
    }
}

/// A public key as the books keep it: its JWK.
pub(super) fn jwk(key: &PublicKey) -> Vec<u8> {
    serde_json::to_vec(&key.jwk()).expect("a public key is plain data")
}
