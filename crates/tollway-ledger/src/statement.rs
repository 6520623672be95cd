//! A statement: one payer's lines over a range of the journal, summed once and signed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tollway_protocol::{Amount, Asset, Dress};

use crate::canonical::to_canonical;
use crate::exact::BillPayment;
use crate::id::{AgentId, CommitmentId, Hash, Sequence};
use crate::period::Period;
use crate::sale::{EvidenceKind, PriceProof};

/// What one payer owes for the lines from `from` to `to`.
///
/// `brought_forward + total = payable + carried`: nothing is lost by rounding. Serialises (fields in
/// canonical order) to the payload that the seller signs; `jws`, `sequence` and `paid` are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Who pays.
    pub agent: AgentId,
    /// What is counted.
    pub asset: Asset,
    /// `carried` of the agent's previous statement.
    pub brought_forward: Balance,
    /// What is left for the next statement: less than a hundredth, or a credit (negative).
    pub carried: Balance,
    /// Sum of the sales among the lines, in atomic units.
    pub charged: Amount,
    /// The first place of the journal it covers.
    pub from: Sequence,
    /// How many lines.
    pub lines: u64,
    /// SHA-256 over the lines as JSONL, see [`Line::to_jsonl`].
    pub lines_hash: Hash,
    /// What is to be paid now: `brought_forward + total` rounded down to a whole hundredth of the
    /// asset (a cent), in atomic units; 0 if that sum is a credit.
    pub payable: Amount,
    /// The period at whose end the journal was cut.
    pub period: Period,
    /// How many sales rest on which proof of their price.
    pub proofs: ProofCounts,
    /// Decimal digits of the atomic unit.
    pub scale: u8,
    /// Who is paid.
    pub seller: String,
    /// The last place of the journal it covers: the cut.
    pub to: Sequence,
    /// `charged - undelivered_total`, exact, in atomic units; negative if more was taken back than charged.
    pub total: Balance,
    /// Sum of the charges taken back among the lines, in atomic units.
    pub undelivered_total: Amount,
    /// The signed payload, a compact JWS.
    #[serde(skip)]
    pub jws: String,
    /// Place of the statement's own entry in the journal.
    #[serde(skip)]
    pub sequence: Sequence,
    /// What paid it, as far as the books knew when they were asked.
    #[serde(skip)]
    pub paid: Option<BillPayment>,
}

/// How many sales rest on which proof of their price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofCounts {
    /// The buyer signed the amount.
    pub buyer_signed: u64,
    /// The buyer signed only the most it would pay.
    pub ceiling_only: u64,
    /// The buyer signed the id of an offer naming the amount.
    pub signed_offer: u64,
}

/// A sum that may be a credit: atomic units with a sign, a decimal string in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Balance(i128);

/// One line of a statement.
///
/// Fields in canonical order: its JSON is what `lines_hash` covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who pays.
    pub agent: AgentId,
    /// Charged or taken back, in atomic units.
    pub amount: Amount,
    /// When it was written, Unix seconds.
    pub at: u64,
    /// Hash of its journal entry.
    pub head: Hash,
    /// The commitment.
    pub id: CommitmentId,
    /// Charged or taken back.
    pub kind: LineKind,
    /// The pricing rule.
    pub rule: String,
    /// The signed evidence and what was sold; a line that takes back names only the sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale: Option<Box<SaleDetail>>,
    /// Its place in the journal.
    pub sequence: Sequence,
}

/// Whether a line charges or takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// A charge.
    Sale,
    /// A charge taken back because the answer was cut.
    Undelivered,
}

/// What was sold, and the signed bytes that prove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SaleDetail {
    /// The signed bytes: a signature base, or the signing input of a JWS.
    pub base: String,
    /// On which wire the buyer spoke.
    pub dress: Dress,
    /// What the signed bytes are; left out where they are a signature base.
    #[serde(skip_serializing_if = "EvidenceKind::is_usual")]
    pub evidence: EvidenceKind,
    /// Unix second after which the signature is void.
    pub expires: u64,
    /// Request method.
    pub method: String,
    /// Id of the signed offer, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
    /// What proves the price.
    pub price_proof: PriceProof,
    /// The signature over `base`.
    #[serde(with = "crate::id::bytes")]
    pub signature: [u8; 64],
    /// HTTP status of the answer.
    pub status: u16,
    /// SHA-256 of the terms in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<Hash>,
    /// The key that signed.
    #[serde(with = "crate::id::bytes")]
    pub thumbprint: [u8; 32],
    /// Target URI.
    pub url: String,
}

/// The journal up to `sequence`, in one hash, signed when a period is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What is counted.
    pub asset: Asset,
    /// Hash of the entry at `sequence`.
    pub head: Hash,
    /// The period that was closed.
    pub period: Period,
    /// Decimal digits of the atomic unit.
    pub scale: u8,
    /// Whose journal.
    pub seller: String,
    /// The cut: the last entry before the first sale after the period.
    pub sequence: Sequence,
    /// The signed payload, a compact JWS.
    #[serde(skip)]
    pub jws: String,
}

/// Which statements to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementFilter {
    /// Only of this agent.
    pub agent: Option<AgentId>,
    /// Only of this period.
    pub period: Option<Period>,
}

impl Statement {
    /// The exact bytes the seller signs: its canonical JSON.
    #[must_use]
    pub fn payload(&self) -> String {
        to_canonical(self)
    }
}

impl Checkpoint {
    /// The exact bytes the seller signs: its canonical JSON.
    #[must_use]
    pub fn payload(&self) -> String {
        to_canonical(self)
    }
}

impl StatementFilter {
    /// Whether a statement passes.
    #[must_use]
    pub fn admits(&self, statement: &Statement) -> bool {
        self.agent.as_ref().is_none_or(|agent| *agent == statement.agent)
            && self.period.is_none_or(|period| period == statement.period)
    }
}

impl Line {
    /// The line as canonical JSON with a line feed: the bytes `lines_hash` covers.
    #[must_use]
    pub fn to_jsonl(&self) -> String {
        let mut text = to_canonical(self);
        text.push('\n');
        text
    }
}

impl ProofCounts {
    pub(crate) fn count(&mut self, proof: PriceProof) {
        match proof {
            PriceProof::BuyerSigned => self.buyer_signed += 1,
            PriceProof::SignedOffer => self.signed_offer += 1,
            PriceProof::CeilingOnly => self.ceiling_only += 1,
        }
    }
}

impl Balance {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The balance of this many atomic units.
    #[must_use]
    pub const fn new(units: i128) -> Self {
        Self(units)
    }

    /// The count of atomic units; negative is a credit.
    #[must_use]
    pub const fn get(self) -> i128 {
        self.0
    }

    /// `charged - back`, or `None` beyond 127 bits.
    #[must_use]
    pub fn of(charged: Amount, back: Amount) -> Option<Self> {
        let charged = i128::try_from(charged.get()).ok()?;
        let back = i128::try_from(back.get()).ok()?;
        charged.checked_sub(back).map(Self)
    }

    /// The sum, or `None` beyond 127 bits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Splits into what is payable in whole multiples of `unit`, and what is carried.
    #[must_use]
    pub fn round_down(self, unit: u128) -> (Amount, Self) {
        let Ok(due) = u128::try_from(self.0) else {
            return (Amount::ZERO, self);
        };
        let carried = due % unit.max(1);
        let left = i128::try_from(carried).unwrap_or(i128::MAX);
        (Amount::new(due - carried), Self(left))
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Balance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Balance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let balance = text.parse().map(Self).map_err(serde::de::Error::custom)?;
        if balance.to_string() == text {
            Ok(balance)
        } else {
            Err(serde::de::Error::custom("not the one spelling of a balance"))
        }
    }
}
