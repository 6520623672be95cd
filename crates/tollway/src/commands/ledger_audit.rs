//! What can be checked of books: by themselves, with the parties' keys, and against the buyer's log.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tollway_core::buyer::AuditLine;
use tollway_http::payer::FileJournal;
use tollway_ledger::{
    AgentId, AuditReport, Books, BuyerLine, CommitmentId, DocumentKind, EvidenceKeys, ExactSale, PaymentProof, Proof,
    Reconciliation, SellerLine,
};
use tollway_protocol::{Amount, Asset, Price};
use tollway_signatures::{PublicKey, Thumbprint, Verifier as _, jws};

use super::audited::audited;
use super::ledger::SEAL_TYPE;
use super::{say, say_json};
use crate::money::dollars;

/// Longest signed statement, in bytes.
const SEAL_MAX: usize = 64 << 10;

/// Public keys by thumbprint, and where they came from.
#[derive(Default)]
pub(crate) struct KnownKeys {
    keys: HashMap<[u8; 32], PublicKey>,
    /// Whether every key came from its owner and none from the books themselves.
    from_books: bool,
}

impl KnownKeys {
    /// The keys that the books have kept.
    pub(crate) async fn of_books(books: &dyn Books) -> anyhow::Result<Self> {
        let mut known = Self { from_books: true, ..Self::default() };
        for kind in [DocumentKind::Key, DocumentKind::SellerKey] {
            for document in books.documents(kind, 0).await? {
                known.add(&String::from_utf8_lossy(&document.body)).with_context(|| format!("key {}", document.id))?;
            }
        }
        Ok(known)
    }

    /// Adds keys from files that hold one key or a set.
    pub(crate) fn with_files(mut self, files: &[PathBuf]) -> anyhow::Result<Self> {
        for file in files {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let value: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
            let one = std::slice::from_ref(&value);
            let keys = value.get("keys").and_then(Value::as_array).map_or(one, Vec::as_slice);
            for key in keys {
                self.add(&key.to_string()).with_context(|| format!("a key in {}", file.display()))?;
            }
        }
        Ok(self)
    }

    /// Adds one key.
    pub(crate) fn add_key(&mut self, key: PublicKey) {
        self.keys.insert(*key.thumbprint().as_bytes(), key);
    }

    fn add(&mut self, jwk: &str) -> anyhow::Result<()> {
        let key = PublicKey::from_jwk(jwk).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        self.add_key(key);
        Ok(())
    }

    fn get(&self, thumbprint: &Thumbprint) -> Option<&PublicKey> {
        self.keys.get(thumbprint.as_bytes())
    }
}

impl EvidenceKeys for KnownKeys {
    fn verify_sale(&self, thumbprint: &[u8; 32], base: &str, signature: &[u8; 64]) -> Proof {
        match self.keys.get(thumbprint) {
            None => Proof::NoKey,
            Some(key) if key.verify(base.as_bytes(), signature).is_ok() => Proof::Proved,
            Some(_) => Proof::Wrong,
        }
    }

    fn verify_payment(&self, claimed: &ExactSale) -> PaymentProof {
        tollway_evm::evidence::check(claimed)
    }

    fn verify_jws(&self, text: &str) -> Option<Vec<u8>> {
        let keyid = jws::kid(text, SEAL_MAX).ok()?;
        jws::verify(SEAL_TYPE, text, SEAL_MAX, self.get(&keyid)?).ok()
    }
}

/// Verifies an export and says what follows from it alone and what is proved.
pub(crate) fn verify(bytes: &[u8], keys: KnownKeys, json: bool) -> anyhow::Result<ExitCode> {
    let report = audited(bytes, &keys);
    if json {
        let mut value = serde_json::to_value(&report)?;
        value["consistent"] = json!(report.is_consistent());
        value["proved"] = json!(report.is_proved());
        value["keys_from_books"] = json!(keys.from_books);
        say_json(&value)?;
    } else {
        print_report(&report, &keys);
    }
    Ok(if report.is_consistent() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_report(report: &AuditReport, keys: &KnownKeys) {
    say(format_args!("{} entries, head {}", report.entries, report.head));
    say(format_args!(
        "{} sales, {} charged, {} taken back",
        report.sales,
        dollars(report.charged),
        dollars(report.undelivered)
    ));
    say(format_args!("{} bills and {} checkpoints recomputed", report.statements, report.checkpoints));
    if report.bills_paid > 0 {
        say(format_args!("{} bills paid, {} in all", report.bills_paid, dollars(report.paid)));
    }
    for (asset, totals) in &report.assets {
        let units = |amount| {
            tollway_protocol::Scale::new(totals.scale)
                .map_or_else(String::new, |scale| Price { amount, asset: Asset::usd(), scale }.to_decimal())
        };
        say(format_args!(
            "{asset}: {} payments claimed, {} settled, {} received, {} owed back",
            totals.claimed,
            totals.settled,
            units(totals.received),
            units(totals.refund_owed)
        ));
    }
    let whence =
        if keys.from_books { "keys kept in these books; bring the parties' own with --keys" } else { "keys given" };
    say(format_args!(
        "signatures: {} sales and {} seals right, {} sales without a key ({whence})",
        report.sales_proved, report.seals_proved, report.sales_unproved
    ));
    print_payments(report);
    for fault in &report.faults {
        say(format_args!("FAULT at {}: {:?}: {}", fault.sequence, fault.kind, fault.detail));
    }
    say(match (report.is_consistent(), report.is_proved()) {
        (false, _) => format!("NOT CONSISTENT: {} faults", report.fault_count),
        (true, true) => "consistent and proved: every line is signed by its payer, every bill by the seller".to_owned(),
        (true, false) => "consistent: chain, ids, sums and bills follow from the export alone".to_owned(),
    });
}

fn print_payments(report: &AuditReport) {
    let (proved, by_code, unread) = (report.payments_proved, report.payments_by_code, report.payments_unproved);
    if proved + by_code + unread > 0 {
        say(format_args!("payments on chains: {proved} signed by the payer's own key"));
    }
    if by_code > 0 {
        say(format_args!(
            "payments on chains: {by_code} that no payer's key signed: if the payers are contract wallets, only their \
             chain can say whether they accepted"
        ));
    }
    if unread > 0 {
        say(format_args!("payments on chains: {unread} on networks whose signatures are not read here"));
    }
}

/// What an export says was charged, of one agent or of all.
pub(crate) fn seller_lines(export: &[u8], agent: Option<&AgentId>) -> anyhow::Result<Vec<SellerLine>> {
    #[derive(serde::Deserialize)]
    struct Row {
        body: Body,
    }
    #[derive(serde::Deserialize)]
    struct Body {
        kind: String,
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        amount: Option<Amount>,
        #[serde(default)]
        agent: Option<String>,
    }
    // One promise that is charged again is a line again: whoever compares must see both.
    let mut lines: Vec<SellerLine> = Vec::new();
    let mut places: HashMap<CommitmentId, usize> = HashMap::new();
    for (number, text) in export.split(|byte| *byte == b'\n').enumerate().filter(|(_, text)| !text.is_empty()) {
        let Row { body } =
            serde_json::from_slice(text).with_context(|| format!("line {} of the export", number + 1))?;
        let charges = matches!(body.kind.as_str(), "sale" | "sale_posted");
        if !charges && body.kind != "undelivered" {
            continue;
        }
        if agent.is_some_and(|agent| body.agent.as_deref() != Some(agent.as_str())) {
            continue;
        }
        let (Some(id), Some(amount)) = (body.id.and_then(|id| id.parse().ok()), body.amount) else {
            bail!("line {} of the export names no commitment", number + 1);
        };
        if charges {
            places.entry(id).or_insert(lines.len());
            lines.push(SellerLine { id, amount, undelivered: false });
        } else if let Some(place) = places.get(&id) {
            lines[*place].undelivered = true;
        }
    }
    Ok(lines)
}

/// What a crawler's log says of a commitment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged {
    pub(crate) line: BuyerLine,
    /// Its place in the seller's journal, by its receipt.
    pub(crate) sequence: Option<u64>,
}

/// What a crawler's log says it was charged, by its receipts. A promise whose outcome it does not
/// know counts with what was promised.
pub(crate) fn buyer_log(audit: &Path) -> anyhow::Result<Vec<Logged>> {
    let log = FileJournal::read(audit).with_context(|| format!("the audit log {}", audit.display()))?;
    let mut lines: HashMap<CommitmentId, Logged> = HashMap::new();
    for line in log {
        match line {
            AuditLine::Promise { id, amount, .. } => {
                lines.insert(id, Logged { line: BuyerLine { id, amount }, sequence: None });
            }
            AuditLine::Receipt { id, amount, sequence, .. } => {
                lines.insert(id, Logged { line: BuyerLine { id, amount }, sequence });
            }
            AuditLine::Refused { id, .. } => {
                lines.remove(&id);
            }
            AuditLine::Unknown { .. } => {}
        }
    }
    Ok(lines.into_values().collect())
}

/// The same, as the ledger compares it.
pub(crate) fn buyer_lines(audit: &Path) -> anyhow::Result<Vec<BuyerLine>> {
    Ok(buyer_log(audit)?.into_iter().map(|logged| logged.line).collect())
}

/// Prints where two logs differ.
pub(crate) fn report_reconciliation(found: &Reconciliation, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let mut value = serde_json::to_value(found)?;
        value["clean"] = json!(found.is_clean());
        say_json(&value)?;
    } else {
        print_reconciliation(found);
    }
    Ok(if found.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn print_reconciliation(found: &Reconciliation) {
    say(format_args!(
        "{} equal, seller {}, buyer {}",
        found.equal,
        dollars(found.seller_total),
        dollars(found.buyer_total)
    ));
    for difference in &found.amount_differs {
        say(format_args!(
            "amount differs  {}  seller {}  buyer {}",
            difference.id, difference.seller, difference.buyer
        ));
    }
    for (class, ids) in [
        ("only seller (the answer was lost)", &found.only_seller),
        ("only buyer (never charged)", &found.only_buyer),
        ("undelivered (taken back)", &found.undelivered),
        ("repeated", &found.repeated),
    ] {
        for id in ids {
            say(format_args!("{class}  {id}"));
        }
    }
    say(if found.is_clean() { "both logs agree" } else { "THE LOGS DIFFER" });
}
