//! A seller that takes notes drawn on a till, with real books and a spool on disk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tollway_core::clock::{Clock, ManualClock};
use tollway_core::facilitator::Facilitator;
use tollway_core::offer::{OfferPress, RulesVersion};
use tollway_core::rules::{Charge, Rule, RuleSet};
use tollway_core::scheme::cash::{CashScheme, Note, Till, cash_network};
use tollway_core::scheme::exact::{DemandBody, ExactTerms, ExactWay};
use tollway_core::seller::{BillWays, ExactParts, Seller, SellerParts};
use tollway_http::endpoint::Endpoint as _;
use tollway_http::gate::{Gate, GateLayer, GateOptions, Spool};
use tollway_http::server::{ServerOptions, serve};
use tollway_http::site::Site;
use tollway_ledger::{Books, EntryKind, ExactBooks, ExactRecord, ExactState, PaymentFlow, Sequence};
use tollway_protocol::{
    Amount, Asset, Network, PaymentPayload, PaymentRequirements, Scale, SettleFailure, SettleResponse, Settlement,
    header,
};
use tollway_signatures::{AgentPolicy, PrivateKey};
use tollway_store::{OpenOptions, SqliteBooks};
use tower::Layer as _;

use crate::rig::{Got, NOON, Origin, Ring, Sent, charging, parse, raw};

/// The price, in coins.
pub(crate) const COINS: u128 = 500;
/// What the buyer has at first.
pub(crate) const MONEY: u128 = 1_000_000;

pub(crate) fn coin() -> Asset {
    "COIN".parse().unwrap()
}

/// The way in which notes are taken.
pub(crate) fn way(flow: PaymentFlow) -> ExactWay {
    ExactWay {
        amount: Amount::new(COINS),
        asset: coin(),
        extra: Map::new(),
        flow,
        network: cash_network(),
        pay_to: "shop".into(),
        scale: Scale::MICRO,
        sponsoring: vec![],
    }
}

/// A rule that takes notes and nothing else.
pub(crate) fn noted(id: &str, path: &str, flow: PaymentFlow, change: impl FnOnce(&mut Charge)) -> Rule {
    charging(id, path, |charge| {
        charge.dresses = vec![];
        charge.exact = Some(ExactTerms { ways: vec![way(flow)], identifier: None });
        change(charge);
    })
}

/// The usual rules.
pub(crate) fn rules() -> Vec<Rule> {
    vec![
        noted("pages", "/paid/*", PaymentFlow::Authorization, |_| {}),
        noted("first", "/upfront/*", PaymentFlow::Upfront, |_| {}),
        charging("both", "/both/*", |charge| {
            let ways = vec![way(PaymentFlow::Authorization)];
            charge.exact = Some(ExactTerms { ways, identifier: None });
        }),
        charging("later", "/later/*", |_| {}),
    ]
}

pub(crate) struct Shop {
    pub(crate) site: Site,
    pub(crate) origin: Origin,
    pub(crate) books: Arc<SqliteBooks>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) till: Till,
    pub(crate) seller: Seller,
    pub(crate) layer: GateLayer,
    pub(crate) gate: Gate,
    pub(crate) folder: TempDir,
    pub(crate) address: Option<SocketAddr>,
    nonces: AtomicU8,
}

impl Shop {
    pub(crate) async fn new() -> Self {
        Self::with(rules(), GateOptions::default()).await
    }

    pub(crate) async fn with(rules: Vec<Rule>, options: GateOptions) -> Self {
        let site: Site = "https://shop.example".parse().unwrap();
        Self::at(site, rules, options, None).await
    }

    /// The same on a socket, with another facilitator where one is given.
    pub(crate) async fn on_a_socket(rules: Vec<Rule>, facilitator: Option<Arc<dyn Facilitator>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let site: Site = format!("http://{address}").parse().unwrap();
        let mut shop = Self::at(site, rules, GateOptions::default(), facilitator).await;
        let endpoint = Arc::new(shop.gate.clone());
        tokio::spawn(serve(listener, endpoint, ServerOptions::default(), std::future::pending()));
        shop.address = Some(address);
        shop
    }

    async fn at(site: Site, rules: Vec<Rule>, options: GateOptions, facilitator: Option<Arc<dyn Facilitator>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let till = Till::on(network_of(&rules), Arc::clone(&clock) as Arc<dyn Clock>);
        till.open("ann", "ann's secret", MONEY);
        till.open("poor", "poor's secret", 1);
        let books = open(&site, &folder);
        let facilitator = facilitator.unwrap_or_else(|| Arc::new(till.clone()));
        let seller = seller(&site, &books, &clock, facilitator, rules, vec![]);
        let origin = Origin::new();
        let spool = Spool::open(&folder.path().join("spool")).unwrap();
        let layer = GateLayer::with_spool(seller.clone(), vec![site.clone()], options, spool);
        let gate = layer.layer(origin.clone());
        let nonces = AtomicU8::new(1);
        Self { site, origin, books, clock, till, seller, layer, gate, folder, address: None, nonces }
    }

    /// What a crash leaves: the files. Everything in memory is new; the rules may be others.
    pub(crate) async fn after_a_crash(self, rules: Vec<Rule>) -> Self {
        let earlier = vec![RulesVersion::of(self.seller.rules(), NOON - 3_600)];
        let Self { site, origin, books, clock, till, folder, nonces, .. } = self;
        drop(books);
        let books = open(&site, &folder);
        let seller = seller(&site, &books, &clock, Arc::new(till.clone()), rules, earlier);
        let spool = Spool::open(&folder.path().join("spool")).unwrap();
        let layer = GateLayer::with_spool(seller.clone(), vec![site.clone()], GateOptions::default(), spool);
        let gate = layer.layer(origin.clone());
        Self { site, origin, books, clock, till, seller, layer, gate, folder, address: None, nonces }
    }

    pub(crate) fn unpaid(&self, method: &str, target: &str) -> Sent {
        Sent::plain(&self.site, method, target)
    }

    pub(crate) async fn call(&self, sent: &Sent) -> Got {
        Got::of(self.gate.answer(sent.request()).await).await
    }

    pub(crate) async fn send(&self, sent: &Sent) -> Option<Got> {
        parse(&raw(self.address.unwrap(), &sent.bytes()).await)
    }

    /// The exact entry of the demand for this target.
    pub(crate) async fn terms(&self, target: &str) -> PaymentRequirements {
        let got = self.call(&self.unpaid("GET", target)).await;
        assert_eq!(got.status, 402, "{got:?}");
        got.demand().accepts.into_iter().find(|entry| entry.scheme == "exact").unwrap()
    }

    /// A fresh note of the buyer for these terms.
    pub(crate) fn note(&self, payer: &str, terms: &PaymentRequirements) -> Note {
        let nonce = [self.nonces.fetch_add(1, Ordering::SeqCst); 32];
        let until = self.clock.now() + terms.max_timeout_seconds.get();
        Note::drawn(payer, &format!("{payer}'s secret"), &terms.pay_to, terms.amount, nonce, until)
    }

    /// A request that pays as it ought to.
    pub(crate) async fn buy(&self, method: &str, target: &str) -> Sent {
        let terms = self.terms(target).await;
        let payload = self.note("ann", &terms).payload();
        self.paying(method, target, &PaymentPayload::new(terms, payload))
    }

    pub(crate) fn paying(&self, method: &str, target: &str, payment: &PaymentPayload) -> Sent {
        self.unpaid(method, target).add(header::PAYMENT_SIGNATURE, payment.encode())
    }

    /// Every payment in the books.
    pub(crate) async fn payments(&self) -> Vec<ExactRecord> {
        self.books.exact_list(Sequence::ZERO, 1_000).await.unwrap()
    }

    /// The states of all payments, oldest first.
    pub(crate) async fn states(&self) -> Vec<ExactState> {
        self.payments().await.iter().map(|record| record.state).collect()
    }

    pub(crate) async fn journal(&self) -> Vec<EntryKind> {
        let entries = self.books.entries(Sequence::new(1), 1_000).await.unwrap();
        entries.into_iter().map(|entry| entry.kind).collect()
    }

    /// Files that wait for a buyer.
    pub(crate) fn spooled(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("spool")).unwrap().count()
    }
}

/// Where the first rule that is paid at once settles.
fn network_of(rules: &[Rule]) -> Network {
    let exact = rules.iter().find_map(|rule| rule.charge_terms()?.exact.as_ref());
    exact.map_or_else(cash_network, |exact| exact.ways[0].network.clone())
}

fn open(site: &Site, folder: &TempDir) -> Arc<SqliteBooks> {
    let options = OpenOptions::new(site.origin(), Asset::usd(), Scale::MICRO);
    Arc::new(SqliteBooks::open(folder.path().join("books.db"), options).unwrap())
}

fn seller(
    site: &Site,
    books: &Arc<SqliteBooks>,
    clock: &Arc<ManualClock>,
    facilitator: Arc<dyn Facilitator>,
    rules: Vec<Rule>,
    earlier: Vec<RulesVersion>,
) -> Seller {
    let key = Arc::new(PrivateKey::from_seed([1; 32]));
    let network = network_of(&rules);
    let rules = RuleSet::new(vec![], rules);
    let from = if earlier.is_empty() { NOON - 3_600 } else { clock.now() };
    let today = RulesVersion::of(&rules, from);
    let parts = SellerParts {
        origin: site.origin(),
        key: Arc::clone(&key),
        network: Network::tollway(),
        press: OfferPress::new(site.origin(), key, today, earlier),
        rules,
        books: Arc::clone(books) as Arc<dyn Books>,
        keys: Arc::new(Ring::of(&[])),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        agents: AgentPolicy::default(),
        starter: None,
    };
    let exact = ExactParts {
        books: Arc::clone(books) as Arc<dyn ExactBooks>,
        scheme: Arc::new(CashScheme::on(network)),
        facilitator,
        bills: Some(BillWays::new(vec![way(PaymentFlow::Authorization)], DemandBody::Auto)),
    };
    Seller::paid_at_once(parts, exact)
}

/// The receipt of an answer.
pub(crate) fn receipt(got: &Got) -> SettleResponse {
    SettleResponse::decode(got.field(header::PAYMENT_RESPONSE).unwrap_or_else(|| panic!("no receipt: {got:?}")))
        .unwrap()
}

pub(crate) fn settled(got: &Got) -> Settlement {
    match receipt(got) {
        SettleResponse::Settled(settlement) => settlement,
        SettleResponse::Failed(failure) => panic!("not settled: {failure:?}"),
    }
}

pub(crate) fn failed(got: &Got) -> SettleFailure {
    match receipt(got) {
        SettleResponse::Failed(failure) => failure,
        SettleResponse::Settled(settlement) => panic!("settled: {settlement:?}"),
    }
}

/// The body as JSON.
pub(crate) fn json(got: &Got) -> Value {
    serde_json::from_slice(&got.body).unwrap_or_default()
}
