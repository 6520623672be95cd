//! A payer made from the command line, and the crawler's view of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use tollway_core::buyer::{Budget, Buyer, Journal, Shelf};
use tollway_core::clock::Clock;
use tollway_http::payer::{Answer, Entropy, FileJournal, PayError, Payer, PayerParts};
use tollway_protocol::{Dress, Network, Reason};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey};
use url::Url;

use crate::crawl::{Charged, Fetch, FetchError, Fetched};

/// Longest page read, in bytes.
const PAGE_MAX: usize = 64 << 20;

/// What a payer is made of, beside its key.
pub(crate) struct PayerOptions<'a> {
    pub(crate) agent: &'a str,
    pub(crate) budget: Budget,
    pub(crate) audit: &'a Path,
    pub(crate) dress: Dress,
    pub(crate) network: Network,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Makes a payer.
pub(crate) fn payer(key: PrivateKey, options: PayerOptions<'_>) -> anyhow::Result<Payer> {
    let policy = AgentPolicy { allow_loopback_http: true, ..AgentPolicy::default() };
    let agent = AgentUrl::parse(options.agent, policy)
        .map_err(|refusal| anyhow::anyhow!("--agent `{}`: {refusal}", options.agent))?;
    let journal =
        FileJournal::open(options.audit).with_context(|| format!("the audit log {}", options.audit.display()))?;
    let journal: Arc<dyn Journal> = Arc::new(journal);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(60))
        .user_agent(user_agent())
        .build()?;
    let entropy: Entropy = Arc::new(|bytes: &mut [u8]| {
        // Without randomness nothing can be signed safely; there is nothing to go on with.
        getrandom::fill(bytes).expect("the system gives randomness");
    });
    Ok(Payer::new(PayerParts {
        client,
        buyer: Buyer {
            budget: options.budget,
            journal,
            shelf: Shelf::default(),
            clock: options.clock,
            dress: options.dress,
            network: options.network,
        },
        key,
        agent: agent.as_str().to_owned(),
        entropy,
        body_max: PAGE_MAX,
    }))
}

/// How the crawler names itself.
pub(crate) fn user_agent() -> String {
    format!("tollway/{}", env!("CARGO_PKG_VERSION"))
}

/// The payer as the crawler asks it.
pub(crate) struct PayingFetch(pub(crate) Arc<Payer>);

#[async_trait]
impl Fetch for PayingFetch {
    async fn fetch(&self, url: &Url) -> Result<Fetched, FetchError> {
        self.0.get(url).await.map(fetched).map_err(failed)
    }

    async fn fetch_free(&self, url: &Url) -> Result<Fetched, FetchError> {
        self.0.get_unpaid(url).await.map(fetched).map_err(failed)
    }

    fn budget_left(&self) -> Option<u128> {
        let budget = self.0.buyer().budget.view();
        Some(budget.total.get().saturating_sub(budget.spent.get()).saturating_sub(budget.held.get()))
    }
}

fn fetched(answer: Answer) -> Fetched {
    let field = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Fetched {
        status: answer.status.as_u16(),
        content_type: field(http::header::CONTENT_TYPE),
        location: field(http::header::LOCATION),
        charged: answer.charged.map(|charged| Charged { id: charged.id.to_string(), amount: charged.amount.get() }),
        body: answer.body,
    }
}

fn failed(error: PayError) -> FetchError {
    match error {
        PayError::Refused(refusal) => match refusal.reason {
            Reason::BudgetExhausted => FetchError::BudgetExhausted,
            reason => FetchError::Refused { code: reason.code().to_owned(), detail: refusal.detail.into_owned() },
        },
        PayError::TooDear { asked } => FetchError::OverMaxPrice { asked: asked.get() },
        PayError::Unreachable(detail) => FetchError::Unreachable(detail),
        PayError::Unknown { id, .. } => FetchError::Unknown { id: id.to_string() },
    }
}
