//! A payer made from the command line, and the crawler's view of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use tollway_core::buyer::{Budget, Buyer, Journal, Shelf};
use tollway_core::clock::Clock;
use tollway_http::payer::{Answer, Entropy, FileJournal, Order, PayError, PayFailure, Payer, PayerParts};
use tollway_protocol::{Dress, Network, Reason};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey};
use url::Url;

use super::now;
use crate::crawl::{Charged, Exchange, Fetch, FetchError, Fetched};

/// Longest answer read, in bytes, where nothing else is said.
pub(crate) const BODY_MAX: usize = 64 << 20;

/// What a payer is made of, beside its key.
pub(crate) struct PayerOptions<'a> {
    pub(crate) agent: &'a str,
    pub(crate) budget: Budget,
    pub(crate) audit: &'a Path,
    pub(crate) dress: Dress,
    pub(crate) network: Network,
    pub(crate) clock: Arc<dyn Clock>,
    /// Longest answer read, in bytes.
    pub(crate) body_max: usize,
}

/// Makes a payer.
pub(crate) fn payer(key: PrivateKey, options: PayerOptions<'_>) -> anyhow::Result<Payer> {
    let policy = AgentPolicy { allow_loopback_http: true, ..AgentPolicy::default() };
    let agent = AgentUrl::parse(options.agent, policy)
        .map_err(|refusal| anyhow::anyhow!("--agent `{}`: {refusal}", options.agent))?;
    let journal =
        FileJournal::open(options.audit).with_context(|| format!("the audit log {}", options.audit.display()))?;
    let journal: Arc<dyn Journal> = Arc::new(journal);
    Ok(Payer::new(PayerParts {
        transport: Arc::new(client()?),
        buyer: Buyer {
            budget: options.budget,
            journal,
            shelf: Shelf::default(),
            clock: options.clock,
            dress: options.dress,
            network: options.network,
        },
        key: Arc::new(key),
        agent: agent.as_str().to_owned(),
        entropy: entropy(),
        body_max: options.body_max,
    }))
}

/// An HTTP client that follows no redirect with money in hand.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(40))
        .timeout(Duration::from_secs(300))
        .user_agent(user_agent())
        .build()?)
}

/// The system's randomness.
pub(super) fn entropy() -> Entropy {
    Arc::new(|bytes: &mut [u8]| {
        // Without randomness nothing can be signed safely; there is nothing to go on with.
        getrandom::fill(bytes).expect("the system gives randomness");
    })
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
        self.0.buy_order(&Order::get(url.clone())).await.map(fetched).map_err(failed)
    }

    async fn fetch_free(&self, url: &Url) -> Result<Fetched, FetchError> {
        self.0.get_unpaid(url).await.map(fetched).map_err(|error| failed(error.into()))
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
        retry_after: field(http::header::RETRY_AFTER).and_then(|text| retry_after(&text, now())),
        charged: answer.charged.map(charge),
        body: answer.body,
        exchange: Exchange { sent: answer.sent, received: answer.headers },
    }
}

fn charge(charged: tollway_http::payer::Charged) -> Charged {
    Charged { id: charged.id.to_string(), amount: charged.amount.get() }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or the time until which to wait.
fn retry_after(text: &str, now: u64) -> Option<Duration> {
    let text = text.trim();
    let seconds = text.parse().ok().or_else(|| {
        let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
        Some(u64::try_from(until).unwrap_or(0).saturating_sub(now))
    })?;
    Some(Duration::from_secs(seconds))
}

fn failed(failure: PayFailure) -> FetchError {
    let charged = failure.charged.map(charge);
    match failure.error {
        PayError::Refused(refusal) => match (refusal.reason, charged) {
            (Reason::BudgetExhausted, _) => FetchError::BudgetExhausted,
            (Reason::BodyTooLarge, charged) => FetchError::TooLarge { charged },
            (_, Some(charged)) => FetchError::Lost { charged, detail: refusal.detail.into_owned() },
            (reason, None) => {
                FetchError::Refused { code: reason.code().to_owned(), detail: refusal.detail.into_owned() }
            }
        },
        PayError::TooDear { asked } => FetchError::OverMaxPrice { asked: asked.get() },
        PayError::Unreachable(detail) => FetchError::Unreachable(detail),
        PayError::Unknown { id, .. } => FetchError::Unknown { id: id.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let now = 784_111_777;
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1993 08:49:37 GMT", None),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
