//! Builds the parts of a gateway once, from its configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::RwLock;
use tollway_core::clock::Clock;
use tollway_core::facilitator::Facilitator;
use tollway_core::rules::{RuleSet, TermsRef};
use tollway_core::scheme::exact::GasSponsoring;
use tollway_core::seller::{ExactParts, Seller, SellerParts, StarterCredit, file_seller_key, press};
use tollway_evm::seller::EvmExact;
use tollway_http::endpoint::{Endpoint, Exchangeable};
use tollway_http::facilitator::{Failover, RemoteFacilitator, RemoteOptions};
use tollway_http::gate::{GateLayer, GateOptions, Spool};
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory};
use tollway_http::origin::{Folder, Forwarded, Health, Proxy};
use tollway_ledger::{Books, DocumentKind, ExactBooks, Hash};
use tollway_mcp::seller::{Results, SellOptions, ToolSeller};
use tollway_protocol::{Amount, Asset, Scale};
use tollway_signatures::PrivateKey;
use tollway_store::{OpenOptions, SqliteBooks};
use tower::Layer as _;

use crate::config::{AgentsConfig, Config, ExactConfig, FacilitatorConfig, PageConfig};
use crate::counts::Counts;
use crate::keys;
use crate::request_log::RequestLog;

/// How long a facilitator may take at the start to say what it takes.
const SUPPORTED_WAIT: Duration = Duration::from_secs(5);

/// A gateway, ready to serve.
pub(crate) struct Gateway {
    /// Gate and upstream; exchanged when the rules change.
    pub(crate) endpoint: Arc<Exchangeable>,
    /// The books, for their own figures.
    pub(crate) books: Arc<SqliteBooks>,
    /// What was answered, minute by minute.
    pub(crate) counts: Counts,
    /// Where paid answers wait for their buyers.
    spool: Spool,
    /// Which approvals the facilitators take along with payments.
    sponsored: Vec<GasSponsoring>,
    current: RwLock<Current>,
}

/// What a change of rules makes anew.
#[derive(Clone)]
pub(crate) struct Current {
    /// The seller's engine.
    pub(crate) seller: Seller,
    /// The gate, for its counters.
    pub(crate) gate: GateLayer,
    /// What is known of an upstream across the network.
    pub(crate) health: Option<Health>,
    /// Asks the upstream how it is, until the rules change.
    _watch: Option<Arc<Watch>>,
}

/// A task that ends with its owner.
struct Watch(tokio::task::JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a configuration puts in front of a seller's goods.
struct Gated {
    endpoint: Arc<dyn Endpoint>,
    gate: GateLayer,
    proxy: Option<Proxy>,
}

/// Builds a gateway.
pub(crate) async fn gateway(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Gateway> {
    anyhow::ensure!(config.calls.is_empty(), "[[calls]] are sold by `tollway mcp sell`");
    let key = Arc::new(keys::read(&config.path(&config.seller.key))?);
    let books = Arc::new(open_books(config)?);
    let (exact, sponsored) = match &config.exact {
        None => (None, Vec::new()),
        Some(exact) => {
            let (parts, sponsored) = paid_at_once(config, exact, &books, &clock).await?;
            (Some(parts), sponsored)
        }
    };
    let spool = match &config.exact {
        None => Spool::in_memory(),
        Some(exact) => Spool::open(&spool_folder(config, exact))?,
    };
    let rules = rules(config, books.as_ref(), &config.sites()?[0].origin(), clock.now(), &sponsored).await?;
    let seller = seller(config, (key, Arc::clone(&books) as Arc<dyn Books>), exact, rules, clock).await?;
    seller.remember_cards().await.map_err(|refusal| anyhow::anyhow!("the cards of agents: {refusal}"))?;
    let gated = gated(config, &seller, &spool)?;
    let endpoint = Arc::new(Exchangeable::new(Arc::clone(&gated.endpoint)));
    let current = current(config, seller, gated)?;
    let counts = Counts::beside(&config.path(&config.books.path));
    Ok(Gateway { endpoint, books, counts, spool, sponsored, current: RwLock::new(current) })
}

/// Who sells the calls of an MCP server.
pub(crate) struct Shop {
    /// Sells by the price list.
    pub(crate) tools: ToolSeller,
    /// Answers for offers, terms, accounts and bills, where there is a listener.
    pub(crate) gate: GateLayer,
}

/// Builds a seller of calls.
pub(crate) async fn shop(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Shop> {
    anyhow::ensure!(!config.calls.is_empty(), "there are no [[calls]]: nothing has a price");
    let key = Arc::new(keys::read(&config.path(&config.seller.key))?);
    let books = Arc::new(open_books(config)?);
    let origin = config.sites()?[0].origin();
    let exact = match &config.exact {
        None => None,
        Some(exact) => Some(paid_at_once(config, exact, &books, &clock).await?.0),
    };
    let files = config.calls.iter().map(|call| call.terms.as_deref());
    let prices = config.price_list(terms(config, files, (books.as_ref(), &origin, clock.now())).await?)?;
    let parts = (key, Arc::clone(&books) as Arc<dyn Books>);
    let seller = seller(config, parts, exact, prices.rules().clone(), clock).await?;
    seller.remember_cards().await.map_err(|refusal| anyhow::anyhow!("the cards of agents: {refusal}"))?;
    let results = Results::open(&config.path(&config.books.path).with_extension("results"))?;
    let gate = GateLayer::new(seller.clone(), config.sites()?, GateOptions::default());
    Ok(Shop { tools: ToolSeller::new(seller, prices, results, SellOptions::default())?, gate })
}

impl Gateway {
    /// Engine and gate as they are now.
    pub(crate) fn current(&self) -> Current {
        self.current.read().clone()
    }

    /// Takes the rules, origin, sites and starter credit of another configuration. It is taken
    /// whole or not at all; requests under way finish under the old rules.
    pub(crate) async fn reload(&self, config: &Config) -> anyhow::Result<()> {
        let Current { seller, .. } = self.current();
        let now = seller.now();
        let rules = rules(config, seller.books(), seller.origin(), now, &self.sponsored).await?;
        // What can fail is tried before anything of the new rules is filed.
        gated(config, &seller, &self.spool)?;
        let press = press(&rules, seller.books(), seller.origin(), &seller.shared_key(), now).await?;
        let seller = seller.with_rules(rules, press, starter(&config.agents));
        let gated = gated(config, &seller, &self.spool)?;
        let endpoint = Arc::clone(&gated.endpoint);
        let current = current(config, seller, gated)?;
        *self.current.write() = current;
        self.endpoint.exchange(endpoint);
        Ok(())
    }
}

fn current(config: &Config, seller: Seller, gated: Gated) -> anyhow::Result<Current> {
    let watch = match (&gated.proxy, config.origin.health()?) {
        (Some(proxy), Some((path, every))) => Some(Arc::new(Watch(tokio::spawn(proxy.watch(path, every))))),
        _ => None,
    };
    Ok(Current { seller, gate: gated.gate, health: gated.proxy.map(|proxy| proxy.health()), _watch: watch })
}

/// The gate of a seller in front of the configured upstream.
fn gated(config: &Config, seller: &Seller, spool: &Spool) -> anyhow::Result<Gated> {
    // A folder reads no headers; telling it who paid would be a signature for nothing.
    let payment_context = config.origin.payment_context && config.origin.url.is_some();
    let upstream_wait = config.origin.answer_wait();
    let options = GateOptions { payment_context, upstream_wait, ..GateOptions::default() };
    let look = config.page.as_ref().map(PageConfig::look).transpose()?.unwrap_or_default();
    let gate = GateLayer::with_spool(seller.clone(), config.sites()?, options, spool.clone()).looking(look);
    let proxy = config.proxy()?;
    let endpoint: Arc<dyn Endpoint> = match (&config.origin.folder, &proxy) {
        (Some(folder), _) => {
            let folder = config.path(folder);
            anyhow::ensure!(folder.is_dir(), "the origin's folder {} is not a folder", folder.display());
            Arc::new(gate.layer(Folder::new(&folder)))
        }
        (None, Some(proxy)) => Arc::new(gate.layer(proxy.clone())),
        (None, None) => unreachable!("the configuration was checked"),
    };
    let endpoint: Arc<dyn Endpoint> = match config.log_options()? {
        Some(options) => Arc::new(RequestLog::new(&options, endpoint)?),
        None => endpoint,
    };
    let endpoint: Arc<dyn Endpoint> = if tells_peer(config) {
        Arc::new(Forwarded::new(config.proxies()?, config.sites()?, endpoint))
    } else {
        endpoint
    };
    Ok(Gated { endpoint, gate, proxy })
}

/// Whether anything wants to know who is at the other end of a connection.
pub(crate) fn tells_peer(config: &Config) -> bool {
    config.origin.url.is_some() || !config.trusted_proxies.is_empty() || config.request_log.is_some()
}

/// Opens the seller's books, making them where there are none.
pub(crate) fn open_books(config: &Config) -> anyhow::Result<SqliteBooks> {
    let path = config.path(&config.books.path);
    let origin = config.sites()?[0].origin();
    let mut options = OpenOptions::new(origin, Asset::usd(), Scale::MICRO);
    if let Some(capacity) = config.books.nonce_capacity {
        options.nonce_capacity = capacity;
    }
    SqliteBooks::open(&path, options).with_context(|| format!("the books {}", path.display()))
}

async fn seller(
    config: &Config,
    (key, books): (Arc<PrivateKey>, Arc<dyn Books>),
    exact: Option<ExactParts>,
    rules: RuleSet,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Seller> {
    let now = clock.now();
    let origin = config.sites()?[0].origin();
    file_seller_key(books.as_ref(), &key, now).await?;
    let press = press(&rules, books.as_ref(), &origin, &key, now).await?;
    let directory = DirectoryOptions { allow_loopback: config.agents.allow_loopback, ..DirectoryOptions::default() };
    let keys = KeyDirectory::new(directory)?;
    let network = config.seller.network.parse().context("[seller] network")?;
    let parts = SellerParts {
        origin,
        key,
        network,
        rules,
        press,
        books,
        agents: keys.agents(),
        keys: Arc::new(keys),
        clock,
        starter: starter(&config.agents),
    };
    Ok(match exact {
        Some(exact) => Seller::paid_at_once(parts, exact),
        None => Seller::new(parts),
    })
}

/// What is needed to be paid at once: the same books, a reader of payloads, and facilitators.
async fn paid_at_once(
    config: &Config,
    exact: &ExactConfig,
    books: &Arc<SqliteBooks>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(ExactParts, Vec<GasSponsoring>)> {
    let api_key = exact.facilitator_key.as_ref().map(|file| {
        let path = config.path(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::Ok(text.trim().to_owned())
    });
    let api_key = api_key.transpose()?;
    let remote = |url: &String| {
        let url = url.parse().with_context(|| format!("[exact] facilitator `{url}`"))?;
        let options = RemoteOptions { api_key: api_key.clone(), ..RemoteOptions::at(url) };
        anyhow::Ok(Arc::new(RemoteFacilitator::new(options)?) as Arc<dyn Facilitator>)
    };
    let mut facilitators: Vec<Arc<dyn Facilitator>> = Vec::new();
    if let Some(file) = &exact.own_facilitator {
        let own = FacilitatorConfig::read(&config.path(file)).context("[exact] own_facilitator")?;
        facilitators.push(Arc::new(crate::arriving::facilitator(Arc::new(own), Arc::clone(clock)).await?));
    }
    for url in &exact.facilitator {
        facilitators.push(remote(url)?);
    }
    let facilitator = Failover::new(facilitators, Arc::clone(clock));
    let sponsored = if exact.asks_for_sponsoring()? { sponsored_by(&facilitator).await } else { Vec::new() };
    let parts = ExactParts {
        books: Arc::clone(books) as Arc<dyn ExactBooks>,
        scheme: Arc::new(EvmExact),
        facilitator: Arc::new(facilitator),
        bills: Some(exact.bills(&sponsored)?),
    };
    Ok((parts, sponsored))
}

/// Which approvals a facilitator takes along with payments. One that does not answer takes none until
/// the next start: a demand promises nothing that is not known.
async fn sponsored_by(facilitator: &dyn Facilitator) -> Vec<GasSponsoring> {
    match tokio::time::timeout(SUPPORTED_WAIT, facilitator.supported()).await {
        Ok(Ok(supported)) => {
            let takes = |by: &GasSponsoring| supported.extensions.iter().any(|name| name == by.extension_name());
            GasSponsoring::ALL.into_iter().filter(takes).collect()
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "no gas sponsoring is offered: the facilitator does not say what it takes");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("no gas sponsoring is offered: the facilitator does not answer in time");
            Vec::new()
        }
    }
}

/// Beside the books, unless the configuration says otherwise.
fn spool_folder(config: &Config, exact: &ExactConfig) -> PathBuf {
    match &exact.spool {
        Some(folder) => config.path(folder),
        None => config.path(&config.books.path).with_extension("spool"),
    }
}

fn starter(agents: &AgentsConfig) -> Option<StarterCredit> {
    if agents.starter_credit.is_none() && !agents.self_registration {
        return None;
    }
    Some(StarterCredit {
        limit: agents.starter_credit.as_ref().map_or(Amount::ZERO, |credit| credit.0.amount),
        daily_budget: agents.starter_daily_budget.as_ref().map(|budget| budget.0.amount),
        accounts_per_hour: agents.starter_accounts_per_hour.unwrap_or(100),
    })
}

/// The rules, with their terms filed in the books: every version stays retrievable by its hash.
async fn rules(
    config: &Config,
    books: &dyn Books,
    origin: &str,
    now: u64,
    sponsored: &[GasSponsoring],
) -> anyhow::Result<RuleSet> {
    let files = config.rules.iter().map(|rule| rule.terms.as_deref());
    config.rule_set(terms(config, files, (books, origin, now)).await?, sponsored)
}

/// Terms by their files, for those that have some.
pub(crate) async fn terms(
    config: &Config,
    files: impl Iterator<Item = Option<&Path>>,
    (books, origin, now): (&dyn Books, &str, u64),
) -> anyhow::Result<Vec<Option<TermsRef>>> {
    let mut terms = Vec::new();
    for file in files {
        terms.push(match file {
            None => None,
            Some(path) => Some(file_terms(&config.path(path), books, origin, now).await?),
        });
    }
    Ok(terms)
}

async fn file_terms(path: &Path, books: &dyn Books, origin: &str, now: u64) -> anyhow::Result<TermsRef> {
    let body = std::fs::read(path).with_context(|| format!("cannot read the terms {}", path.display()))?;
    let hash = Hash::of(&body);
    books.document_put(DocumentKind::Terms, &hash.to_string(), body, now).await?;
    Ok(TermsRef { url: format!("{origin}{}terms/{hash}", tollway_http::wellknown::PREFIX), hash })
}
