//! Writes the export of a day of exact payments to standard output: `exact_payments [payments]`.
//!
//! Each ends in another way, in two assets on two networks, signed by ERC-3009 or by Permit2. The
//! signatures are real; no chain has seen them.

use std::error::Error;
use std::io::Write;

use alloy_primitives::keccak256;
use serde_json::json;
use tollway_core::scheme::exact::ExactScheme as _;
use tollway_evm::asset::{Assets, KnownAsset, Method, network_of};
use tollway_evm::client::{ExactWallet, LocalSigner, Order, Version};
use tollway_evm::seller::EvmExact;
use tollway_ledger::{Books, Delivery, ExactBooks, ExactOutcome, ExactSale, Fingerprint, PaymentFlow, Sequence};
use tollway_protocol::{Asset, FacilitatorRequest, PaymentPayload, PaymentRequirements, Scale};
use tollway_store::{OpenOptions, SqliteBooks};

const NOW: u64 = 1_795_348_800;
const PAY_TO: &str = "0x00000000000000000000000000000000000000B2";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let payments: u64 = std::env::args().nth(1).map_or(Ok(24), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let options = OpenOptions::new("https://seller.example", Asset::usd(), Scale::MICRO);
    let books = SqliteBooks::open(folder.path().join("books"), options)?;
    let payer = LocalSigner::new([7; 32].into())?;
    for number in 0..payments {
        let sale = sale(number, &payer).await?;
        let id = sale.id;
        books.exact_claim(sale, NOW + number).await?;
        for outcome in road(number) {
            books.exact_outcome(&id, outcome, NOW + number + 1).await?;
        }
    }
    let mut out = std::io::stdout().lock();
    for entry in books.entries(Sequence::new(1), usize::MAX).await? {
        writeln!(out, "{}", entry.export_line())?;
    }
    Ok(())
}

/// Six ways to end, one after the other; two payments share a transfer.
fn road(number: u64) -> Vec<ExactOutcome> {
    let transaction = format!("0x{:064x}", number / 12);
    let sent = ExactOutcome::Unknown { transaction: Some(transaction.clone()) };
    let delivery = Delivery { status: 200, bytes: Some(9), ..Delivery::default() };
    let settled = ExactOutcome::Settled { transaction: transaction.clone(), delivery };
    let upfront = ExactOutcome::Settled { transaction: transaction.clone(), delivery: Delivery::default() };
    let owed = ExactOutcome::RefundOwed { reason: "the handler answered 500".into() };
    let failed = ExactOutcome::Failed { reason: "invalid_transaction_state".into(), transaction: Some(transaction) };
    match number % 6 {
        0 => vec![ExactOutcome::Unknown { transaction: None }, sent, settled],
        1 => vec![upfront, owed],
        2 => vec![sent, failed],
        3 => vec![ExactOutcome::Released],
        4 => vec![sent],
        _ => vec![settled],
    }
}

/// A payment of a wallet whose key is in this file; each seventh is a contract wallet's, which no key proves.
async fn sale(number: u64, payer: &LocalSigner) -> Result<ExactSale, Box<dyn Error>> {
    let assets = Assets::default();
    let asset = assets.default_of(&network_of(if number % 4 == 3 { 1 } else { 84532 })).ok_or("a known asset")?;
    let requirements = requirements(number, asset)?;
    let nonce = keccak256(number.to_be_bytes());
    let version = Version::V2;
    let order = Order { requirements: &requirements, extensions: None, version, now: NOW, nonce };
    let signed = ExactWallet::new(payer).pay(&order).await?;
    let mut payload = signed.payload.to_map();
    if number % 7 == 6 {
        payload.insert("signature".to_owned(), format!("0x{}", "6c".repeat(96)).into());
    }
    let facts = EvmExact.read(&asset.network, &requirements.asset, &payload)?;
    let request = FacilitatorRequest::new(PaymentPayload::new(requirements.clone(), payload), requirements);
    let url = format!("https://seller.example/exact/{number}");
    // An address in either case is the same payer.
    let payer = if number.is_multiple_of(2) { facts.payer.to_lowercase() } else { facts.payer };
    Ok(ExactSale {
        id: facts.id,
        fingerprint: Fingerprint::of("POST", &url, ""),
        payer,
        network: asset.network.clone(),
        asset: asset.asset(),
        scale: asset.scale,
        amount: facts.amount,
        pay_to: PAY_TO.into(),
        rule: "exact".into(),
        method: "POST".into(),
        url,
        offer: None,
        expires: facts.expires,
        flow: if number % 6 == 1 { PaymentFlow::Upfront } else { PaymentFlow::Authorization },
        identifier: number.is_multiple_of(3).then(|| format!("purchase_{number:08}")),
        payment: serde_json::to_string(&request)?,
    })
}

fn requirements(number: u64, asset: &KnownAsset) -> Result<PaymentRequirements, Box<dyn Error>> {
    let mut extra = asset.extra();
    if number.is_multiple_of(5) {
        extra.insert("assetTransferMethod".to_owned(), Method::Permit2.as_str().into());
    }
    let requirements = json!({"scheme": "exact", "network": asset.network, "amount": (1_000 + number).to_string(),
        "asset": asset.asset(), "payTo": PAY_TO, "maxTimeoutSeconds": 300, "extra": extra});
    Ok(serde_json::from_value(requirements)?)
}
