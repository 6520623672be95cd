//! One seller of the stage: books, rules and a gate in front of its goods, on a loopback port.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tollway_core::clock::Clock;
use tollway_core::facilitator::Facilitator;
use tollway_core::rules::{Action, Charge, PassTerms, Rule, RuleSet};
use tollway_core::scheme::exact::{DemandBody, ExactTerms, ExactWay};
use tollway_core::seller::{BillWays, ExactParts, Seller, SellerParts, StarterCredit, file_seller_key, press};
use tollway_evm::Address;
use tollway_evm::asset::KnownAsset;
use tollway_evm::seller::EvmExact;
use tollway_http::endpoint::Endpoint;
use tollway_http::gate::{Gate, GateLayer, GateOptions, Spool};
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory};
use tollway_http::site::Site;
use tollway_ledger::{Books, CheckpointSigner, ExactBooks, PaymentFlow};
use tollway_mcp::seller::{Results, SellOptions, ToolSeller};
use tollway_protocol::{Amount, Asset, Dress, Network, Price, Scale};
use tollway_signatures::{PrivateKey, jws};
use tollway_store::{OpenOptions, SqliteBooks};
use tower::Layer as _;

use super::chain::fresh_address;
use super::{StageError, tools};

/// What a buyer that nobody knows may owe: two dollars.
const STARTER: u128 = 2_000_000;
/// `typ` of signed statements and checkpoints.
const SEAL_TYPE: &str = "tollway-books+jws";

/// What all sellers of a stage share.
pub(super) struct Market<'a> {
    pub(super) folder: &'a Path,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) facilitator: &'a Arc<dyn Facilitator>,
    pub(super) usdc: &'a KnownAsset,
}

/// A seller before it opens.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) priced: Vec<Priced>,
    pub(super) goods: Arc<dyn Endpoint>,
}

/// What costs how much, and how it may be paid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Priced {
    pub(super) rule: &'static str,
    pub(super) path: &'static str,
    /// In micro-dollars.
    pub(super) amount: u128,
    /// Promised now, billed with the day.
    pub(super) deferred: bool,
    /// Paid at once.
    pub(super) exact: bool,
    /// The content changes with every request.
    pub(super) live: bool,
    /// What one payment opens beyond its own request.
    pub(super) pass: Option<PassTerms>,
}

/// An open seller.
pub struct Shop {
    /// What people call it.
    pub name: &'static str,
    /// Where it is.
    pub origin: String,
    /// Whom exact payments pay.
    pub pay_to: Address,
    /// What costs how much: rule, path, micro-dollars, and how it may be paid.
    pub prices: Vec<ShopPrice>,
    seller: Seller,
    books: Arc<SqliteBooks>,
}

/// One price of a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopPrice {
    /// The rule's name.
    pub rule: &'static str,
    /// Which paths.
    pub path: &'static str,
    /// How much, in micro-dollars.
    pub amount: Amount,
    /// How it may be paid.
    pub schemes: Vec<&'static str>,
}

impl Shop {
    /// Opens a seller of pages for the port that `listener` holds; the gate is still to be served.
    pub(super) async fn open(
        plan: Plan,
        listener: &TcpListener,
        market: &Market<'_>,
    ) -> Result<(Self, Gate), StageError> {
        let origin = format!("http://{}", listener.local_addr()?);
        let site: Site = origin.parse()?;
        let pay_to = fresh_address();
        let rules = RuleSet::new(vec![], plan.priced.iter().map(|priced| rule(priced, market.usdc, pay_to)).collect());
        let (seller, books) = found(plan.name, &origin, rules, pay_to, market).await?;
        let layer = GateLayer::with_spool(seller.clone(), vec![site], GateOptions::default(), Spool::in_memory());
        let gate = layer.layer(Shared(plan.goods));
        let prices = plan.priced.iter().map(ShopPrice::of).collect();
        Ok((Self { name: plan.name, origin, pay_to, prices, seller, books }, gate))
    }

    /// Opens a seller of tools.
    pub(super) async fn of_tools(
        name: &'static str,
        listener: &TcpListener,
        market: &Market<'_>,
    ) -> Result<(Self, ToolSeller), StageError> {
        let origin = format!("http://{}", listener.local_addr()?);
        let pay_to = fresh_address();
        let list = tools::price_list(market.usdc, pay_to)?;
        let (seller, books) = found(name, &origin, list.rules().clone(), pay_to, market).await?;
        let selling = ToolSeller::new(seller.clone(), list, Results::in_memory(), SellOptions::default())?;
        let priced = tools::PRICES.iter().map(|(tool, _, amount)| ShopPrice {
            rule: tool,
            path: tool,
            amount: Amount::new(*amount),
            schemes: vec!["exact"],
        });
        let free = tools::FREE.iter();
        let free = free.map(|tool| ShopPrice { rule: tool, path: tool, amount: Amount::ZERO, schemes: vec![] });
        let prices = free.chain(priced).collect();
        Ok((Self { name, origin, pay_to, prices, seller, books }, selling))
    }

    /// The seller's engine.
    pub fn seller(&self) -> &Seller {
        &self.seller
    }

    /// Its books.
    pub fn books(&self) -> &Arc<SqliteBooks> {
        &self.books
    }

    /// Signs what closing a day makes.
    pub(crate) fn seal(&self) -> Seal {
        Seal { key: self.seller.shared_key(), seller: self.origin.clone() }
    }
}

impl ShopPrice {
    fn of(priced: &Priced) -> Self {
        let schemes = [("exact", priced.exact), ("deferred", priced.deferred)];
        let schemes = schemes.into_iter().filter(|(_, taken)| *taken).map(|(name, _)| name).collect();
        Self { rule: priced.rule, path: priced.path, amount: Amount::new(priced.amount), schemes }
    }
}

/// The seller's key over statements and checkpoints.
pub(crate) struct Seal {
    key: Arc<PrivateKey>,
    seller: String,
}

impl CheckpointSigner for Seal {
    fn sign(&self, payload: &[u8]) -> String {
        jws::sign(SEAL_TYPE, payload, self.key.as_ref())
    }

    fn thumbprint(&self) -> String {
        self.key.public().thumbprint().to_string()
    }

    fn seller(&self) -> String {
        self.seller.clone()
    }
}

/// An engine with books of its own.
async fn found(
    name: &str,
    origin: &str,
    rules: RuleSet,
    pay_to: Address,
    market: &Market<'_>,
) -> Result<(Seller, Arc<SqliteBooks>), StageError> {
    let now = market.clock.now();
    let key = Arc::new(PrivateKey::from_seed(crate::random()));
    let options = OpenOptions::new(origin, Asset::usd(), Scale::MICRO);
    let books = Arc::new(SqliteBooks::open(market.folder.join(format!("{name}.db")), options)?);
    file_seller_key(books.as_ref(), &key, now).await?;
    let press = press(&rules, books.as_ref(), origin, &key, now).await?;
    let keys = KeyDirectory::new(DirectoryOptions { allow_loopback: true, ..DirectoryOptions::default() })?;
    let parts = SellerParts {
        origin: origin.to_owned(),
        key,
        network: Network::tollway(),
        rules,
        press,
        books: Arc::clone(&books) as Arc<dyn Books>,
        agents: keys.agents(),
        keys: Arc::new(keys),
        clock: Arc::clone(market.clock),
        starter: Some(StarterCredit { limit: Amount::new(STARTER), daily_budget: None, accounts_per_hour: 100 }),
    };
    let exact = ExactParts {
        books: Arc::clone(&books) as Arc<dyn ExactBooks>,
        scheme: Arc::new(EvmExact),
        facilitator: Arc::clone(market.facilitator),
        bills: Some(BillWays::new(vec![way(market.usdc, pay_to, Amount::ZERO)], DemandBody::Auto)),
    };
    Ok((Seller::paid_at_once(parts, exact), books))
}

/// Goods behind a gate.
#[derive(Clone)]
struct Shared(Arc<dyn Endpoint>);

impl Endpoint for Shared {
    fn answer(&self, request: http::Request<tollway_http::body::Body>) -> tollway_http::endpoint::Answering {
        self.0.answer(request)
    }
}

fn rule(priced: &Priced, usdc: &KnownAsset, pay_to: Address) -> Rule {
    let price = Price { amount: Amount::new(priced.amount), asset: Asset::usd(), scale: Scale::MICRO };
    let mut charge = Charge::at(price);
    charge.live = priced.live;
    charge.pass = priced.pass;
    charge.dresses = if priced.deferred { vec![Dress::X402, Dress::Handshake, Dress::Crawl] } else { vec![] };
    charge.exact = priced
        .exact
        .then(|| ExactTerms { ways: vec![way(usdc, pay_to, Amount::new(priced.amount))], identifier: None });
    let pattern = priced.path.parse().expect("the paths of the stage are patterns");
    Rule::new(priced.rule, pattern, Action::Charge(charge))
}

/// One atomic unit of USDC is one micro-dollar.
pub(super) fn way(usdc: &KnownAsset, pay_to: Address, amount: Amount) -> ExactWay {
    ExactWay {
        amount,
        asset: usdc.asset(),
        extra: usdc.extra(),
        flow: PaymentFlow::Authorization,
        network: usdc.network.clone(),
        pay_to: pay_to.to_checksum(None),
        scale: usdc.scale,
        sponsoring: vec![],
    }
}
