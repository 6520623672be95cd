//! What agents say of themselves: kept with their accounts, a new version a day at most, and
//! remembered as claims for the rules.

use std::collections::HashMap;

use parking_lot::RwLock;
use tollway_ledger::{AgentId, DocumentKind};
use tollway_protocol::Refusal;
use tollway_signatures::{AgentCard, AgentUrl};

use super::{Seller, unavailable};
use crate::rules::Identity;

/// Most agents whose claims are remembered.
const REMEMBERED_MAX: usize = 10_000;
const DAY: u64 = 86_400;

/// Claims of agents with a card, by their URL.
#[derive(Default)]
pub(super) struct Cards {
    claims: RwLock<HashMap<String, Identity>>,
}

impl Seller {
    /// Keeps what an agent's card says. One version a day is kept: the first.
    ///
    /// # Errors
    /// The books' reason.
    pub async fn keep_card(&self, agent: &AgentId, card: &AgentCard, now: u64) -> Result<(), Refusal> {
        let id = format!("{}@{}", agent.as_str(), now / DAY);
        let kept = self.books().document(DocumentKind::Card, &id).await.map_err(|error| unavailable(&error))?;
        if kept.is_some() || card.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_vec(card).expect("a card is plain data");
        self.books().document_put(DocumentKind::Card, &id, body, now).await.map_err(|error| unavailable(&error))?;
        self.remember_card(agent.as_str(), card);
        Ok(())
    }

    /// Remembers the claims of all cards in the books; later versions replace earlier ones.
    ///
    /// # Errors
    /// The books' reason.
    pub async fn remember_cards(&self) -> Result<(), Refusal> {
        let mut filed = self.books().documents(DocumentKind::Card, 0).await.map_err(|error| unavailable(&error))?;
        filed.sort_by_key(|document| document.at);
        for document in filed {
            let Some((agent, _)) = document.id.rsplit_once('@') else { continue };
            if let Ok(card) = serde_json::from_slice(&document.body) {
                self.remember_card(agent, &card);
            }
        }
        Ok(())
    }

    /// What an agent's card claims of it.
    pub fn card_claims(&self, agent: &AgentUrl) -> Option<Identity> {
        self.shared.memory.cards.claims.read().get(agent.as_str()).cloned()
    }

    fn remember_card(&self, agent: &str, card: &AgentCard) {
        let claims = Identity {
            agents: Vec::new(),
            operators: card.operator.iter().cloned().collect(),
            purposes: card.purpose.iter().filter_map(|text| text.parse().ok()).collect(),
        };
        let mut all = self.shared.memory.cards.claims.write();
        if all.len() < REMEMBERED_MAX || all.contains_key(agent) {
            all.insert(agent.to_owned(), claims);
        }
    }
}
