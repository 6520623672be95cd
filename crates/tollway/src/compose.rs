//! Builds the parts of a gateway once, from its configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::RwLock;
use tollway_core::clock::Clock;
use tollway_core::facilitator::Facilitator;
use tollway_core::offer::{LIFETIME_MAX, OfferPress, RulesVersion};
use tollway_core::rules::{RuleSet, TermsRef};
use tollway_core::seller::{ExactParts, Seller, SellerParts, StarterCredit};
use tollway_evm::seller::EvmExact;
use tollway_http::endpoint::{Endpoint, Exchangeable};
use tollway_http::facilitator::{Failover, RemoteFacilitator, RemoteOptions};
use tollway_http::gate::{GateLayer, GateOptions, Spool};
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory};
use tollway_http::origin::{Folder, Proxy};
use tollway_ledger::{Books, DocumentKind, ExactBooks, Hash};
use tollway_protocol::{Amount, Asset, Scale};
use tollway_signatures::PrivateKey;
use tollway_store::{OpenOptions, SqliteBooks};
use tower::Layer as _;

use crate::config::{AgentsConfig, Config, ExactConfig};
use crate::keys;

/// A gateway, ready to serve.
pub(crate) struct Gateway {
    /// Gate and upstream; exchanged when the rules change.
    pub(crate) endpoint: Arc<Exchangeable>,
    /// The books, for their own figures.
    pub(crate) books: Arc<SqliteBooks>,
    /// Where paid answers wait for their buyers.
    spool: Spool,
    current: RwLock<Current>,
}

/// What a change of rules makes anew.
#[derive(Clone)]
pub(crate) struct Current {
    /// The seller's engine.
    pub(crate) seller: Seller,
    /// The gate, for its counters.
    pub(crate) gate: GateLayer,
}

/// Builds a gateway.
pub(crate) async fn gateway(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Gateway> {
    let key = Arc::new(keys::read(&config.path(&config.seller.key))?);
    let books = Arc::new(open_books(config)?);
    let exact = config.exact.as_ref().map(|exact| paid_at_once(config, exact, &books, &clock)).transpose()?;
    let spool = match &config.exact {
        None => Spool::in_memory(),
        Some(exact) => Spool::open(&spool_folder(config, exact))?,
    };
    let seller = seller(config, key, Arc::clone(&books) as Arc<dyn Books>, exact, clock).await?;
    let (endpoint, gate) = gated(config, &seller, &spool)?;
    let endpoint = Arc::new(Exchangeable::new(endpoint));
    Ok(Gateway { endpoint, books, spool, current: RwLock::new(Current { seller, gate }) })
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
        let rules = rules(config, seller.books(), seller.origin(), now).await?;
        // What can fail is tried before anything of the new rules is filed.
        gated(config, &seller, &self.spool)?;
        let press = press(&rules, seller.books(), seller.origin(), &seller.shared_key(), now).await?;
        let seller = seller.with_rules(rules, press, starter(&config.agents));
        let (endpoint, gate) = gated(config, &seller, &self.spool)?;
        *self.current.write() = Current { seller, gate };
        self.endpoint.exchange(endpoint);
        Ok(())
    }
}

/// The gate of a seller in front of the configured upstream.
fn gated(config: &Config, seller: &Seller, spool: &Spool) -> anyhow::Result<(Arc<dyn Endpoint>, GateLayer)> {
    // A folder reads no headers; telling it who paid would be a signature for nothing.
    let payment_context = config.origin.payment_context && config.origin.url.is_some();
    let options = GateOptions { payment_context, ..GateOptions::default() };
    let gate = GateLayer::with_spool(seller.clone(), config.sites()?, options, spool.clone());
    let endpoint: Arc<dyn Endpoint> = match (&config.origin.folder, &config.origin.url) {
        (Some(folder), _) => {
            let folder = config.path(folder);
            anyhow::ensure!(folder.is_dir(), "the origin's folder {} is not a folder", folder.display());
            Arc::new(gate.layer(Folder::new(&folder)))
        }
        (None, Some(url)) => Arc::new(gate.layer(Proxy::new(url)?)),
        (None, None) => unreachable!("the configuration was checked"),
    };
    Ok((endpoint, gate))
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
    key: Arc<PrivateKey>,
    books: Arc<dyn Books>,
    exact: Option<ExactParts>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Seller> {
    let now = clock.now();
    let origin = config.sites()?[0].origin();
    let jwk = serde_json::to_vec(&key.public().jwk())?;
    let thumbprint = key.public().thumbprint().to_string();
    books.document_put(DocumentKind::SellerKey, &thumbprint, jwk, now).await?;
    let rules = rules(config, books.as_ref(), &origin, now).await?;
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
fn paid_at_once(
    config: &Config,
    exact: &ExactConfig,
    books: &Arc<SqliteBooks>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<ExactParts> {
    let api_key = exact.facilitator_key.as_ref().map(|file| {
        let path = config.path(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::Ok(text.trim().to_owned())
    });
    let api_key = api_key.transpose()?;
    let remote = |url: &String| {
        let url = url.parse().with_context(|| format!("[exact] facilitator `{url}`"))?;
        let options = RemoteOptions { api_key: api_key.clone(), ..RemoteOptions::at(url) };
        Ok(Arc::new(RemoteFacilitator::new(options)?) as Arc<dyn Facilitator>)
    };
    let remotes = exact.facilitator.iter().map(remote).collect::<anyhow::Result<_>>()?;
    Ok(ExactParts {
        books: Arc::clone(books) as Arc<dyn ExactBooks>,
        scheme: Arc::new(EvmExact),
        facilitator: Arc::new(Failover::new(remotes, Arc::clone(clock))),
    })
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
async fn rules(config: &Config, books: &dyn Books, origin: &str, now: u64) -> anyhow::Result<RuleSet> {
    let mut terms = Vec::new();
    for rule in &config.rules {
        terms.push(match &rule.terms {
            None => None,
            Some(path) => Some(file_terms(&config.path(path), books, origin, now).await?),
        });
    }
    config.rule_set(terms)
}

async fn file_terms(path: &Path, books: &dyn Books, origin: &str, now: u64) -> anyhow::Result<TermsRef> {
    let body = std::fs::read(path).with_context(|| format!("cannot read the terms {}", path.display()))?;
    let hash = Hash::of(&body);
    books.document_put(DocumentKind::Terms, &hash.to_string(), body, now).await?;
    Ok(TermsRef { url: format!("{origin}{}terms/{hash}", tollway_http::wellknown::PREFIX), hash })
}

/// Today's rules, and those of the last day: an older quote is honoured until it ends.
async fn press(
    rules: &RuleSet,
    books: &dyn Books,
    origin: &str,
    key: &Arc<PrivateKey>,
    now: u64,
) -> anyhow::Result<OfferPress> {
    let filed = books.documents(DocumentKind::Rules, 0).await?;
    let mut versions: Vec<RulesVersion> = Vec::new();
    for document in filed {
        versions.push(serde_json::from_slice(&document.body).context("the books hold rules that cannot be read")?);
    }
    versions.sort_by_key(|version| version.from);
    let mut today = RulesVersion::of(rules, now);
    match versions.pop() {
        Some(last) if last.fingerprint() == today.fingerprint() => today = last,
        last => {
            versions.extend(last);
            let id = format!("{:010}-{}", today.from, today.fingerprint());
            books.document_put(DocumentKind::Rules, &id, serde_json::to_vec(&today)?, now).await?;
        }
    }
    // A version is over when its successor began; what ended a day ago has no offer left.
    let recent = versions
        .iter()
        .zip(versions.iter().skip(1).chain([&today]))
        .filter(|(_, next)| next.from + LIFETIME_MAX > now)
        .map(|(version, _)| version.clone());
    Ok(OfferPress::new(origin.to_owned(), Arc::clone(key), today.clone(), recent.collect()))
}
