//! The seller's engine: which rule decides, what is offered, who promises, what was sold. It
//! knows no transport; a gate asks it step by step and cannot skip one, since each step takes
//! what only the step before it makes.

mod admit;
mod bills;
mod cards;
mod credit;
mod exact;
mod flights;
mod identify;
mod keys;
mod opening;
mod pass;
mod receipt;
mod replays;
pub(crate) mod signed;
mod verified;

pub use admit::{Admission, Known, Purchase, Replay};
pub use bills::{BILLS, BILLS_PATH, Bill, BillWays, PaidOff, bill_token};
pub use credit::StarterCredit;
pub use exact::{
    ExactAdmission, ExactKnown, ExactParts, ExactPurchase, ExactReceipt, ExactVerified, Paid, Resolved, Settling,
};
pub use flights::{Landing, WAITERS_MAX};
pub use identify::Identified;
pub use keys::KeySource;
pub use opening::{OpeningError, file_seller_key, press};
pub use pass::{PASS_TYPE, PassBought};
pub use receipt::Receipt;
pub use signed::Signed;
pub use verified::Verified;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::OnceCell;
use tollway_ledger::{Books, BooksError, PaymentId};
use tollway_protocol::{Network, Refusal};
use tollway_signatures::{AgentPolicy, PrivateKey};

use crate::clock::Clock;
use crate::offer::{Offer, OfferPress};
use crate::rules::RuleSet;
use credit::KnownAgents;
use flights::Flights;
use replays::Replays;

/// What a seller's engine is made of.
pub struct SellerParts {
    /// The seller's origin: who is paid.
    pub origin: String,
    /// The key that signs offers and receipts.
    pub key: Arc<PrivateKey>,
    /// The network of the deferred way.
    pub network: Network,
    /// What costs what.
    pub rules: RuleSet,
    /// Makes offers.
    pub press: OfferPress,
    /// The books.
    pub books: Arc<dyn Books>,
    /// Where agents' keys come from.
    pub keys: Arc<dyn KeySource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Which signature agents are looked up at all.
    pub agents: AgentPolicy,
    /// Credit for agents that were never seen before; `None` sells to listed agents only.
    pub starter: Option<StarterCredit>,
}

/// The seller's engine. Cheap to clone; all clones are one seller.
#[derive(Clone)]
pub struct Seller {
    shared: Arc<Shared>,
}

struct Shared {
    parts: SellerParts,
    exact: Option<ExactParts>,
    memory: Arc<Memory>,
}

/// What the engine remembers beside the books; it outlives a change of rules.
#[derive(Default)]
struct Memory {
    flights: Flights,
    payments: Flights<PaymentId>,
    replays: Replays,
    known_agents: KnownAgents,
    filed: credit::Filed,
    cards: cards::Cards,
    bills_looked_at: AtomicBool,
    passes_sold: OnceCell<bool>,
    passes_opened: AtomicBool,
}

impl Seller {
    /// An engine made of these parts.
    pub fn new(parts: SellerParts) -> Self {
        Self { shared: Arc::new(Shared { parts, exact: None, memory: Arc::default() }) }
    }

    /// An engine that is also paid at once.
    pub fn paid_at_once(parts: SellerParts, exact: ExactParts) -> Self {
        Self { shared: Arc::new(Shared { parts, exact: Some(exact), memory: Arc::default() }) }
    }

    /// The same seller under other rules: what is in flight, and what was sold, stays known.
    #[must_use]
    pub fn with_rules(&self, rules: RuleSet, press: OfferPress, starter: Option<StarterCredit>) -> Self {
        let old = &self.shared.parts;
        let parts = SellerParts {
            origin: old.origin.clone(),
            key: Arc::clone(&old.key),
            network: old.network.clone(),
            rules,
            press,
            books: Arc::clone(&old.books),
            keys: Arc::clone(&old.keys),
            clock: Arc::clone(&old.clock),
            agents: old.agents,
            starter,
        };
        let exact = self.shared.exact.clone();
        Self { shared: Arc::new(Shared { parts, exact, memory: Arc::clone(&self.shared.memory) }) }
    }

    /// The rules.
    pub fn rules(&self) -> &RuleSet {
        &self.shared.parts.rules
    }

    /// The seller's origin.
    pub fn origin(&self) -> &str {
        &self.shared.parts.origin
    }

    /// The key that signs offers and receipts.
    pub fn key(&self) -> &PrivateKey {
        &self.shared.parts.key
    }

    /// The same key, to be shared.
    pub fn shared_key(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.shared.parts.key)
    }

    /// The network of the deferred way.
    pub fn network(&self) -> &Network {
        &self.shared.parts.network
    }

    /// Which signature agents are looked up.
    pub fn agents(&self) -> AgentPolicy {
        self.shared.parts.agents
    }

    /// The books.
    pub fn books(&self) -> &dyn Books {
        self.shared.parts.books.as_ref()
    }

    /// Seconds since the epoch.
    pub fn now(&self) -> u64 {
        self.shared.parts.clock.now()
    }

    /// Today's offer of a rule: ready-made, nothing is stored and at most one signature a minute
    /// is made.
    pub fn offer(&self, rule_id: &str, now: u64) -> Option<Arc<Offer>> {
        self.shared.parts.press.current(rule_id, now)
    }

    /// An offer by its id.
    pub fn offer_by_id(&self, id: crate::offer::OfferId) -> Option<Arc<Offer>> {
        self.shared.parts.press.any(id, self.now())
    }
}

/// The books could not be asked: nobody's fault but ours or our dependency's.
pub(crate) fn unavailable(error: &BooksError) -> Refusal {
    Refusal::new(error.reason(), "the books cannot be asked at the moment")
}
