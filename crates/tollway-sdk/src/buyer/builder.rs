//! A client step by step: who pays, how much in all, how much at once, and where it is written down. Only then there
//! is something to build.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tollway_core::clock::{Clock, SystemClock};
use tollway_http::key_file;
use tollway_http::payer::Transport;
use tollway_protocol::{Dress, Network};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey};

use super::client::PayingClient;
use super::error::BuildError;
use super::layer::PayingLayer;
use super::purse::{Log, Purse};
use crate::money::dollars;

/// Longest answer read, in bytes, where nothing else is said.
const BODY_MAX: usize = 64 << 20;

/// Says who pays; asks for the budget.
#[must_use = "a client has a budget"]
pub struct Begun {
    agent: String,
    key: KeyAt,
}

enum KeyAt {
    File(PathBuf),
    Here(Box<PrivateKey>),
}

/// Says what may be spent in all; asks for the highest price.
#[must_use = "a client has a highest price"]
pub struct Budgeted {
    begun: Begun,
    total: String,
}

/// Says what one request may cost; asks for the journal.
#[must_use = "a client has a journal"]
pub struct Capped {
    budgeted: Budgeted,
    max_price: String,
}

/// Everything that a client must have.
#[must_use = "it is not built yet"]
pub struct Builder {
    capped: Capped,
    journal: PathBuf,
    dress: Dress,
    network: Network,
    body_max: usize,
    clock: Arc<dyn Clock>,
    transport: Option<Arc<dyn Transport>>,
}

impl PayingClient {
    /// Begins a client that pays as the signature agent of this URL, with the key in this file. The key's public half
    /// is published under the URL ([`PayingClient::directory`], `tollway keys serve`).
    pub fn builder(agent: &str, key: impl Into<PathBuf>) -> Begun {
        Begun { agent: agent.to_owned(), key: KeyAt::File(key.into()) }
    }

    /// The same with a key at hand.
    pub fn builder_with_key(agent: &str, key: PrivateKey) -> Begun {
        Begun { agent: agent.to_owned(), key: KeyAt::Here(Box::new(key)) }
    }
}

impl Begun {
    /// What may be spent in all, such as `$1`, for as long as the journal is kept.
    pub fn budget(self, total: &str) -> Budgeted {
        Budgeted { begun: self, total: total.to_owned() }
    }
}

impl Budgeted {
    /// What a single request may cost, such as `$0.01`.
    pub fn max_price(self, price: &str) -> Capped {
        Capped { budgeted: self, max_price: price.to_owned() }
    }
}

impl Capped {
    /// The file into which every promise is written before it is signed; made where there is none.
    pub fn journal(self, file: impl Into<PathBuf>) -> Builder {
        Builder {
            capped: self,
            journal: file.into(),
            dress: Dress::X402,
            network: Network::tollway(),
            body_max: BODY_MAX,
            clock: Arc::new(SystemClock),
            transport: None,
        }
    }
}

impl Builder {
    /// The dress in which it pays; x402 unless it is another.
    pub fn dress(mut self, dress: Dress) -> Self {
        self.dress = dress;
        self
    }

    /// The network on which it lets itself be billed; `tollway:402` unless it is another.
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Longest answer read, in bytes; 64 MiB unless it is another.
    pub fn body_max(mut self, bytes: usize) -> Self {
        self.body_max = bytes;
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another HTTP client than the built-in one; it follows no redirects and has a time limit.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// A client.
    ///
    /// # Errors
    /// What was written wrong, or a key or journal that cannot be used.
    pub fn build(mut self) -> Result<PayingClient, BuildError> {
        let transport = match self.transport.take() {
            Some(transport) => transport,
            None => Arc::new(http_client()?),
        };
        Ok(PayingClient::new(Arc::new(self.purse()?), transport))
    }

    /// A layer that pays for the requests of the service it is put around.
    ///
    /// # Errors
    /// Those of [`Builder::build`].
    pub fn layer<B>(self) -> Result<PayingLayer<B>, BuildError> {
        Ok(PayingLayer::new(Arc::new(self.purse()?)))
    }

    fn purse(self) -> Result<Purse, BuildError> {
        let Capped { budgeted: Budgeted { begun, total }, max_price } = self.capped;
        let agent = agent_url(&begun.agent)?;
        let (total, max_price) = (dollars("budget", &total)?.amount, dollars("highest price", &max_price)?.amount);
        let key = match begun.key {
            KeyAt::File(path) => key_file::read(&path)?,
            KeyAt::Here(key) => *key,
        };
        Ok(Purse {
            agent: agent.as_str().to_owned(),
            key: Arc::new(key),
            clock: self.clock,
            dress: self.dress,
            network: self.network,
            body_max: self.body_max,
            log: Log::open(&self.journal, total, max_price)?,
        })
    }
}

/// An agent's URL. One on this machine is for trials; sellers decide whether they believe it.
pub(super) fn agent_url(url: &str) -> Result<AgentUrl, BuildError> {
    let policy = AgentPolicy { allow_loopback_http: true, ..AgentPolicy::default() };
    AgentUrl::parse(url, policy).map_err(|refusal| BuildError::Agent { url: url.to_owned(), refusal })
}

fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(40))
        .timeout(Duration::from_secs(300))
        .user_agent(concat!("tollway-sdk/", env!("CARGO_PKG_VERSION")))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_wrong_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("audit.jsonl");
        let key = || PrivateKey::from_seed([1; 32]);
        let build = |agent: &str, total: &str, max: &str| {
            PayingClient::builder_with_key(agent, key()).budget(total).max_price(max).journal(&journal).build()
        };
        for (agent, total, max, said) in [
            ("crawler.example", "$1", "$1", "`crawler.example` is not a signature agent"),
            ("https://crawler.example", "1", "$1", "budget `1`"),
            ("https://crawler.example", "$1", "$0", "highest price `$0`: it is nothing"),
        ] {
            let error = build(agent, total, max).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
            assert!(!journal.exists());
        }
        let missing = folder.path().join("crawler.jwk");
        let no_key = PayingClient::builder("https://crawler.example", missing).budget("$1").max_price("$1");
        let error = no_key.journal(&journal).build().err().unwrap().to_string();
        assert!(error.contains("tollway keys new"), "{error}");
    }

    #[test]
    fn threat_27_a_journal_is_one_client_s_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let build = || {
            let begun = PayingClient::builder_with_key("https://crawler.example", PrivateKey::from_seed([1; 32]));
            begun.budget("$1").max_price("$0.01").journal(folder.path().join("audit.jsonl"))
        };
        let first = build().build().unwrap();
        assert!(matches!(build().build(), Err(BuildError::JournalInUse(_))));
        assert!(matches!(build().layer::<bytes::Bytes>(), Err(BuildError::JournalInUse(_))));
        let clone = first.clone();
        drop(first);
        assert!(build().build().is_err());
        drop(clone);
        assert!(build().build().is_ok());
    }
}
