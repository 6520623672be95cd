//! What was spent, read from a buyer's own logs: the purse of what was signed, and the log of promises. Pages and tools
//! alike; a promise that stands in both counts once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;
use tollway_core::buyer::AuditLine;
use tollway_core::buyer::exact::{Payment, PaymentEnd};
use tollway_http::payer::FileJournal;
use tollway_http::payer::exact::PurseFile;
use tollway_ledger::CommitmentId;
use tollway_protocol::Amount;
use url::Url;

/// By what spending is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    /// Who was paid.
    #[default]
    Server,
    /// What was paid for: a tool, a page.
    Tool,
    /// When, in days of UTC.
    Day,
    /// How: at once (`exact`), or with the bill of the day (`deferred`).
    Scheme,
}

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spent {
    at: u64,
    server: String,
    url: String,
    scheme: &'static str,
    /// Micro-dollars.
    price: Amount,
    end: End,
}

/// How it ended, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Paid,
    Held,
    NotPaid,
}

/// Sums of some payments, in micro-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    /// How many were paid.
    pub(crate) payments: u64,
    /// What they cost.
    pub(crate) paid: Amount,
    /// What is held for payments whose outcome is not known.
    pub(crate) held: Amount,
    /// How many were not taken.
    pub(crate) refused: u64,
}

/// Spending, added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// By what.
    pub(crate) by: By,
    /// One for each key, in order.
    pub(crate) rows: Vec<Row>,
    /// All of them.
    pub(crate) total: Sums,
}

/// The sums of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// A server, a tool, a day, a scheme.
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) sums: Sums,
}

/// Adds up what the logs say. A log that is not there says nothing.
///
/// # Errors
/// When one cannot be read, or holds a line that is none of its kind.
pub(crate) fn report(purse: Option<&Path>, audit: Option<&Path>, by: By) -> anyhow::Result<Report> {
    let (mut spent, promised) = purse.map_or_else(|| Ok(Default::default()), of_purse)?;
    if let Some(audit) = audit {
        spent.extend(of_promises(audit, &promised)?);
    }
    Ok(Report::of(&spent, by))
}

impl Report {
    fn of(spent: &[Spent], by: By) -> Self {
        let mut rows: BTreeMap<String, Sums> = BTreeMap::new();
        let mut total = Sums::default();
        for one in spent {
            rows.entry(one.key(by)).or_default().add(one);
            total.add(one);
        }
        let rows = rows.into_iter().map(|(key, sums)| Row { key, sums }).collect();
        Self { by, rows, total }
    }
}

impl Sums {
    fn add(&mut self, spent: &Spent) {
        let more = |sum: Amount| sum.checked_add(spent.price).unwrap_or(Amount::LARGEST);
        match spent.end {
            End::Paid => {
                self.payments += 1;
                self.paid = more(self.paid);
            }
            End::Held => self.held = more(self.held),
            End::NotPaid => self.refused += 1,
        }
    }
}

impl Spent {
    fn key(&self, by: By) -> String {
        match by {
            By::Server => self.server.clone(),
            By::Tool => self.url.clone(),
            By::Day => day(self.at),
            By::Scheme => self.scheme.to_owned(),
        }
    }
}

/// The payments of a purse, and the promises among them.
fn of_purse(path: &Path) -> anyhow::Result<(Vec<Spent>, HashSet<CommitmentId>)> {
    if !path.exists() {
        return Ok(Default::default());
    }
    let purse = PurseFile::open(path).with_context(|| format!("the purse {}", path.display()))?;
    let payments = purse.payments()?;
    let promised = payments.iter().filter_map(|payment| payment.signed.commitment).collect();
    Ok((payments.iter().map(of_payment).collect(), promised))
}

fn of_payment(payment: &Payment) -> Spent {
    let signed = &payment.signed;
    Spent {
        at: signed.at,
        server: signed.host.clone(),
        url: signed.url.clone(),
        scheme: if signed.commitment.is_some() { "deferred" } else { "exact" },
        price: signed.price,
        end: match payment.end {
            PaymentEnd::Settled { .. } => End::Paid,
            PaymentEnd::Open | PaymentEnd::Unknown => End::Held,
            PaymentEnd::Refused { .. } | PaymentEnd::Unused => End::NotPaid,
        },
    }
}

/// The promises of a log that no purse has.
fn of_promises(path: &Path, known: &HashSet<CommitmentId>) -> anyhow::Result<Vec<Spent>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let lines = FileJournal::lines(path, 0).with_context(|| format!("the log {}", path.display()))?;
    let mut promises: HashMap<CommitmentId, Spent> = HashMap::new();
    for line in lines {
        match line.with_context(|| format!("the log {}", path.display()))? {
            AuditLine::Promise { at, id, seller, url, amount, .. } if !known.contains(&id) => {
                let server = Url::parse(&seller).ok().and_then(|url| url.host_str().map(|_| authority(&url)));
                let server = server.unwrap_or(seller);
                promises.insert(id, Spent { at, server, url, scheme: "deferred", price: amount, end: End::Held });
            }
            AuditLine::Receipt { id, amount, .. } => {
                if let Some(spent) = promises.get_mut(&id) {
                    (spent.price, spent.end) = (amount, End::Paid);
                }
            }
            AuditLine::Refused { id, .. } => {
                // What was charged once stays so.
                if let Some(spent) = promises.get_mut(&id).filter(|spent| spent.end != End::Paid) {
                    spent.end = End::NotPaid;
                }
            }
            AuditLine::Promise { .. } | AuditLine::Unknown { .. } => {}
        }
    }
    Ok(promises.into_values().collect())
}

/// A purse names hosts so.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The day of UTC.
fn day(at: u64) -> String {
    let instant = i64::try_from(at).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    instant.map_or_else(|| at.to_string(), |at| at.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use tollway_core::buyer::exact::{PurseLine, Signed};
    use tollway_ledger::{Fingerprint, PaymentId};
    use tollway_protocol::{Asset, Dress, Network};

    use super::*;

    const NOON: u64 = 1_795_348_800;

    fn id(number: u64) -> CommitmentId {
        CommitmentId::derive(number, &[0; 32], b"base")
    }

    fn signed(number: u8, tool: &str, at: u64, commitment: Option<CommitmentId>) -> Signed {
        let network: Network = "eip155:84532".parse().unwrap();
        let asset: Asset = "0xab".parse().unwrap();
        Signed {
            at,
            payment: PaymentId::derive(&network, &asset, "0x01", &[number; 32]),
            purchase: Fingerprint::of("tools/call", tool, &number.to_string()),
            host: "tools.example".to_owned(),
            method: "tools/call".to_owned(),
            url: format!("mcp://tool/{tool}"),
            network,
            asset,
            amount: Amount::new(10_000),
            price: Amount::new(10_000),
            pay_to: "0x02".to_owned(),
            payer: "0x01".to_owned(),
            expires: at + 300,
            version: 2,
            header: "e30=".to_owned(),
            commitment,
        }
    }

    fn purse(path: &Path) {
        let lines = [
            (signed(1, "square", NOON, None), true),
            (signed(2, "cube", NOON + 86_400, None), true),
            (signed(3, "cube", NOON, Some(id(3))), true),
            (signed(4, "cube", NOON, None), false),
        ];
        let mut text = String::new();
        for (signed, settled) in lines {
            let payment = signed.payment;
            let mut add = |line: &PurseLine| text += &format!("{}\n", serde_json::to_string(line).unwrap());
            add(&PurseLine::Signed(Box::new(signed)));
            if settled {
                add(&PurseLine::Settled { at: NOON, payment, transaction: "0x1".to_owned() });
            }
        }
        std::fs::write(path, text).unwrap();
    }

    fn promise(number: u64) -> AuditLine {
        AuditLine::Promise {
            at: NOON,
            id: id(number),
            seller: "https://pages.example".into(),
            method: "GET".into(),
            url: "https://pages.example/a".into(),
            amount: Amount::new(2_000),
            asset: Asset::usd(),
            offer: "o".into(),
            dress: Dress::X402,
        }
    }

    fn audit(path: &Path) {
        let receipt = |number| AuditLine::Receipt {
            at: NOON,
            id: id(number),
            amount: Amount::new(2_000),
            posted_at: NOON,
            sequence: None,
            head: None,
            delivered: true,
        };
        let refused = AuditLine::Refused { at: NOON, id: id(6), reason: "expired".into() };
        // Promise 3 stands in the purse as well.
        let lines = [promise(3), receipt(3), promise(5), receipt(5), promise(6), refused, promise(7)];
        let text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
        std::fs::write(path, text).unwrap();
    }

    fn rows(by: By) -> Vec<(String, u64, u128, u128, u64)> {
        let folder = tempfile::tempdir().unwrap();
        let (purse_path, audit_path) = (folder.path().join("purse.jsonl"), folder.path().join("audit.jsonl"));
        purse(&purse_path);
        audit(&audit_path);
        let report = report(Some(&purse_path), Some(&audit_path), by).unwrap();
        let total = (report.total.payments, report.total.paid.get(), report.total.held.get(), report.total.refused);
        assert_eq!(total, (4, 32_000, 12_000, 1));
        report
            .rows
            .into_iter()
            .map(|Row { key, sums }| (key, sums.payments, sums.paid.get(), sums.held.get(), sums.refused))
            .collect()
    }

    #[test]
    fn pages_and_tools_are_added_up_and_a_promise_in_both_logs_counts_once() {
        let row = |key: &str, payments, paid, held, refused| (key.to_owned(), payments, paid, held, refused);
        let expected = [row("pages.example", 1, 2_000, 2_000, 1), row("tools.example", 3, 30_000, 10_000, 0)];
        assert_eq!(rows(By::Server), expected);
        let expected = [
            row("https://pages.example/a", 1, 2_000, 2_000, 1),
            row("mcp://tool/cube", 2, 20_000, 10_000, 0),
            row("mcp://tool/square", 1, 10_000, 0, 0),
        ];
        assert_eq!(rows(By::Tool), expected);
        let expected = [row("2026-11-22", 3, 22_000, 12_000, 1), row("2026-11-23", 1, 10_000, 0, 0)];
        assert_eq!(rows(By::Day), expected);
        let expected = [row("deferred", 2, 12_000, 2_000, 1), row("exact", 2, 20_000, 10_000, 0)];
        assert_eq!(rows(By::Scheme), expected);
    }

    #[test]
    fn a_log_that_is_not_there_says_nothing_and_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere.jsonl");
        assert_eq!(report(Some(&nowhere), Some(&nowhere), By::Day).unwrap().total, Sums::default());
        assert!(!nowhere.exists());
        std::fs::write(&nowhere, "nonsense\n").unwrap();
        assert!(report(Some(&nowhere), None, By::Day).is_err() && report(None, Some(&nowhere), By::Day).is_err());
    }
}
