//! What the console asks of the gateway beside its books: rules, counters, samples and health, as plain data.

use async_trait::async_trait;
use tollway_ledger::{AgentId, Books, ExactBooks, MoveBooks, Statement};
use tollway_protocol::Amount;

/// The books as the console needs them.
pub trait ConsoleBooks: Books + ExactBooks + MoveBooks {}

impl<B: Books + ExactBooks + MoveBooks> ConsoleBooks for B {}

/// The gateway behind the console.
#[async_trait]
pub trait Desk: Send + Sync {
    /// The price rules in the order in which they decide.
    fn rules(&self) -> Vec<RuleRow>;

    /// What the rules would say of a request.
    ///
    /// # Errors
    /// What is wrong with the question, in words.
    fn explain(&self, question: &Question) -> Result<Explained, String>;

    /// What the sampled requests would have come to under another rule.
    ///
    /// # Errors
    /// What is wrong with the change, or why there is no sample, in words.
    async fn simulate(&self, change: &Change) -> Result<Simulated, String>;

    /// What was answered, by rule, class and outcome, as far back as it is kept.
    async fn counts(&self) -> Vec<Counted>;

    /// How the parts are.
    async fn health(&self) -> Vec<HealthRow>;

    /// The account name of an agent's URL.
    ///
    /// # Errors
    /// Why it is none, in words.
    fn agent_id(&self, text: &str) -> Result<AgentId, String>;

    /// Where a statement can be paid, if anywhere.
    fn pay_url(&self, statement: &Statement) -> Option<String>;
}

/// One price rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRow {
    /// Its name.
    pub id: String,
    /// Its path pattern.
    pub pattern: String,
    /// Its methods, or `any`.
    pub methods: String,
    /// For whom it speaks.
    pub audience: String,
    /// What it does, in words.
    pub what: String,
    /// What a request costs, where it charges.
    pub price: Option<Amount>,
    /// Whether it is on trial.
    pub on_trial: bool,
}

/// A request to be explained.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// URL or path.
    pub url: String,
    /// Method.
    pub method: String,
    /// The `User-Agent` it would send.
    pub user_agent: String,
    /// The agent it would claim to be.
    pub claimed: String,
    /// The agent whose signature it would prove.
    pub proved: String,
}

/// Why a request is answered as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The path under every reading, the plain one first.
    pub readings: Vec<String>,
    /// The pattern of the free list that fits.
    pub free: Option<String>,
    /// Each rule up to the one that decides, and what differs; nothing where it decides.
    pub steps: Vec<(String, Option<String>)>,
    /// The price class that was chosen.
    pub class: Option<String>,
    /// The status an unpaid request would get.
    pub status: u16,
    /// Why, in words.
    pub why: String,
    /// Whether a proof of what is claimed could change it.
    pub proof_could_change_it: bool,
}

/// Another rule to be tried on the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A rule asks another price.
    Price {
        /// The rule.
        rule: String,
        /// Instead of what it asks now; nothing lets pass.
        price: Amount,
    },
    /// A rule more, before all others.
    Rule {
        /// Its path pattern.
        pattern: String,
        /// For whom: `everyone`, `signed` or `bots`.
        audience: String,
        /// What it asks; nothing lets pass.
        price: Amount,
    },
}

/// What a sample comes to, before and after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulated {
    /// Lines of the sample.
    pub lines: u64,
    /// Lines that could not be read.
    pub unread: u64,
    /// The first and last line's Unix second.
    pub from_to: (u64, u64),
    /// Of a million requests, so many were written down.
    pub per_million: u64,
    /// By rule as it is, and as it would be.
    pub rules: Vec<(String, Weighed, Weighed)>,
}

/// Sampled requests under one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Asked for something with a price.
    pub priced: u64,
    /// Of these, paid: by an agent that signs, and answered with the content.
    pub paid: u64,
    /// What was or would be charged for those, in atomic units.
    pub charged: u128,
}

/// One counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The rule; empty for what no rule speaks of.
    pub rule: String,
    /// Who asked: `open`, `bot` or `signed`.
    pub class: String,
    /// What became of it.
    pub outcome: String,
    /// How often.
    pub value: u64,
}

/// One part's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthRow {
    /// The part.
    pub part: &'static str,
    /// Whether it is well; nothing where that is not a question.
    pub is_well: Option<bool>,
    /// What there is to say.
    pub says: String,
}
