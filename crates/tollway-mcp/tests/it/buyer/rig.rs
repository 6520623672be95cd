//! A server of tools whose answers a test writes, and a payer with real keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tollway_core::buyer::exact::{Ceilings, MemoryPurse, PayableAsset, Payment};
use tollway_core::buyer::{AuditLine, Budget, Journal};
use tollway_core::clock::ManualClock;
use tollway_core::scheme::deferred::PresentedCommitment;
use tollway_evm::client::{EvmWallet, LocalSigner};
use tollway_ledger::CommitmentId;
use tollway_mcp::buyer::{
    AllowList, Answered, CallAnswer, Confirm, Consent, Decision, Lost, Means, Preference, Promiser, Question,
    ToolPayer, ToolPayerParts, ToolServer,
};
use tollway_mcp::wire::names;
use tollway_protocol::{Amount, Asset, PaymentPayload, Refusal, Scale};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey};
use zeroize::Zeroizing;

pub(crate) const NOW: u64 = 1_795_348_800;
pub(crate) const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
pub(crate) const PAY_TO: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
pub(crate) const SERVER: &str = "https://tools.example";
/// What the tool costs, in micro-dollars.
pub(crate) const PRICE: u128 = 10_000;

/// What a server does with the params of a call.
pub(crate) type Handler = dyn Fn(&Map<String, Value>) -> Result<CallAnswer, Lost> + Send + Sync;

/// A server, and every call that came.
pub(crate) struct Shop {
    handler: Box<Handler>,
    pub(crate) calls: Mutex<Vec<Map<String, Value>>>,
}

impl Shop {
    pub(crate) fn new(
        handler: impl Fn(&Map<String, Value>) -> Result<CallAnswer, Lost> + Send + Sync + 'static,
    ) -> Self {
        Self { handler: Box::new(handler), calls: Mutex::default() }
    }

    /// Asks for this demand, and takes any payment.
    pub(crate) fn asking(demand: Value) -> Self {
        Self::new(move |params| Ok(payment(params).map_or_else(|| refusal(&demand), |paid| receipt(&paid))))
    }

    /// How often it was called.
    pub(crate) fn times(&self) -> usize {
        self.calls.lock().len()
    }

    pub(crate) fn payments(&self) -> Vec<PaymentPayload> {
        self.calls.lock().iter().filter_map(payment).collect()
    }
}

#[async_trait]
impl ToolServer for Shop {
    async fn request(&self, _: &str, params: &Map<String, Value>) -> Result<CallAnswer, Lost> {
        self.calls.lock().push(params.clone());
        tokio::task::yield_now().await;
        (self.handler)(params)
    }
}

/// The payment of a call, in whichever form.
pub(crate) fn payment(params: &Map<String, Value>) -> Option<PaymentPayload> {
    let value = params.get("_meta")?.get(names::PAYMENT)?;
    Some(match value {
        Value::String(text) => PaymentPayload::decode(text).unwrap(),
        object => serde_json::from_value(object.clone()).unwrap(),
    })
}

pub(crate) fn way(amount: u128) -> Value {
    json!({"scheme": "exact", "network": "eip155:84532", "amount": amount.to_string(), "asset": USDC, "payTo": PAY_TO,
        "maxTimeoutSeconds": 300, "extra": {"name": "USDC", "version": "2"}})
}

pub(crate) fn promise_way(amount: u128) -> Value {
    json!({"scheme": "batch-settlement", "network": "tollway:402", "amount": amount.to_string(), "asset": "USD",
        "payTo": "https://tools.example", "maxTimeoutSeconds": 300,
        "extra": {"decimals": 6, "offer": "AAAAAAAAAAAAAAAAAAAAAA"}})
}

pub(crate) fn demand(accepts: Value) -> Value {
    json!({"x402Version": 2, "error": "payment_required", "resource": {"url": "mcp://tool/square"}, "accepts": accepts})
}

/// In every published place.
pub(crate) fn refusal(demand: &Value) -> CallAnswer {
    CallAnswer::Result(json!({"isError": true, "structuredContent": demand, "_meta": {names::ERROR: demand},
        "content": [{"type": "text", "text": demand.to_string()}]}))
}

/// The tool's answer with a receipt for this payment.
pub(crate) fn receipt(paid: &PaymentPayload) -> CallAnswer {
    let transaction = match paid.payload.get("jws").and_then(Value::as_str) {
        None => "0xfeed".to_owned(),
        Some(jws) => commitment_id(jws),
    };
    let receipt = json!({"success": true, "transaction": transaction, "network": paid.accepted.network,
        "amount": paid.accepted.amount, "asset": paid.accepted.asset, "timestamp": NOW});
    CallAnswer::Result(
        json!({"content": [{"type": "text", "text": "49"}], "_meta": {names::PAYMENT_RESPONSE: receipt}}),
    )
}

fn commitment_id(jws: &str) -> String {
    let signed = PresentedCommitment::read(jws).unwrap().verify(&agent_key().public()).unwrap();
    CommitmentId::derive(signed.created(), signed.thumbprint().as_bytes(), signed.base().as_bytes()).to_string()
}

pub(crate) fn agent_key() -> PrivateKey {
    PrivateKey::from_seed([5; 32])
}

pub(crate) fn square() -> Map<String, Value> {
    json!({"name": "square", "arguments": {"number": 7}}).as_object().unwrap().clone()
}

/// The text of an answer.
pub(crate) fn text(answered: &Answered) -> String {
    let CallAnswer::Result(result) = &answered.answer else { panic!("{answered:?}") };
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

/// A log in memory.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<AuditLine>>);

#[async_trait]
impl Journal for Lines {
    async fn write(&self, line: &AuditLine) -> Result<(), Refusal> {
        self.0.lock().push(line.clone());
        Ok(())
    }
}

/// What a test gives its payer, and looks at afterwards.
pub(crate) struct Purse {
    pub(crate) parts: ToolPayerParts,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) lines: Arc<Lines>,
}

impl Purse {
    /// A dollar a call, a hundred for everything else; nobody is asked.
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let lines = Arc::new(Lines::default());
        let signer = LocalSigner::new(Zeroizing::new([7; 32])).unwrap();
        let agent = AgentUrl::parse("https://agent.example", AgentPolicy::default()).unwrap();
        let dollars = |count: u128| Amount::new(count * 1_000_000);
        let nonces = AtomicU64::new(1);
        let asset = |network: &str, asset: &str, symbol: &str| PayableAsset {
            network: network.parse().unwrap(),
            asset: asset.parse::<Asset>().unwrap(),
            scale: Scale::MICRO,
            symbol: symbol.to_owned(),
        };
        let parts = ToolPayerParts {
            server: SERVER.to_owned(),
            means: Means {
                wallet: Some(Arc::new(EvmWallet::new(Arc::new(signer)))),
                promiser: Some(Arc::new(Promiser::new(agent, Arc::new(agent_key()), lines.clone()))),
            },
            ceilings: Ceilings {
                per_payment: dollars(1),
                per_host: dollars(100),
                per_day: dollars(100),
                assets: vec![
                    asset("eip155:84532", USDC, "USDC"),
                    asset("eip155:8453", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "USDC"),
                    asset("tollway:402", "USD", "USD"),
                ],
            },
            session: Budget::new(dollars(100), dollars(100)),
            purse: Arc::new(MemoryPurse::default()),
            allowed: AllowList::everything(),
            consent: Consent::automatic(),
            preference: Preference::default(),
            clock: clock.clone(),
            entropy: Arc::new(move |bytes: &mut [u8]| {
                bytes.fill(0);
                bytes[..8].copy_from_slice(&nonces.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            }),
        };
        Self { parts, clock, lines }
    }

    pub(crate) fn payer(&self) -> ToolPayer {
        ToolPayer::new(self.parts.clone())
    }

    pub(crate) async fn signed(&self) -> Vec<Payment> {
        self.parts.purse.payments().await.unwrap()
    }
}

/// Answers every question in the same way, and keeps them.
pub(crate) struct Person {
    pub(crate) says: Decision,
    pub(crate) asked: Mutex<Vec<Question>>,
}

impl Person {
    pub(crate) fn saying(says: Decision) -> Arc<Self> {
        Arc::new(Self { says, asked: Mutex::default() })
    }
}

#[async_trait]
impl Confirm for Person {
    async fn confirm(&self, question: Question) -> Decision {
        self.asked.lock().push(question);
        self.says
    }
}

/// Calls the tool once.
pub(crate) async fn call(payer: &ToolPayer, shop: &Shop) -> Answered {
    payer.call("tools/call", &square(), shop).await.unwrap()
}
