//! The agent: it finds what is for sale, asks before it pays, pays, and remembers what it paid for.

mod day;
mod desk;
mod exact;
mod id;
mod perform;
mod promise;
mod reading;
mod spent;
mod tools;
mod work;

pub use desk::{Card, Decision, Desk, NoSuchCard, Question, Told, Voice};
pub use id::{Id, ParseIdError};
pub use spent::{Spent, SpentLog};
pub use tools::FoundTool;
pub use work::Done;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tollway_core::buyer::{Budget, BudgetView, Journal};
use tollway_core::clock::Clock;
use tollway_http::payer::{Entropy, FileJournal, PayError, PayFailure, Transport};
use tollway_ledger::{AgentId, BooksError};
use tollway_protocol::{Amount, Refusal};

use crate::stage::{Shop, Stage, StageError};
use crate::trace::{Scheme, SeenTransport, Timeline};

/// The budget of a run, in micro-dollars: five dollars, of which one payment takes at most one.
const BUDGET: u128 = 5_000_000;
const MAX_PRICE: u128 = 1_000_000;
/// Longest answer read, in bytes.
const BODY_MAX: usize = 4 << 20;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A rule of ours or of the seller's said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A payment came to nothing.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// The same, and what it cost all the same.
    #[error("{0}")]
    Failure(Box<PayFailure>),
    /// A person, or nobody, said no.
    #[error("{}", .0.words())]
    NotConfirmed(Decision),
    /// The books cannot be asked.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The stage.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A file of the agent's.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
    /// What was asked for is not to be had.
    #[error("{0}")]
    NotFound(String),
}

/// The agent. It holds two keys, one for promises and one for the wallet, and shows neither.
pub struct Agent {
    stage: Arc<Stage>,
    timeline: Timeline,
    desk: Desk,
    budget: Budget,
    journal: Arc<dyn Journal>,
    client: Arc<dyn Transport>,
    spent: SpentLog,
    tools: RwLock<Vec<FoundTool>>,
}

impl Agent {
    /// An agent on this stage, whose questions go out by `voice`.
    ///
    /// # Errors
    /// When its log or its HTTP client cannot be had.
    pub fn new(stage: Arc<Stage>, timeline: Timeline, voice: Voice, wait: Duration) -> Result<Self, AgentError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()?;
        let journal = FileJournal::open(&stage.file("promises.jsonl"))?;
        Ok(Self {
            stage,
            timeline,
            desk: Desk::new(voice, wait),
            budget: Budget::new(Amount::new(BUDGET), Amount::new(MAX_PRICE)),
            journal: Arc::new(journal),
            client: Arc::new(client),
            spent: SpentLog::default(),
            tools: RwLock::default(),
        })
    }

    /// The stage it plays on.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// What happened.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Where payments wait for a yes.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What it paid for, newest last.
    pub fn spent(&self) -> &SpentLog {
        &self.spent
    }

    /// The budget now.
    pub fn budget(&self) -> BudgetView {
        self.budget.view()
    }

    /// What the wallet has, in micro-dollars.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn balance(&self) -> Result<Amount, AgentError> {
        Ok(self.stage.chain.balance(self.stage.chain.wallet().address()).await?)
    }

    /// The wallet's address, as the chain writes it.
    pub fn wallet_address(&self) -> String {
        self.stage.chain.wallet().address().to_checksum(None)
    }

    /// What it owes to all sellers, in micro-dollars.
    ///
    /// # Errors
    /// When a seller's books cannot be asked.
    pub async fn owed(&self) -> Result<Amount, AgentError> {
        use tollway_ledger::Books as _;
        let mut owed = Amount::ZERO;
        for shop in self.stage.shops() {
            let account = shop.books().account(&self.id()?, self.now()).await?;
            let own = account.map_or(Amount::ZERO, |account| account.balance_owed);
            owed = owed.checked_add(own).unwrap_or(owed);
        }
        Ok(owed)
    }

    fn now(&self) -> u64 {
        self.stage.clock().now()
    }

    fn id(&self) -> Result<AgentId, AgentError> {
        AgentId::new(self.stage.agent.clone()).map_err(|_| AgentError::NotFound("the agent has no name".to_owned()))
    }

    fn transport(&self, scheme: Scheme) -> Arc<dyn Transport> {
        Arc::new(SeenTransport::new(Arc::clone(&self.client), self.timeline.clone(), scheme))
    }

    /// The seller at an address of the stage. Nobody else is ever asked or paid.
    fn shop_at(&self, url: &url::Url) -> Result<&Shop, AgentError> {
        let origin = url.origin().ascii_serialization();
        let found = self.stage.shops().find(|shop| shop.origin == origin);
        found.ok_or_else(|| AgentError::NotFound(format!("{origin} is not on this stage")))
    }

    /// What is left of the budget.
    pub fn left(&self) -> Amount {
        let view = self.budget.view();
        let taken = view.spent.checked_add(view.held);
        taken.and_then(|taken| view.total.checked_sub(taken)).unwrap_or(Amount::ZERO)
    }
}

fn entropy() -> Entropy {
    Arc::new(|bytes: &mut [u8]| getrandom::fill(bytes).expect("the system gives randomness"))
}
