//! A seller with real books, an origin that counts, and agents that sign by hand.

#![allow(clippy::unwrap_used, reason = "fixtures that cannot be set up fail their test")]

mod faulty;
mod keys;
mod origin;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tollway_core::clock::{Clock as _, ManualClock};
use tollway_core::offer::{Offer, OfferPress, RulesVersion};
use tollway_core::rules::{Action, Charge, Methods, Readings, Requester, Rule, RuleSet, Ruling};
use tollway_core::scheme::deferred::{Limit, Promise, requirements};
use tollway_core::seller::{KeySource, Seller, SellerParts, StarterCredit};
use tollway_http::endpoint::Endpoint;
use tollway_http::gate::{Gate, GateLayer, GateOptions};
use tollway_http::server::{ServerOptions, serve};
use tollway_http::site::Site;
use tollway_ledger::{
    AccountView, AgentId, AgentTerms, AuditReport, Books, EntryKind, Recorded, Sequence, verify_export,
};
use tollway_protocol::{Amount, Asset, Dress, Network, Price, Scale};
use tollway_signatures::{AgentPolicy, PrivateKey};
use tollway_store::{OpenOptions, SqliteBooks};
use tower::Layer as _;

pub(crate) use faulty::FaultyBooks;
pub(crate) use keys::{Keys, Ring, SEAL_TYPE};
pub(crate) use origin::{Origin, Server, closed_port, cut, page_text, response, serving, streamed};
pub(crate) use wire::{Draft, Got, Sent, commitment, parse, raw};

/// Noon of 22 November 2026.
pub(crate) const NOON: u64 = 1_795_348_800;
/// The price of a page, in micro-dollars.
pub(crate) const PRICE: u128 = 10_000;

/// Who buys.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) url: String,
    seed: u8,
}

impl Agent {
    pub(crate) fn new(url: impl Into<String>, seed: u8) -> Self {
        Self { url: url.into(), seed }
    }

    pub(crate) fn key(&self) -> PrivateKey {
        PrivateKey::from_seed([self.seed; 32])
    }

    pub(crate) fn id(&self) -> AgentId {
        AgentId::new(self.url.clone()).unwrap()
    }
}

/// How a request pays.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    X402,
    /// The handshake, amount included.
    Handshake,
    /// The handshake as announced: offer and network only.
    Announced,
    Exact(&'static str),
    Max(&'static str),
}

impl Way {
    pub(crate) const ALL: [Self; 5] =
        [Self::X402, Self::Handshake, Self::Announced, Self::Exact("USD 0.01"), Self::Max("USD 0.05")];

    pub(crate) fn dress(self) -> Dress {
        match self {
            Self::X402 => Dress::X402,
            Self::Handshake | Self::Announced => Dress::Handshake,
            Self::Exact(_) | Self::Max(_) => Dress::Crawl,
        }
    }
}

/// What stands behind the gate.
pub(crate) enum Behind {
    /// The counting origin, in this process.
    Service,
    /// The counting origin, behind a proxy and a socket.
    Proxy,
    /// Something else.
    Other(Arc<dyn Endpoint>),
}

/// What a rig is made of.
pub(crate) struct Setup {
    pub(crate) rules: Vec<Rule>,
    pub(crate) credit: Option<u128>,
    pub(crate) daily: Option<u128>,
    pub(crate) starter: Option<StarterCredit>,
    pub(crate) options: GateOptions,
    pub(crate) keys: Option<(Arc<dyn KeySource>, AgentPolicy)>,
    pub(crate) behind: Behind,
    pub(crate) agent: Agent,
    /// Listen on a socket; the site is its address then.
    pub(crate) socket: bool,
    /// The site, where it is known by another address.
    pub(crate) site: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rules: rules(),
            credit: Some(1_000_000_000_000),
            daily: None,
            starter: None,
            options: GateOptions::default(),
            keys: None,
            behind: Behind::Service,
            agent: Agent::new("https://crawler.example", 9),
            socket: false,
            site: None,
        }
    }
}

/// A running seller.
pub(crate) struct Rig {
    pub(crate) site: Site,
    pub(crate) origin: Origin,
    pub(crate) books: Arc<SqliteBooks>,
    pub(crate) faults: Arc<FaultyBooks>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) seller: Seller,
    pub(crate) gate: Gate,
    pub(crate) layer: GateLayer,
    pub(crate) agent: Agent,
    /// An agent with a key that is known, and no account.
    pub(crate) stranger: Agent,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) folder: TempDir,
}

/// A rule that charges one cent.
pub(crate) fn charging(id: &str, path: &str, change: impl FnOnce(&mut Charge)) -> Rule {
    let mut charge = Charge::at(Price::parse("$0.01").unwrap());
    change(&mut charge);
    rule(id, path, Action::Charge(charge))
}

pub(crate) fn rule(id: &str, path: &str, action: Action) -> Rule {
    Rule::new(id, path.parse().unwrap(), action)
}

/// The usual rules, and one more.
pub(crate) fn rules_with(rule: Rule) -> Vec<Rule> {
    rules().into_iter().chain([rule]).collect()
}

fn rules() -> Vec<Rule> {
    let mut reading = charging("reading", "/get/*", |_| {});
    reading.methods = Methods::Only(vec!["GET".to_owned()]);
    vec![
        charging("pages", "/paid/*", |_| {}),
        charging("live", "/live/*", |charge| charge.live = true),
        charging("dear", "/dear/*", |charge| charge.price = Price::parse("$5").unwrap()),
        charging("crawled", "/crawled/*", |charge| charge.dresses = vec![Dress::Crawl]),
        reading,
        rule("closed", "/closed/*", Action::Block),
    ]
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// The same on a socket.
    pub(crate) async fn on_a_socket() -> Self {
        Self::with(Setup { socket: true, ..Setup::default() }).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let here = if setup.socket { format!("http://{address}") } else { "https://shop.example".to_owned() };
        let url = setup.site.unwrap_or(here);
        let site: Site = url.parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions::new(site.origin(), Asset::usd(), Scale::MICRO);
        let books = Arc::new(SqliteBooks::open(folder.path().join("books.db"), options).unwrap());
        let faults = Arc::new(FaultyBooks::over(Arc::clone(&books)));
        let clock = Arc::new(ManualClock::at(NOON));
        let stranger = Agent::new("https://stranger.example", 11);
        let ring = Ring::of(&[&setup.agent, &stranger, &Agent::new("https://other.example", 10)]);
        let (keys, agents) = setup.keys.unwrap_or((Arc::new(ring), AgentPolicy::default()));
        let seller_key = Arc::new(PrivateKey::from_seed([1; 32]));
        let rules = RuleSet::new(vec!["/open/*".parse().unwrap()], setup.rules);
        let today = RulesVersion::of(&rules, NOON - 3_600);
        let seller = Seller::new(SellerParts {
            origin: site.origin(),
            key: Arc::clone(&seller_key),
            network: Network::tollway(),
            press: OfferPress::new(site.origin(), seller_key, today, vec![]),
            rules,
            books: Arc::clone(&faults) as Arc<dyn Books>,
            keys,
            clock: Arc::clone(&clock) as Arc<dyn tollway_core::clock::Clock>,
            agents,
            starter: setup.starter,
        });
        let origin = Origin::new();
        let layer = GateLayer::new(seller.clone(), vec![site.clone()], setup.options);
        let gate = match setup.behind {
            Behind::Service => layer.layer(origin.clone()),
            Behind::Proxy => layer.layer(tollway_http::origin::Proxy::new(&origin.over_http().await).unwrap()),
            Behind::Other(other) => layer.layer(Shared(other)),
        };
        if setup.socket {
            let endpoint = Arc::new(gate.clone());
            tokio::spawn(serve(listener, endpoint, ServerOptions::default(), std::future::pending()));
        }
        let address = setup.socket.then_some(address);
        let agent = setup.agent;
        let rig = Self { site, origin, books, faults, clock, seller, gate, layer, agent, stranger, address, folder };
        if let Some(credit) = setup.credit {
            rig.account(&rig.agent, credit, setup.daily).await;
        }
        rig
    }

    pub(crate) async fn account(&self, agent: &Agent, credit: u128, daily: Option<u128>) {
        let terms =
            AgentTerms { agent: agent.id(), credit_limit: Amount::new(credit), daily_budget: daily.map(Amount::new) };
        self.books.agent_put(terms, self.clock.now()).await.unwrap();
    }

    /// What the gate has counted.
    pub(crate) fn counts(&self) -> String {
        self.layer.counters().to_prometheus()
    }

    /// A request of an agent that promises nothing.
    pub(crate) fn draft(&self, agent: &Agent, method: &str, target: &str) -> Draft {
        Draft::new(&self.site, &agent.url, &agent.key(), method, target, self.clock.now())
    }

    /// A request that pays, as it ought to be; `nonce` tells it from others like it.
    pub(crate) fn paying(&self, way: Way, method: &str, target: &str, nonce: &str) -> Draft {
        let (name, value) = commitment(&self.promise(way, target));
        let draft = self.draft(&self.agent, method, target).with(&name, &value);
        draft.params(|params| params.nonce = Some(nonce.to_owned()))
    }

    /// The same, signed.
    pub(crate) fn buy(&self, way: Way, target: &str, nonce: &str) -> Sent {
        self.paying(way, "GET", target, nonce).signed(&self.agent.key())
    }

    /// The offer of the rule that prices this target now.
    pub(crate) fn offer(&self, target: &str) -> Arc<Offer> {
        let path = Readings::of(target.split('?').next().unwrap()).unwrap();
        let who = Requester { signed: true, bot: false };
        let Ruling::Charge(rule) = self.seller.rules().decide(&path, "GET", who).unwrap() else {
            panic!("{target} is not priced")
        };
        self.seller.offer(&rule.id, self.clock.now()).unwrap()
    }

    pub(crate) fn promise(&self, way: Way, target: &str) -> Promise {
        let offer = self.offer(target);
        let document = offer.document();
        let network = self.seller.network().clone();
        let crawl = |limit: fn(Amount) -> Limit, text: &str| Promise {
            dress: Dress::Crawl,
            offer: None,
            limit: Some(limit(Price::parse_crawler(text).unwrap().amount)),
            asset: Some(Asset::usd()),
            network: None,
            accepted: None,
        };
        let named = |dress| Promise {
            dress,
            offer: Some(offer.id()),
            limit: Some(Limit::Exact(document.amount)),
            asset: Some(document.asset.clone()),
            network: Some(network.clone()),
            accepted: None,
        };
        match way {
            Way::X402 => Promise { accepted: Some(Box::new(requirements(&offer, &network))), ..named(Dress::X402) },
            Way::Handshake => named(Dress::Handshake),
            Way::Announced => Promise { limit: None, asset: None, ..named(Dress::Handshake) },
            Way::Exact(text) => crawl(Limit::Exact, text),
            Way::Max(text) => crawl(Limit::AtMost, text),
        }
    }

    /// Asks the gate itself, without a socket.
    pub(crate) async fn call(&self, sent: &Sent) -> Got {
        Got::of(self.gate.answer(sent.request()).await).await
    }

    /// Asks over a connection of its own.
    pub(crate) async fn send(&self, sent: &Sent) -> Option<Got> {
        parse(&raw(self.address.unwrap(), &sent.bytes()).await)
    }

    /// The kinds of all entries of the journal, in order.
    pub(crate) async fn journal(&self) -> Vec<EntryKind> {
        self.entries().await.into_iter().map(|entry| entry.kind).collect()
    }

    /// Charges in the journal.
    pub(crate) async fn sales(&self) -> usize {
        let sale = |kind: &EntryKind| matches!(kind, EntryKind::Sale | EntryKind::SalePosted);
        self.journal().await.iter().filter(|kind| sale(kind)).count()
    }

    /// The buyer's account.
    pub(crate) async fn view(&self) -> AccountView {
        self.books.account(&self.agent.id(), self.clock.now()).await.unwrap().unwrap()
    }

    pub(crate) async fn owed(&self) -> u128 {
        self.view().await.balance_owed.get()
    }

    /// Recomputes the whole journal and proves every sale by its signature.
    pub(crate) async fn audit(&self) -> AuditReport {
        let mut export = String::new();
        for entry in self.entries().await {
            export.push_str(&entry.export_line());
            export.push('\n');
        }
        let keys = Keys::of(&[&self.agent, &self.stranger], self.seller.key().public());
        let report = verify_export(export.as_bytes(), &keys);
        assert!(report.is_consistent(), "{:?}", report.faults);
        assert_eq!(report.sales_unproved, 0);
        report
    }

    /// The last place of the journal.
    pub(crate) async fn books_head(&self) -> u64 {
        self.books.head().await.unwrap().0.get()
    }

    /// The body of the journal's last entry.
    pub(crate) async fn last_body(&self) -> serde_json::Value {
        serde_json::from_str(&self.entries().await.last().unwrap().body).unwrap()
    }

    /// What the books know of a commitment that they know.
    pub(crate) async fn recorded(&self, id: &str) -> Recorded {
        self.books.lookup(&id.parse().unwrap()).await.unwrap().unwrap()
    }

    async fn entries(&self) -> Vec<tollway_ledger::Entry> {
        let mut all = Vec::new();
        loop {
            let from = Sequence::new(all.len() as u64 + 1);
            let page = self.books.entries(from, 1_000).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// Waits until nothing is held for a sale in progress.
    pub(crate) async fn quiet(&self) {
        until(|| self.books.exposure().reserved(&self.agent.id()).is_zero()).await;
    }
}

/// Looks again and again until it is so; fails after ten seconds.
pub(crate) async fn until(so: impl Fn() -> bool) {
    let mut pause = tokio::time::interval(Duration::from_millis(1));
    let wait = async {
        while !so() {
            pause.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never came to be so");
}

/// An endpoint as a thing to put behind a gate.
struct Shared(Arc<dyn Endpoint>);

impl Endpoint for Shared {
    fn answer(&self, request: http::Request<tollway_http::body::Body>) -> tollway_http::endpoint::Answering {
        self.0.answer(request)
    }
}
