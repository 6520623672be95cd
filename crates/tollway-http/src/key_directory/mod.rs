//! Where agents' keys come from: key directories on the web (Web Bot Auth), fetched from hosts that
//! strangers choose, and remembered by (agent URL, thumbprint).
//!
//! Promise: a key answered here was published, and the document signed with it, by the host the
//! agent names; an outage of that host takes no key away for a day, and a directory without the key
//! takes it away at once.
//!
//! This module never connects to an address that is not public (loopback only where it was allowed
//! and named), never follows a redirect or a proxy from the environment, never queues: what is over
//! a limit is `too_many_requests` at once.
//!
//! ```
//! use tollway_core::seller::KeySource;
//! use tollway_http::key_directory::{DirectoryOptions, KeyDirectory};
//! use tollway_signatures::{AgentUrl, Thumbprint};
//!
//! # async fn lookup() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = KeyDirectory::new(DirectoryOptions::default())?;
//! let agent = AgentUrl::parse("https://crawler.example", directory.agents())?;
//! let keyid: Thumbprint = "WzwVlFeVS9ly5GXF0vx0kt7DuQbLz6mJbC-mRBtqB_o".parse()?;
//! let key = directory.key(&agent, &keyid, 1_760_000_000).await?;
//! assert_eq!(*key.thumbprint(), keyid);
//! # Ok(())
//! # }
//! ```

mod cache;
mod fetch;
mod limits;
mod options;
mod resolver;
mod serve;

pub use fetch::ClientError;
pub use options::DirectoryOptions;
pub use resolver::{NameLookup, SystemNames};
pub use serve::directory_response;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;
use tollway_core::seller::KeySource;
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::{AgentCard, AgentPolicy, AgentUrl, PublicKey, Thumbprint};

use cache::{Cache, Judgement, Outcome};
use fetch::Fetcher;
use limits::Limits;

/// The keys of signature agents, fetched and remembered. Cheap to clone; all clones share one memory.
#[derive(Clone)]
pub struct KeyDirectory {
    shared: Arc<Shared>,
}

struct Shared {
    options: DirectoryOptions,
    fetcher: Fetcher,
    state: Mutex<State>,
}

/// Under one lock, so that "not known, and nobody is asking" and "I ask" are one step.
struct State {
    cache: Cache,
    flights: HashMap<AgentUrl, Landing>,
    limits: Limits,
}

/// `None` while the fetch is under way.
type Landing = watch::Receiver<Option<Outcome>>;

type Answer = Result<PublicKey, Refusal>;

impl KeyDirectory {
    /// A directory that knows nothing yet and asks the machine's own resolver for names.
    ///
    /// # Errors
    /// The TLS client cannot be set up.
    pub fn new(options: DirectoryOptions) -> Result<Self, ClientError> {
        Self::with_names(options, Arc::new(SystemNames::default()))
    }

    /// The same with another source of addresses. What it answers is checked like any other answer.
    ///
    /// # Errors
    /// The TLS client cannot be set up.
    pub fn with_names(options: DirectoryOptions, names: Arc<dyn NameLookup>) -> Result<Self, ClientError> {
        let state = State {
            cache: Cache::new(options.entries_max, options.stale_max),
            flights: HashMap::new(),
            limits: Limits::new(options.fetches_in_flight, options.new_agents_per_second),
        };
        let fetcher = Fetcher::new(&options, names)?;
        Ok(Self { shared: Arc::new(Shared { options, fetcher, state: Mutex::new(state) }) })
    }

    /// What [`AgentUrl::parse`] may let through for agents that are looked up here.
    #[must_use]
    pub fn agents(&self) -> AgentPolicy {
        let allow_loopback_http = self.shared.options.allow_loopback;
        AgentPolicy { allow_loopback_http, ..AgentPolicy::default() }
    }

    /// How many keys an agent publishes at this moment: one fetch, past all memory. For whoever looks
    /// after a gateway, never for a request.
    ///
    /// # Errors
    /// `agent_forbidden_address` or one of the `directory_` reasons.
    pub async fn published(&self, agent: &AgentUrl, now: u64) -> Result<usize, Refusal> {
        Ok(self.shared.fetcher.fetch(agent, now).await?.directory.thumbprints().count())
    }

    /// The answer, or what to wait for.
    fn next(&self, agent: &AgentUrl, keyid: &Thumbprint, registered: bool, now: u64) -> ControlFlow<Answer, Landing> {
        let mut state = self.shared.state.lock();
        let (held, known, retried) = match state.cache.judge(agent, keyid, now) {
            Judgement::Settled(answer) => return ControlFlow::Break(answer),
            Judgement::Due { held, known, retried } => (held, known, retried),
        };
        match (self.join(&mut state, agent, known || registered, now), held) {
            // The last refresh failed: nobody waits for the next one while an older answer holds.
            (Ok(_), Some(held)) if retried => ControlFlow::Break(held),
            (Ok(landing), _) => ControlFlow::Continue(landing),
            (Err(_), Some(held)) => ControlFlow::Break(held),
            (Err(refusal), None) => ControlFlow::Break(Err(refusal)),
        }
    }

    /// The fetch under way for this agent, or a new one.
    fn join(&self, state: &mut State, agent: &AgentUrl, known: bool, now: u64) -> Result<Landing, Refusal> {
        if let Some(landing) = state.flights.get(agent) {
            return Ok(landing.clone());
        }
        state.limits.admit(state.flights.len(), known, now)?;
        let (landed, landing) = watch::channel(None);
        let flight = Flight { shared: Arc::clone(&self.shared), agent: agent.clone(), landed };
        // Its own task: a caller that hangs up takes nothing from the others who wait.
        tokio::spawn(flight.run(now));
        state.flights.insert(agent.clone(), landing.clone());
        Ok(landing)
    }

    /// The key, from memory or from the agent's directory.
    async fn look_up(&self, agent: &AgentUrl, keyid: &Thumbprint, registered: bool, now: u64) -> Answer {
        self.refuse_outright(agent, keyid)?;
        let mut landing = match self.next(agent, keyid, registered, now) {
            ControlFlow::Break(answer) => return answer,
            ControlFlow::Continue(landing) => landing,
        };
        let landed = landing.wait_for(Option::is_some).await;
        match landed.as_deref() {
            Ok(Some(outcome)) => outcome.answer(keyid, now),
            _ => Err(Refusal::new(Reason::Internal, "the fetch of the key directory broke off")),
        }
    }

    /// What needs neither memory nor network. The agent may have been read under another policy.
    fn refuse_outright(&self, agent: &AgentUrl, keyid: &Thumbprint) -> Result<(), Refusal> {
        if !self.shared.options.allow_test_keys && keyid.is_published_test_key() {
            return Err(Reason::TestKey.into());
        }
        self.refuse_forbidden(agent)
    }

    fn refuse_forbidden(&self, agent: &AgentUrl) -> Result<(), Refusal> {
        if !self.shared.options.allow_loopback && agent.is_loopback() {
            return Err(Reason::AgentForbiddenAddress.into());
        }
        Ok(())
    }
}

#[async_trait]
impl KeySource for KeyDirectory {
    async fn key(&self, agent: &AgentUrl, keyid: &Thumbprint, now: u64) -> Result<PublicKey, Refusal> {
        self.look_up(agent, keyid, false, now).await
    }

    async fn registered_key(&self, agent: &AgentUrl, keyid: &Thumbprint, now: u64) -> Result<PublicKey, Refusal> {
        self.look_up(agent, keyid, true, now).await
    }

    async fn card(&self, agent: &AgentUrl, path: Option<&str>, now: u64) -> Result<AgentCard, Refusal> {
        self.refuse_forbidden(agent)?;
        // Counted as a fetch for a new agent: nobody waits for a card.
        let admitted = {
            let mut state = self.shared.state.lock();
            let under_way = state.flights.len();
            state.limits.admit(under_way, false, now)
        };
        admitted?;
        self.shared.fetcher.card(agent, path).await
    }
}

/// One fetch under way. Its place is free again however it ends.
struct Flight {
    shared: Arc<Shared>,
    agent: AgentUrl,
    landed: watch::Sender<Option<Outcome>>,
}

impl Flight {
    async fn run(self, now: u64) {
        let fetched = self.shared.fetcher.fetch(&self.agent, now).await;
        if let Err(refusal) = &fetched {
            tracing::debug!(agent = %self.agent, reason = refusal.reason.code(), "key directory not read");
        }
        let outcome = self.shared.state.lock().cache.settle(&self.agent, fetched, now);
        self.landed.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.shared.state.lock().flights.remove(&self.agent);
    }
}
