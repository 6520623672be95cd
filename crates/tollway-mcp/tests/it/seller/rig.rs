//! A seller of calls with real books: promises of an agent, and notes drawn on a till.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tollway_core::clock::{Clock, ManualClock};
use tollway_core::offer::{Offer, OfferPress, RulesVersion};
use tollway_core::scheme::cash::{CashScheme, Note, Till, cash_network};
use tollway_core::scheme::deferred::{Called, Commitment, Stamp, arguments_hash};
use tollway_core::scheme::exact::{ExactTerms, ExactWay};
use tollway_core::seller::{ExactParts, KeySource, Seller, SellerParts};
use tollway_ledger::{
    AgentId, AgentTerms, Books, EntryKind, ExactBooks, ExactRecord, ExactState, PaymentFlow, Sequence,
};
use tollway_mcp::Kind;
use tollway_mcp::seller::{
    Answer, ArgumentTest, Call, PriceList, PricedCall, Results, SellOptions, Step, Test, ToolSeller,
};
use tollway_mcp::wire::{self, Payment, PaymentForm, names};
use tollway_protocol::{
    Amount, Asset, Network, PaymentPayload, PaymentRequirements, Reason, Refusal, Scale, SettleResponse, Settlement,
};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey, PublicKey, Thumbprint};
use tollway_store::{OpenOptions, SqliteBooks};

/// Noon of 22 November 2026.
pub(crate) const NOON: u64 = 1_795_348_800;
/// Whom it belongs to.
pub(crate) const ORIGIN: &str = "https://shop.example";
/// Who promises.
pub(crate) const AGENT: &str = "https://crawler.example";
/// The price at once, in coins.
pub(crate) const COINS: u128 = 500;
/// What ann has at first.
pub(crate) const MONEY: u128 = 1_000_000;

pub(crate) fn agent_key() -> PrivateKey {
    PrivateKey::from_seed([9; 32])
}

/// Knows the agent's key, and none else.
struct Ring;

#[async_trait]
impl KeySource for Ring {
    async fn key(&self, agent: &AgentUrl, keyid: &Thumbprint, _: u64) -> Result<PublicKey, Refusal> {
        let key = agent_key().public();
        if agent.as_str() == AGENT && keyid == key.thumbprint() {
            return Ok(key);
        }
        Err(Refusal::new(Reason::KeyNotFound, "no such key"))
    }
}

fn exact(flow: PaymentFlow) -> ExactTerms {
    let way = ExactWay {
        amount: Amount::new(COINS),
        asset: "COIN".parse().unwrap(),
        extra: Map::new(),
        flow,
        network: cash_network(),
        pay_to: "shop".into(),
        scale: Scale::MICRO,
        sponsoring: Vec::new(),
    };
    ExactTerms { ways: vec![way], identifier: None }
}

pub(crate) fn prices() -> PriceList {
    let tool = |name: &str| PricedCall::tool(name, "$0.01").unwrap();
    let deep = ArgumentTest { pointer: "/depth".into(), test: Test::AtLeast(10) };
    PriceList::new(vec![
        tool("square").with_exact(exact(PaymentFlow::Authorization)),
        tool("cube").with_exact(exact(PaymentFlow::Authorization)),
        tool("owed"),
        tool("live").with_exact(exact(PaymentFlow::Authorization)).with(|charge| charge.live = true),
        tool("first").with_exact(exact(PaymentFlow::Upfront)).without_bill(),
        PricedCall::tool("search", "$0.10").unwrap().called("deep").when(vec![deep]),
        PricedCall::tool("search", "$0.02").unwrap().called("flat"),
        PricedCall::of(Kind::Resource, "docs://paid/*", "$0.05").unwrap(),
    ])
    .unwrap()
}

/// A running seller.
pub(crate) struct Shop {
    pub(crate) tools: ToolSeller,
    pub(crate) books: Arc<SqliteBooks>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) till: Till,
    /// How often a tool ran.
    pub(crate) runs: Arc<AtomicUsize>,
    folder: TempDir,
    nonces: AtomicU32,
}

impl Shop {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let till = Till::new(Arc::clone(&clock) as Arc<dyn Clock>);
        till.open("ann", "ann's secret", MONEY);
        till.open("poor", "poor's secret", 1);
        let (tools, books) = open(&folder, &clock, &till);
        let terms = AgentTerms {
            agent: AgentId::new(AGENT).unwrap(),
            credit_limit: Amount::new(1_000_000),
            daily_budget: None,
        };
        books.agent_put(terms, NOON).await.unwrap();
        Self { tools, books, clock, till, runs: Arc::default(), folder, nonces: AtomicU32::new(1) }
    }

    /// What a crash leaves: the files.
    pub(crate) fn after_a_crash(self) -> Self {
        let Self { tools, books, clock, till, runs, folder, nonces } = self;
        drop((tools, books));
        let (tools, books) = open(&folder, &clock, &till);
        Self { tools, books, clock, till, runs, folder, nonces }
    }

    /// Calls a tool that squares, and counts its runs.
    pub(crate) async fn call(&self, name: &str, arguments: &Value, payment: Option<&Payment>) -> Map<String, Value> {
        self.call_with(name, arguments, payment, |arguments| {
            let number = arguments.get("number").and_then(Value::as_i64).unwrap_or_default();
            json!({"content": [{"type": "text", "text": (number * number).to_string()}], "isError": false})
        })
        .await
    }

    /// The same with another tool.
    pub(crate) async fn call_with(
        &self,
        name: &str,
        arguments: &Value,
        payment: Option<&Payment>,
        tool: impl FnOnce(&Map<String, Value>) -> Value,
    ) -> Map<String, Value> {
        match self.admit(name, arguments, payment).await {
            Step::Pass => panic!("{name} is free"),
            Step::Answer(answer) => result(answer),
            Step::Run(running) => {
                let given = tool(arguments.as_object().unwrap());
                let runs = Arc::clone(&self.runs);
                let given = async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    // Others get a turn while it runs.
                    tokio::task::yield_now().await;
                    Answer::Result(given.as_object().unwrap().clone())
                };
                result(running.run(given).await)
            }
        }
    }

    pub(crate) async fn admit(&self, name: &str, arguments: &Value, payment: Option<&Payment>) -> Step {
        let mut params = Map::from_iter([("name".into(), name.into()), ("arguments".into(), arguments.clone())]);
        if let Some(payment) = payment {
            wire::write_payment(&mut params, payment, PaymentForm::Object);
        }
        self.tools.admit(&Call::of_request("tools/call", &params, None).unwrap()).await
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// Today's offer for a tool.
    pub(crate) fn offer(&self, name: &str, arguments: &Value) -> Arc<Offer> {
        let entry = self.tools.prices().decide(Kind::Tool, name, arguments.as_object()).unwrap().unwrap();
        self.tools.seller().offer(&entry.rule().id, self.clock.now()).unwrap()
    }

    fn nonce(&self) -> u32 {
        self.nonces.fetch_add(1, Ordering::SeqCst)
    }

    /// The agent's promise for a call, as it ought to be.
    pub(crate) fn commitment(&self, name: &str, arguments: &Value) -> Commitment {
        let agent = AgentUrl::parse(AGENT, AgentPolicy::default()).unwrap();
        let url = Kind::Tool.url(name);
        let call = Called { resource: &url, arguments: arguments_hash(arguments.as_object()).unwrap() };
        let nonce = format!("nonce-of-promise-{}", self.nonce());
        let stamp = Stamp { nonce: &nonce, now: self.clock.now(), life: 60 };
        Commitment::to_offer(&self.offer(name, arguments), &Network::tollway(), &agent, call, stamp)
    }

    /// A payment that promises.
    pub(crate) fn promise(&self, name: &str, arguments: &Value) -> Payment {
        let commitment = self.commitment(name, arguments);
        Payment::V2(Box::new(commitment.payment(&self.offer(name, arguments), &agent_key())))
    }

    /// The way to pay at once that an unpaid call is told.
    pub(crate) async fn at_once(&self, name: &str, arguments: &Value) -> PaymentRequirements {
        let asked = self.call(name, arguments, None).await;
        let demand = wire::demand_in_result(&asked).unwrap().unwrap();
        demand.accepts.into_iter().find(|entry| entry.scheme == "exact").unwrap()
    }

    /// A note of somebody for these terms, as a payload.
    pub(crate) fn note(&self, payer: &str, terms: &PaymentRequirements) -> Map<String, Value> {
        let mut nonce = [0; 32];
        nonce[..4].copy_from_slice(&self.nonce().to_be_bytes());
        let until = self.clock.now() + terms.max_timeout_seconds.get();
        Note::drawn(payer, &format!("{payer}'s secret"), &terms.pay_to, terms.amount, nonce, until).payload()
    }

    /// A payment at once.
    pub(crate) async fn cash(&self, name: &str, arguments: &Value) -> Payment {
        let terms = self.at_once(name, arguments).await;
        let note = self.note("ann", &terms);
        Payment::V2(Box::new(PaymentPayload::new(terms, note)))
    }

    pub(crate) async fn states(&self) -> Vec<ExactState> {
        let all: Vec<ExactRecord> = self.books.exact_list(Sequence::ZERO, 1_000).await.unwrap();
        all.iter().map(|record| record.state).collect()
    }

    pub(crate) async fn journal(&self) -> Vec<EntryKind> {
        let entries = self.books.entries(Sequence::new(1), 1_000).await.unwrap();
        entries.into_iter().map(|entry| entry.kind).collect()
    }

    /// How many sales stand in the journal, owed and paid.
    pub(crate) async fn sold(&self) -> usize {
        let sold = |kind: &EntryKind| matches!(kind, EntryKind::SalePosted | EntryKind::Sale | EntryKind::ExactSettled);
        self.journal().await.iter().filter(|kind| sold(kind)).count()
    }
}

fn open(folder: &TempDir, clock: &Arc<ManualClock>, till: &Till) -> (ToolSeller, Arc<SqliteBooks>) {
    let options = OpenOptions::new(ORIGIN.to_owned(), Asset::usd(), Scale::MICRO);
    let books = Arc::new(SqliteBooks::open(folder.path().join("books.db"), options).unwrap());
    let key = Arc::new(PrivateKey::from_seed([1; 32]));
    let prices = prices();
    let today = RulesVersion::of(prices.rules(), NOON - 3_600);
    let parts = SellerParts {
        origin: ORIGIN.to_owned(),
        key: Arc::clone(&key),
        network: Network::tollway(),
        press: OfferPress::new(ORIGIN.to_owned(), key, today, vec![]),
        rules: prices.rules().clone(),
        books: Arc::clone(&books) as Arc<dyn Books>,
        keys: Arc::new(Ring),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        agents: AgentPolicy::default(),
        starter: None,
    };
    let exact = ExactParts {
        books: Arc::clone(&books) as Arc<dyn ExactBooks>,
        scheme: Arc::new(CashScheme::default()),
        facilitator: Arc::new(till.clone()),
        bills: None,
    };
    let seller = Seller::paid_at_once(parts, exact);
    let results = Results::open(&folder.path().join("results")).unwrap();
    let options = SellOptions { copies_wait: Duration::from_secs(60), run_window: Duration::from_secs(60) };
    (ToolSeller::new(seller, prices, results, options).unwrap(), books)
}

pub(crate) fn result(answer: Answer) -> Map<String, Value> {
    match answer {
        Answer::Result(result) => result,
        Answer::Error(error) => panic!("an error: {error:?}"),
    }
}

/// The text of a result.
pub(crate) fn text(result: &Map<String, Value>) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

/// The code of a refusing result.
pub(crate) fn refused(result: &Map<String, Value>) -> String {
    assert_eq!(result["isError"], true, "{result:?}");
    result["structuredContent"]["error"].as_str().unwrap().to_owned()
}

/// Whether a result asks for a payment.
pub(crate) fn demands(result: &Map<String, Value>) -> bool {
    wire::demand_in_result(result).unwrap().is_some()
}

/// The receipt of a paid result.
pub(crate) fn receipt(result: &Map<String, Value>) -> Settlement {
    match wire::read_receipt(result).unwrap() {
        Some(SettleResponse::Settled(settlement)) => settlement,
        other => panic!("{other:?} in {result:?}"),
    }
}

/// The code of a receipt that says "not settled".
pub(crate) fn failure(result: &Map<String, Value>) -> String {
    match wire::read_receipt(result).unwrap() {
        Some(SettleResponse::Failed(failure)) => failure.reason.unwrap(),
        other => panic!("{other:?}, {:?}", result[names::META]),
    }
}
