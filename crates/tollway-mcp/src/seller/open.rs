//! Opens a seller of calls: files its key and its prices in the books, and puts the parts together.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tollway_core::clock::{Clock, SystemClock};
use tollway_core::seller::{
    ExactParts, KeySource, OpeningError, Seller, SellerParts, StarterCredit, file_seller_key, press,
};
use tollway_ledger::{Books, BooksError};
use tollway_protocol::{Network, Reason, Refusal};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey, PublicKey, Thumbprint};

use super::{PriceList, PriceListError, PricedCall, Results, SellOptions, ToolSeller};

/// What a seller of calls is made of. Everything but the first three has a usual value.
pub struct Opening {
    /// Who is paid: an origin, such as `https://tools.example`.
    pub origin: String,
    /// The key that signs offers.
    pub key: Arc<PrivateKey>,
    /// The books.
    pub books: Arc<dyn Books>,
    /// The network of promises.
    pub network: Network,
    /// Where agents' keys come from.
    pub keys: Arc<dyn KeySource>,
    /// Which agents are looked up at all.
    pub agents: AgentPolicy,
    /// Credit for agents that were never seen before.
    pub starter: Option<StarterCredit>,
    /// How payments at once are taken.
    pub exact: Option<ExactParts>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where results wait.
    pub results: Results,
    /// How long things may take.
    pub options: SellOptions,
}

/// Why a seller of calls cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The prices cannot be used.
    #[error(transparent)]
    Prices(#[from] PriceListError),
    /// The books cannot be.
    #[error(transparent)]
    Books(#[from] OpeningError),
}

impl From<BooksError> for OpenError {
    fn from(error: BooksError) -> Self {
        Self::Books(error.into())
    }
}

impl Opening {
    /// The usual parts: no agent is known, results wait in memory, the clock is the machine's.
    #[must_use]
    pub fn new(origin: &str, key: PrivateKey, books: Arc<dyn Books>) -> Self {
        Self {
            origin: origin.to_owned(),
            key: Arc::new(key),
            books,
            network: Network::tollway(),
            keys: Arc::new(KnownKeys::default()),
            agents: AgentPolicy::default(),
            starter: None,
            exact: None,
            clock: Arc::new(SystemClock),
            results: Results::in_memory(),
            options: SellOptions::default(),
        }
    }

    /// Opens: the prices are filed, so that every offer stays provable and an older one is honoured until it ends.
    ///
    /// # Errors
    /// When the prices cannot be used, or the books cannot be asked or written.
    pub async fn sell(self, calls: Vec<PricedCall>) -> Result<ToolSeller, OpenError> {
        let prices = PriceList::new(calls)?;
        let now = self.clock.now();
        file_seller_key(self.books.as_ref(), &self.key, now).await?;
        let press = press(prices.rules(), self.books.as_ref(), &self.origin, &self.key, now).await?;
        let parts = SellerParts {
            origin: self.origin,
            key: self.key,
            network: self.network,
            rules: prices.rules().clone(),
            press,
            books: self.books,
            keys: self.keys,
            clock: self.clock,
            agents: self.agents,
            starter: self.starter,
        };
        let seller = match self.exact {
            Some(exact) => Seller::paid_at_once(parts, exact),
            None => Seller::new(parts),
        };
        Ok(ToolSeller::new(seller, prices, self.results, self.options)?)
    }
}

/// Agents whose keys the seller was told, for sellers without a network.
#[derive(Debug, Clone, Default)]
pub struct KnownKeys {
    keys: HashMap<(String, Thumbprint), PublicKey>,
}

impl KnownKeys {
    /// With one more.
    #[must_use]
    pub fn and(mut self, agent: &AgentUrl, key: PublicKey) -> Self {
        self.keys.insert((agent.as_str().to_owned(), *key.thumbprint()), key);
        self
    }
}

#[async_trait]
impl KeySource for KnownKeys {
    async fn key(&self, agent: &AgentUrl, keyid: &Thumbprint, _: u64) -> Result<PublicKey, Refusal> {
        let found = self.keys.get(&(agent.as_str().to_owned(), *keyid)).cloned();
        found.ok_or_else(|| Refusal::new(Reason::KeyNotFound, "the seller was not told this key"))
    }
}
