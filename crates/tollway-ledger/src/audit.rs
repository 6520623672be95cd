//! Recomputes a journal from its export: chain, ids, states, double entry, limits, statements, seals.
//!
//! *Consistent* means that every figure follows from the export alone. *Proved* means that the buyers'
//! signatures were checked too, with keys the reader has from the parties and not from the seller.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollway_protocol::Amount;

use crate::canonical::recanonical;
use crate::exact::ExactSale;
use crate::id::{Hash, Sequence};
use crate::statement::Balance;

mod replay;

use replay::Replay;

/// Longest line of an export that is read, in bytes.
pub const LINE_MAX_BYTES: u64 = 1 << 20;

/// Most faults listed in a report; further ones are only counted.
pub const FAULTS_MAX: usize = 1_000;

/// The keys an auditor has, and how to use them.
pub trait EvidenceKeys {
    /// Checks a buyer's signature over a signature base.
    fn verify_sale(&self, thumbprint: &[u8; 32], base: &str, signature: &[u8; 64]) -> Proof;
    /// Checks that a payer signed a payment, and that it is the one claimed: its id, network, asset,
    /// amount and payTo. Unless implemented, nothing is known of it.
    fn verify_payment(&self, _claimed: &ExactSale) -> PaymentProof {
        PaymentProof::NoKey
    }
    /// The payload of a seller's JWS, if its signature is right.
    fn verify_jws(&self, jws: &str) -> Option<Vec<u8>>;
}

/// No keys at all: nothing can be proved, consistency can.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeys;

/// What a check of a buyer's signature came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The key made this signature.
    Proved,
    /// The auditor does not have the key.
    NoKey,
    /// The key did not make this signature.
    Wrong,
}

/// What a check of an exact payment's evidence came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentProof {
    /// The payer's key signed what the line says.
    Proved,
    /// The auditor cannot read payments on this network.
    NoKey,
    /// The terms are the line's, and the payer's own key did not sign them: only code at the payer's
    /// address may have accepted them, and only its chain can say whether there is any.
    ByCode,
    /// The evidence is not of what the line says.
    Wrong(String),
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Entries read.
    pub entries: u64,
    /// The last place.
    pub sequence: Sequence,
    /// Hash of the last entry, base64url; to compare with what receipts and checkpoints say.
    pub head: String,
    /// Charges, posted from claims included.
    pub sales: u64,
    /// Sum of all charges, in atomic units.
    pub charged: Amount,
    /// Sum of the charges taken back, in atomic units.
    pub undelivered: Amount,
    /// Debits less credits of every account, in atomic units; they sum to 0.
    pub balances: BTreeMap<String, Balance>,
    /// Statements recomputed.
    pub statements: u64,
    /// Checkpoints recomputed.
    pub checkpoints: u64,
    /// Sales and claims whose buyer's signature was checked and is right.
    pub sales_proved: u64,
    /// Sales and claims whose buyer's key the auditor does not have.
    pub sales_unproved: u64,
    /// Statements and checkpoints whose seller's signature was checked and is right.
    pub seals_proved: u64,
    /// Payments of statements.
    pub bills_paid: u64,
    /// Sum of all payments of statements, in atomic units.
    pub paid: Amount,
    /// Exact payments, by network and asset (`eip155:8453/0x…`). Never added to one another.
    pub assets: BTreeMap<String, AssetTotals>,
    /// Exact payments whose payer's signature was checked and is right.
    pub payments_proved: u64,
    /// Exact payments on networks whose signatures the auditor cannot read.
    pub payments_unproved: u64,
    /// Exact payments that the payer's key did not sign: a contract wallet may have, which only its
    /// chain can say.
    pub payments_by_code: u64,
    /// Everything wrong, in the order found, at most [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub fault_count: u64,
}

/// What the exact payments in one asset come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AssetTotals {
    /// Decimal digits of the asset's atomic unit, as its newest claim says.
    pub scale: u8,
    /// Payments claimed, whatever became of them.
    pub claimed: u64,
    /// Payments settled, those owed back included.
    pub settled: u64,
    /// Sum of the settled payments, in atomic units.
    pub received: Amount,
    /// Sum of what is owed back, in atomic units.
    pub refund_owed: Amount,
    /// Debits less credits of every account in this asset, in atomic units; they sum to 0.
    pub balances: BTreeMap<String, Balance>,
}

/// One thing that does not follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The entry, or the place where it should be.
    pub sequence: Sequence,
    /// What is wrong.
    pub kind: FaultKind,
    /// The particulars.
    pub detail: String,
}

/// What can be wrong with an entry, from the outermost to the innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The line is too long, or not an export line in JSON.
    Unreadable,
    /// The entry's place is not the next one.
    Gap,
    /// It does not name the hash of the entry before it.
    Chain,
    /// Its hash is not that of its body.
    Hash,
    /// Its body is not what an entry of its kind holds.
    Body,
    /// The journal does not begin with its one genesis entry.
    Genesis,
    /// A commitment id does not follow from its evidence.
    CommitmentId,
    /// A commitment or a payment is claimed or charged twice, or a statement paid twice.
    Duplicate,
    /// A key used a nonce twice.
    Nonce,
    /// The step is not possible from the state the sale was in.
    State,
    /// The amount, agent or accounts are not those of the sale.
    Transfer,
    /// The payer was unknown, blocked, or beyond its credit or budget.
    Limit,
    /// The buyer's signature is not its key's.
    Signature,
    /// A statement does not follow from its lines, or one is missing.
    Statement,
    /// A checkpoint does not follow from the journal.
    Checkpoint,
    /// A signed payload is not the document beside it.
    Seal,
    /// The accounts do not sum to zero.
    Balance,
    /// The payment of a statement is not what a statement asks for.
    Bill,
}

impl AuditReport {
    /// Whether every figure follows from the export alone.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.fault_count == 0
    }

    /// Whether, besides, every sale's, payment's and seal's signature was checked and is right.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        let seals = self.statements + self.checkpoints;
        let unproved = self.sales_unproved + self.payments_unproved + self.payments_by_code;
        self.is_consistent() && unproved == 0 && self.seals_proved == seals
    }

    fn fault(&mut self, sequence: Sequence, kind: FaultKind, detail: impl Into<String>) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { sequence, kind, detail: detail.into() });
        }
    }
}

impl EvidenceKeys for NoKeys {
    fn verify_sale(&self, _: &[u8; 32], _: &str, _: &[u8; 64]) -> Proof {
        Proof::NoKey
    }

    fn verify_jws(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
}

/// Reads an export (JSONL, see [`crate::journal`]) from its first entry on and recomputes everything.
///
/// Memory grows with the number of commitments and with the evidence of lines not yet billed.
pub fn verify_export(mut reader: impl BufRead, keys: &dyn EvidenceKeys) -> AuditReport {
    let mut replay = Replay::new(keys);
    let mut line = Vec::new();
    loop {
        line.clear();
        match read_line(&mut reader, &mut line) {
            Ok(Some(0)) => return replay.finish(),
            Ok(Some(_)) => match parse_line(&line) {
                Ok(line) => replay.take(line),
                Err(detail) => replay.unreadable(detail),
            },
            Ok(None) => {
                replay.unreadable("longer than 1 MiB".to_owned());
                return replay.finish();
            }
            Err(error) => {
                replay.unreadable(error.to_string());
                return replay.finish();
            }
        }
    }
}

/// One line of an export, its body in canonical form again.
struct ExportLine {
    body: String,
    hash: Hash,
    prev: Hash,
}

/// How many bytes were read; `None` if the line is too long.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    let mut capped = Read::take(&mut *reader, LINE_MAX_BYTES + 1);
    let length = capped.read_until(b'\n', line)?;
    Ok((capped.limit() > 0 || line.ends_with(b"\n")).then_some(length))
}

fn parse_line(line: &[u8]) -> Result<ExportLine, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Raw {
        body: Value,
        hash: Hash,
        prev: Hash,
    }
    let raw: Raw = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let body = recanonical(&raw.body).ok_or("the body holds a null or a fraction")?;
    Ok(ExportLine { body, hash: raw.hash, prev: raw.prev })
}
