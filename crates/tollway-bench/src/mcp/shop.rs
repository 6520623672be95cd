//! A seller of tools with books in a file, a chain and a facilitator beside it, and a buyer with both ways to pay.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tollway_core::buyer::exact::{Ceilings, MemoryPurse, PayableAsset, SigningOrder, Wallet as _};
use tollway_core::buyer::{AuditLine, Budget, Journal};
use tollway_core::clock::{Clock as _, SystemClock};
use tollway_core::offer::{OfferPress, RulesVersion};
use tollway_core::scheme::deferred::{Called, Commitment, Stamp, arguments_hash};
use tollway_core::scheme::exact::{ExactTerms, ExactWay};
use tollway_core::seller::{ExactParts, KeySource, Seller, SellerParts};
use tollway_devnet::{Devnet, DevnetConfig, TestAccount};
use tollway_evm::asset::Assets;
use tollway_evm::chain::rpc::{Rpc, RpcConfig};
use tollway_evm::client::{EvmWallet, LocalSigner, Signer};
use tollway_evm::facilitator::{EvmFacilitator, EvmNetwork};
use tollway_evm::seller::EvmExact;
use tollway_evm::settle::{SettleConfig, SettlePorts, Settler};
use tollway_evm::verify::{Verifier, VerifierOptions};
use tollway_ledger::{AgentId, AgentTerms, Books as _, PaymentFlow, Settlements};
use tollway_mcp::Kind;
use tollway_mcp::buyer::{AllowList, Consent, Means, Preference, Promiser, ToolPayer, ToolPayerParts};
use tollway_mcp::relay::{FromServer, Inbound, Limits, Link, Message, Relay, SellHook, Upstream};
use tollway_mcp::seller::{PriceList, PricedCall, Results, SellOptions, ToolSeller};
use tollway_mcp::wire::{self, Payment, PaymentForm};
use tollway_protocol::{Amount, Network, PaymentPayload, Refusal, Scale};
use tollway_signatures::{AgentPolicy, AgentUrl, PublicKey, Thumbprint};
use tollway_store::SqliteSettlements;
use zeroize::Zeroizing;

use super::client::Client;
use crate::orders::{buyer_key, seller_key};
use crate::stage;

/// Costs nothing.
pub(crate) const FREE: &str = "free";
/// Is paid by promise.
pub(crate) const OWED: &str = "owed";
/// Is paid on the chain.
pub(crate) const PAID_AT_ONCE: &str = "paid";
/// What the priced ones cost, in micro-dollars.
pub(crate) const PRICE: u128 = 10_000;
const ORIGIN: &str = "https://tools.example";
const AGENT: &str = "https://agent.example";
const CHAIN: u64 = 84_532;

/// Everything on the seller's side, and the buyer's keys.
pub(crate) struct Shop {
    tools: ToolSeller,
    runs: Arc<AtomicU64>,
    wallet: Arc<EvmWallet>,
    nonces: AtomicU64,
    _chain: Devnet,
}

/// Knows the agent's key.
struct Ring;

#[async_trait]
impl KeySource for Ring {
    async fn key(&self, _: &AgentUrl, _: &Thumbprint, _: u64) -> Result<PublicKey, Refusal> {
        Ok(buyer_key().public())
    }
}

/// A tool that gives the same at once, and counts.
struct Tool(Arc<AtomicU64>);

#[async_trait]
impl Upstream for Tool {
    async fn open(&self, _: usize) -> std::io::Result<Link> {
        let (to, mut inbound) = mpsc::channel::<Inbound>(64);
        let (told, from) = mpsc::channel(64);
        let runs = Arc::clone(&self.0);
        tokio::spawn(async move {
            while let Some(Inbound { message, .. }) = inbound.recv().await {
                let Some(id) = message.id() else { continue };
                runs.fetch_add(1, Ordering::SeqCst);
                let result = json!({ "content": [{ "type": "text", "text": "49" }] });
                let message = Message::result(id, &result);
                if told.send(FromServer::Message { message, about: None }).await.is_err() {
                    break;
                }
            }
        });
        Ok(Link { to, from })
    }
}

impl Shop {
    /// With its books below `folder`.
    pub(crate) async fn open(folder: &Path) -> anyhow::Result<Self> {
        let chain = Devnet::start(DevnetConfig::default())?;
        let facilitator = facilitator(&chain, folder).await?;
        let books = Arc::new(stage::books(&folder.join("tools.db"), ORIGIN)?);
        let credit = Amount::new(u128::from(u64::MAX));
        let terms = AgentTerms { agent: AgentId::new(AGENT)?, credit_limit: credit, daily_budget: None };
        books.agent_put(terms, SystemClock.now()).await?;
        let prices = prices()?;
        let key = Arc::new(seller_key());
        let today = RulesVersion::of(prices.rules(), SystemClock.now());
        let parts = SellerParts {
            origin: ORIGIN.to_owned(),
            press: OfferPress::new(ORIGIN.to_owned(), Arc::clone(&key), today, Vec::new()),
            key,
            network: Network::tollway(),
            rules: prices.rules().clone(),
            books: Arc::clone(&books) as _,
            agents: AgentPolicy::default(),
            keys: Arc::new(Ring),
            clock: Arc::new(SystemClock),
            starter: None,
        };
        let exact = ExactParts {
            books: books as _,
            scheme: Arc::new(EvmExact),
            facilitator: Arc::new(facilitator),
            bills: None,
        };
        let results = Results::open(&folder.join("results"))?;
        let tools = ToolSeller::new(Seller::paid_at_once(parts, exact), prices, results, SellOptions::default())?;
        let wallet = Arc::new(EvmWallet::new(signer(1)?));
        Ok(Self { tools, runs: Arc::default(), wallet, nonces: AtomicU64::new(1), _chain: chain })
    }

    /// A client with a session of its own.
    pub(crate) fn client(&self) -> Client {
        let tool = Arc::new(Tool(Arc::clone(&self.runs)));
        Client::of(Relay::new(tool, Arc::new(SellHook::new(self.tools.clone())), Limits::default()))
    }

    /// How often the tool has run.
    pub(crate) fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }

    /// A paid call.
    pub(crate) async fn paid(&self, tool: &str, n: u64) -> anyhow::Result<Map<String, Value>> {
        let arguments = json!({ "n": n });
        let payment = if tool == OWED { self.promise(tool, &arguments)? } else { self.authorization(tool).await? };
        let mut params = Map::from_iter([("name".into(), tool.into()), ("arguments".into(), arguments)]);
        wire::write_payment(&mut params, &payment, PaymentForm::Object);
        Ok(params)
    }

    fn promise(&self, tool: &str, arguments: &Value) -> anyhow::Result<Payment> {
        let now = SystemClock.now();
        let rule = format!("{}:{tool}", Kind::Tool.word());
        let offer = self.tools.seller().offer(&rule, now).context("no offer")?;
        let agent = AgentUrl::parse(AGENT, AgentPolicy::default())?;
        let url = Kind::Tool.url(tool);
        let call = Called { resource: &url, arguments: arguments_hash(arguments.as_object())? };
        let nonce = format!("nonce-of-a-promise-{}", self.nonces.fetch_add(1, Ordering::SeqCst));
        let stamp = Stamp { nonce: &nonce, now, life: 60 };
        let commitment = Commitment::to_offer(&offer, &Network::tollway(), &agent, call, stamp);
        Ok(Payment::V2(Box::new(commitment.payment(&offer, &buyer_key()))))
    }

    async fn authorization(&self, tool: &str) -> anyhow::Result<Payment> {
        let call = Map::from_iter([("name".to_owned(), Value::from(tool))]);
        let call = tollway_mcp::seller::Call::of_request("tools/call", &call, None).context("a call")?;
        let demand = self.tools.quote(&call)?.context("it is priced")?;
        let requirements = demand.accepts.into_iter().find(|way| way.scheme == "exact").context("paid at once")?;
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&self.nonces.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        let now = SystemClock.now();
        let extensions = demand.extensions.as_ref();
        let order = SigningOrder { requirements: &requirements, extensions, version: 2, now, nonce };
        let signed = self.wallet.sign(order).await?;
        Ok(Payment::V2(Box::new(PaymentPayload::new(requirements, signed.payload))))
    }

    /// A payer by promise whose session is worth so much.
    pub(crate) fn payer(&self, worth: u128) -> anyhow::Result<ToolPayer> {
        let agent = AgentUrl::parse(AGENT, AgentPolicy::default())?;
        let nonces = AtomicU64::new(1);
        let much = Amount::new(u128::from(u64::MAX));
        let dollars = PayableAsset {
            network: Network::tollway(),
            asset: tollway_protocol::Asset::usd(),
            scale: Scale::MICRO,
            symbol: "USD".to_owned(),
        };
        Ok(ToolPayer::new(ToolPayerParts {
            server: ORIGIN.to_owned(),
            means: Means {
                wallet: None,
                promiser: Some(Arc::new(Promiser::new(agent, Arc::new(buyer_key()), Arc::new(Nowhere)))),
            },
            ceilings: Ceilings { per_payment: much, per_host: much, per_day: much, assets: vec![dollars] },
            session: Budget::new(Amount::new(worth), much),
            purse: Arc::new(MemoryPurse::default()),
            allowed: AllowList::everything(),
            consent: Consent::automatic(),
            preference: Preference::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(move |bytes: &mut [u8]| {
                bytes.fill(7);
                bytes[..8].copy_from_slice(&nonces.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            }),
        }))
    }
}

/// The log of promises is not what is measured.
struct Nowhere;

#[async_trait]
impl Journal for Nowhere {
    async fn write(&self, _: &AuditLine) -> Result<(), Refusal> {
        Ok(())
    }
}

fn prices() -> anyhow::Result<PriceList> {
    let network = format!("eip155:{CHAIN}").parse()?;
    let assets = Assets::with(Vec::new());
    let known = assets.default_of(&network).context("the test chain has a default asset")?;
    let way = ExactWay {
        amount: Amount::new(PRICE),
        asset: known.asset(),
        extra: known.extra(),
        flow: PaymentFlow::Authorization,
        network,
        pay_to: TestAccount::new(2).address.to_string(),
        scale: known.scale,
        sponsoring: Vec::new(),
    };
    let terms = ExactTerms { ways: vec![way], identifier: None };
    let owed = PricedCall::tool(OWED, "$0.01")?;
    let at_once = PricedCall::tool(PAID_AT_ONCE, "$0.01")?.with_exact(terms).without_bill();
    Ok(PriceList::new(vec![owed, at_once])?)
}

async fn facilitator(chain: &Devnet, folder: &Path) -> anyhow::Result<EvmFacilitator> {
    let network: Network = format!("eip155:{CHAIN}").parse()?;
    let rpc = Rpc::new(RpcConfig::new(CHAIN, vec![chain.url()]))?;
    let books: Arc<dyn Settlements> =
        Arc::new(SqliteSettlements::open(folder.join("settlements.db"), Duration::from_secs(5))?);
    let options = VerifierOptions::default();
    let verifier = Verifier::new(network.clone(), Arc::new(rpc.clone()), options.clone())?;
    let ports = SettlePorts { rpc, books, clock: Arc::new(SystemClock) };
    let settler = Settler::start(network, ports, vec![signer(5)?], SettleConfig::default()).await?;
    Ok(EvmFacilitator::new(vec![EvmNetwork { verifier, settler, options }], Arc::new(SystemClock)))
}

fn signer(account: u32) -> anyhow::Result<Arc<dyn Signer>> {
    Ok(Arc::new(LocalSigner::new(Zeroizing::new(TestAccount::new(account).key.0))?))
}
