//! What the tests share: a seller, agents, sales, and a signer that needs no key.

use std::path::Path;

use base64::Engine as _;
use tollway_ledger::{
    AgentId, AgentTerms, AuditReport, Books, CheckpointSigner, CommitmentId, Delivery, Evidence, EvidenceKeys,
    EvidenceKind, ExactOutcome, ExactSale, Fingerprint, Hash, Ledger, PaymentFlow, PaymentId, PaymentProof,
    PostOutcome, Posting, PriceProof, Proof, Reserve, Sale, Sequence, verify_export,
};
use tollway_protocol::{Amount, Asset, Dress, Network, Scale};
use tollway_store::{OpenOptions, SqliteBooks};

/// Runs a test over both kinds of books.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_disk {$(
            #[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let books = super::open(&folder.path().join("books"));
                super::$name(&books).await;
            }
        )*}
        mod in_memory {$(
            #[tokio::test]
            async fn $name() {
                let books = super::MemoryBooks::new(super::ledger(), 10_000_000);
                super::$name(&books).await;
            }
        )*}
    };
}

pub(crate) const SELLER: &str = "https://seller.example";
/// Noon of 22 November 2026.
pub(crate) const NOON: u64 = 1_795_348_800;
pub(crate) const DAY: u64 = 86_400;

pub(crate) fn ledger() -> Ledger {
    Ledger { seller: SELLER.into(), asset: Asset::usd(), scale: Scale::MICRO }
}

pub(crate) fn options() -> OpenOptions {
    OpenOptions::new(SELLER, Asset::usd(), Scale::MICRO)
}

pub(crate) fn open(path: &Path) -> SqliteBooks {
    SqliteBooks::open(path, options()).unwrap()
}

pub(crate) fn agent(number: u64) -> AgentId {
    AgentId::new(format!("https://crawler-{number}.example")).unwrap()
}

pub(crate) fn terms(number: u64, limit: u128, budget: Option<u128>) -> AgentTerms {
    AgentTerms { agent: agent(number), credit_limit: Amount::new(limit), daily_budget: budget.map(Amount::new) }
}

/// The sale numbered `number` of agent 1: 10 units for a page of its own.
pub(crate) fn sale(number: u64) -> Sale {
    sale_of(1, number, 10, NOON)
}

pub(crate) fn sale_of(agent_number: u64, number: u64, amount: u128, created: u64) -> Sale {
    let url = format!("{SELLER}/pages/{number}");
    let thumbprint = *Hash::of(agent(agent_number).as_str().as_bytes()).as_bytes();
    let base = format!(
        "\"@method\": GET\n\"@target-uri\": {url}\n\"@signature-params\": \
        (\"@method\" \"@target-uri\");created={created};nonce=\"n{number}\""
    );
    Sale {
        id: CommitmentId::derive(created, &thumbprint, base.as_bytes()),
        fingerprint: Fingerprint::of("GET", &url, ""),
        agent: agent(agent_number),
        thumbprint,
        nonce: Some(format!("n{number}")),
        expires: created + 300,
        amount: Amount::new(amount),
        asset: Asset::usd(),
        rule: "pages".into(),
        method: "GET".into(),
        url,
        dress: Dress::X402,
        offer: Some("offer-1".into()),
        terms: Some(Hash::of(b"terms")),
        price_proof: PriceProof::BuyerSigned,
        evidence: Evidence { kind: EvidenceKind::Rfc9421, signature: sign(&base), base },
    }
}

/// The exact payment numbered `number`: 1,000 units of a token on a chain, for a page of its own.
pub(crate) fn exact_sale(number: u64) -> ExactSale {
    let (network, asset) = (sepolia(), token());
    let nonce = *Hash::of(&number.to_be_bytes()).as_bytes();
    let url = format!("{SELLER}/exact/{number}");
    ExactSale {
        id: PaymentId::derive(&network, &asset, PAYER, &nonce),
        fingerprint: Fingerprint::of("POST", &url, ""),
        payer: PAYER.into(),
        network,
        asset,
        scale: Scale::MICRO,
        amount: Amount::new(1_000),
        pay_to: "0x00000000000000000000000000000000000000B2".into(),
        rule: "exact pages".into(),
        method: "POST".into(),
        url,
        offer: Some("offer-2".into()),
        expires: NOON + 300,
        flow: PaymentFlow::Authorization,
        identifier: None,
        payment: format!(r#"{{"x402Version":2,"payload":{{"nonce":{number}}}}}"#),
    }
}

pub(crate) const PAYER: &str = "0x00000000000000000000000000000000000000A1";

pub(crate) fn sepolia() -> Network {
    "eip155:84532".parse().unwrap()
}

pub(crate) fn token() -> Asset {
    "0x036CbD53842c5426634e7929541eC2318f3dCF7e".parse().unwrap()
}

pub(crate) fn settled(transaction: &str) -> ExactOutcome {
    ExactOutcome::Settled { transaction: transaction.into(), delivery: ok() }
}

/// Stands for a signature: two hashes of what is signed.
pub(crate) fn sign(base: &str) -> [u8; 64] {
    let mut signature = [0; 64];
    let hash = Hash::of(base.as_bytes());
    signature[..32].copy_from_slice(hash.as_bytes());
    signature[32..].copy_from_slice(hash.chain(b"again").as_bytes());
    signature
}

pub(crate) fn ok() -> Delivery {
    Delivery { status: 200, validator: Some("\"v1\"".into()), digest: None, bytes: Some(1_234) }
}

pub(crate) async fn charge(books: &dyn Books, sale: Sale, now: u64) -> Posting {
    match books.reserve(sale, now).await.unwrap() {
        Reserve::Reserved(reservation) => match books.post(reservation, ok(), now).await.unwrap() {
            PostOutcome::Posted(posting) => posting,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Signs as `header.payload.signature` with parts that need no key to check.
pub(crate) struct PlainSigner;

impl CheckpointSigner for PlainSigner {
    fn sign(&self, payload: &[u8]) -> String {
        let encoded = base64(payload);
        format!("e30.{encoded}.{}", Hash::of(encoded.as_bytes()))
    }

    fn thumbprint(&self) -> String {
        Hash::of(b"seller").to_string()
    }

    fn seller(&self) -> String {
        SELLER.into()
    }
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn unbase64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The keys that go with [`sign`] and [`PlainSigner`].
pub(crate) struct Keys;

impl EvidenceKeys for Keys {
    fn verify_sale(&self, _: &[u8; 32], base: &str, signature: &[u8; 64]) -> Proof {
        if *signature == sign(base) { Proof::Proved } else { Proof::Wrong }
    }

    fn verify_payment(&self, claimed: &ExactSale) -> PaymentProof {
        if claimed.payment.contains("payload") {
            PaymentProof::Proved
        } else {
            PaymentProof::Wrong("another payment".into())
        }
    }

    fn verify_jws(&self, jws: &str) -> Option<Vec<u8>> {
        let (signed, signature) = jws.rsplit_once('.')?;
        let payload = signed.strip_prefix("e30.")?;
        let right = Hash::of(payload.as_bytes()).to_string() == signature;
        right.then(|| unbase64(payload))
    }
}

/// Exports the whole journal and audits it with [`Keys`].
pub(crate) async fn audit(books: &dyn Books) -> AuditReport {
    let mut export = String::new();
    let mut from = Sequence::new(1);
    loop {
        let entries = books.entries(from, 500).await.unwrap();
        let Some(last) = entries.last() else {
            return verify_export(export.as_bytes(), &Keys);
        };
        from = last.sequence.next();
        for entry in &entries {
            export.push_str(&entry.export_line());
            export.push('\n');
        }
    }
}
