//! What the tests share: records in memory, sales, a signer that needs no key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tollway_ledger::{
    AgentId, AgentTerms, CheckpointSigner, Command, CommitmentId, Delivery, Evidence, EvidenceKeys, EvidenceKind,
    ExactSale, Fingerprint, Hash, Ledger, MemoryRecords, Outcome, PaymentFlow, PaymentId, PaymentProof, PriceProof,
    Proof, Sale, apply,
};
use tollway_protocol::{Amount, Asset, Dress, Network, Scale};

pub(crate) const SELLER: &str = "https://seller.example";
/// Noon of 22 November 2026.
pub(crate) const NOON: u64 = 1_795_348_800;
pub(crate) const DAY: u64 = 86_400;

pub(crate) fn records(nonce_capacity: u64) -> MemoryRecords {
    let ledger = Ledger { seller: SELLER.into(), asset: Asset::usd(), scale: Scale::MICRO };
    MemoryRecords::new(ledger, nonce_capacity)
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::new(format!("https://{name}.example")).unwrap()
}

pub(crate) fn terms(name: &str, limit: u128, budget: Option<u128>) -> AgentTerms {
    AgentTerms { agent: agent(name), credit_limit: Amount::new(limit), daily_budget: budget.map(Amount::new) }
}

/// A sale of 10 units to agent `a`; its name is its page and its nonce.
pub(crate) fn sale(name: &str) -> Sale {
    sale_at(name, NOON)
}

pub(crate) fn sale_at(name: &str, created: u64) -> Sale {
    let url = format!("{SELLER}/{name}");
    let base = format!("\"@target-uri\": {url}\n\"@signature-params\": ();created={created}");
    Sale {
        id: CommitmentId::derive(created, &[7; 32], base.as_bytes()),
        fingerprint: Fingerprint::of("GET", &url, ""),
        agent: agent("a"),
        thumbprint: [7; 32],
        nonce: Some(name.to_owned()),
        expires: created + 300,
        amount: Amount::new(10),
        asset: Asset::usd(),
        rule: "pages".into(),
        method: "GET".into(),
        url,
        dress: Dress::Crawl,
        offer: None,
        terms: None,
        price_proof: PriceProof::CeilingOnly,
        evidence: Evidence { kind: EvidenceKind::Rfc9421, signature: sign(&base), base },
    }
}

/// An exact payment of 1,000 units; its name is its page and its nonce.
pub(crate) fn exact_sale(name: &str) -> ExactSale {
    let network: Network = "eip155:84532".parse().unwrap();
    let asset: Asset = "0x036CbD53842c5426634e7929541eC2318f3dCF7e".parse().unwrap();
    let payer = "0x00000000000000000000000000000000000000A1";
    let id = PaymentId::derive(&network, &asset, payer, Hash::of(name.as_bytes()).as_bytes());
    let url = format!("{SELLER}/{name}");
    ExactSale {
        id,
        fingerprint: Fingerprint::of("GET", &url, ""),
        payer: payer.into(),
        network,
        asset,
        scale: Scale::MICRO,
        amount: Amount::new(1_000),
        pay_to: "0x00000000000000000000000000000000000000B2".into(),
        rule: "pages".into(),
        method: "GET".into(),
        url,
        offer: Some("offer".into()),
        expires: NOON + 300,
        flow: PaymentFlow::Upfront,
        identifier: Some(format!("pay_{name}")),
        payment: payment_of(&id),
    }
}

/// Stands for a signed payment.
fn payment_of(id: &PaymentId) -> String {
    format!("{{\"signed\":\"{id}\"}}")
}

/// Stands for a signature: a hash of what is signed, twice.
pub(crate) fn sign(base: &str) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(Hash::of(base.as_bytes()).as_bytes());
    signature[32..].copy_from_slice(Hash::of(base.as_bytes()).as_bytes());
    signature
}

pub(crate) fn ok() -> Delivery {
    Delivery { status: 200, ..Delivery::default() }
}

pub(crate) fn run(records: &mut MemoryRecords, command: Command<'_>, now: u64) -> Outcome {
    apply(records, command, now).unwrap()
}

/// Signs with a hash as signature.
pub(crate) struct PlainSigner;

impl CheckpointSigner for PlainSigner {
    fn sign(&self, payload: &[u8]) -> String {
        format!("e30.{}.{}", URL_SAFE_NO_PAD.encode(payload), Hash::of(payload))
    }

    fn thumbprint(&self) -> String {
        Hash::of(b"seller").to_string()
    }

    fn seller(&self) -> String {
        SELLER.into()
    }
}

/// The keys that go with [`sign`] and [`PlainSigner`].
pub(crate) struct Keys;

impl EvidenceKeys for Keys {
    fn verify_sale(&self, _: &[u8; 32], base: &str, signature: &[u8; 64]) -> Proof {
        if *signature == sign(base) { Proof::Proved } else { Proof::Wrong }
    }

    fn verify_payment(&self, claimed: &ExactSale) -> PaymentProof {
        if claimed.payment == payment_of(&claimed.id) {
            PaymentProof::Proved
        } else {
            PaymentProof::Wrong("another payment".into())
        }
    }

    fn verify_jws(&self, jws: &str) -> Option<Vec<u8>> {
        let (signed, signature) = jws.rsplit_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(signed.strip_prefix("e30.")?).ok()?;
        (Hash::of(&payload).to_string() == signature).then_some(payload)
    }
}
