//! What stands in an entry of each kind. Fields are declared in key order: see [`crate::canonical`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tollway_protocol::{Amount, Asset, Dress};

use crate::document::DocumentKind;
use crate::id::{AgentId, CommitmentId, Fingerprint, Hash, Sequence};
use crate::journal::EntryKind;
use crate::sale::{Delivery, EvidenceKind, PriceProof, Recorded, Sale, SaleState};
use crate::statement::{Checkpoint, Line, LineKind, SaleDetail, Statement};

pub(crate) mod exact;
pub(crate) mod pass;

/// The form of the journal this version writes.
pub(crate) const FORMAT: &str = "tollway-journal-1";

/// What every body holds.
#[derive(Deserialize)]
pub(crate) struct Stamp {
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct GenesisBody {
    pub(crate) asset: Asset,
    pub(crate) at: u64,
    pub(crate) format: String,
    pub(crate) kind: EntryKind,
    pub(crate) scale: u8,
    pub(crate) seller: String,
    pub(crate) sequence: Sequence,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AgentBody {
    pub(crate) agent: AgentId,
    pub(crate) at: u64,
    pub(crate) credit_limit: Amount,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) daily_budget: Option<Amount>,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct BlockBody {
    pub(crate) agent: AgentId,
    pub(crate) at: u64,
    pub(crate) blocked: bool,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DocumentBody {
    pub(crate) at: u64,
    pub(crate) document: DocumentKind,
    pub(crate) id: String,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
    pub(crate) sha256: Hash,
}

/// A sale (posted, with `status`) or a claim (pending, without).
#[derive(Serialize, Deserialize)]
pub(crate) struct SaleBody<'a> {
    pub(crate) agent: Cow<'a, AgentId>,
    pub(crate) amount: Amount,
    pub(crate) asset: Cow<'a, Asset>,
    pub(crate) at: u64,
    pub(crate) base: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) bytes: Option<u64>,
    pub(crate) credit: String,
    pub(crate) debit: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) digest: Option<Hash>,
    pub(crate) dress: Dress,
    #[serde(skip_serializing_if = "EvidenceKind::is_usual", default)]
    pub(crate) evidence: EvidenceKind,
    pub(crate) expires: u64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) id: CommitmentId,
    pub(crate) kind: EntryKind,
    pub(crate) method: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) nonce: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) offer: Option<Cow<'a, str>>,
    pub(crate) price_proof: PriceProof,
    pub(crate) rule: Cow<'a, str>,
    pub(crate) sequence: Sequence,
    #[serde(with = "crate::id::bytes")]
    pub(crate) signature: [u8; 64],
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) terms: Option<Hash>,
    #[serde(with = "crate::id::bytes")]
    pub(crate) thumbprint: [u8; 32],
    pub(crate) url: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) validator: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PostedBody {
    pub(crate) agent: AgentId,
    pub(crate) amount: Amount,
    pub(crate) at: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) bytes: Option<u64>,
    pub(crate) credit: String,
    pub(crate) debit: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) digest: Option<Hash>,
    pub(crate) id: CommitmentId,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) validator: Option<String>,
}

/// A claim that ends without a charge: `void` or `expire`. It moves nothing, so it names no accounts.
#[derive(Serialize, Deserialize)]
pub(crate) struct EndedBody {
    pub(crate) agent: AgentId,
    pub(crate) amount: Amount,
    pub(crate) at: u64,
    pub(crate) id: CommitmentId,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct UndeliveredBody {
    pub(crate) agent: AgentId,
    pub(crate) amount: Amount,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) credit: String,
    pub(crate) debit: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) digest: Option<Hash>,
    pub(crate) id: CommitmentId,
    pub(crate) kind: EntryKind,
    pub(crate) rule: String,
    pub(crate) sequence: Sequence,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DeliveryBody {
    pub(crate) agent: AgentId,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) digest: Option<Hash>,
    pub(crate) id: CommitmentId,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StatementBody<'a> {
    pub(crate) at: u64,
    pub(crate) jws: Cow<'a, str>,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
    pub(crate) statement: Cow<'a, Statement>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CheckpointBody<'a> {
    pub(crate) at: u64,
    pub(crate) checkpoint: Cow<'a, Checkpoint>,
    pub(crate) jws: Cow<'a, str>,
    pub(crate) kind: EntryKind,
    pub(crate) sequence: Sequence,
}

/// The account that owes.
pub(crate) fn payer_account(agent: &AgentId) -> String {
    format!("payer:{agent}")
}

/// The account that earns.
pub(crate) fn revenue_account(rule: &str) -> String {
    format!("revenue:{rule}")
}

impl<'a> SaleBody<'a> {
    pub(crate) fn of(sale: &'a Sale, delivery: Option<&'a Delivery>, at: u64, sequence: Sequence) -> Self {
        Self {
            agent: Cow::Borrowed(&sale.agent),
            amount: sale.amount,
            asset: Cow::Borrowed(&sale.asset),
            at,
            base: Cow::Borrowed(&sale.evidence.base),
            bytes: delivery.and_then(|delivery| delivery.bytes),
            credit: revenue_account(&sale.rule),
            debit: payer_account(&sale.agent),
            digest: delivery.and_then(|delivery| delivery.digest),
            dress: sale.dress,
            evidence: sale.evidence.kind,
            expires: sale.expires,
            fingerprint: sale.fingerprint,
            id: sale.id,
            kind: match delivery {
                Some(_) => EntryKind::Sale,
                None => EntryKind::Claim,
            },
            method: Cow::Borrowed(&sale.method),
            nonce: sale.nonce.as_deref().map(Cow::Borrowed),
            offer: sale.offer.as_deref().map(Cow::Borrowed),
            price_proof: sale.price_proof,
            rule: Cow::Borrowed(&sale.rule),
            sequence,
            signature: sale.evidence.signature,
            status: delivery.map(|delivery| delivery.status),
            terms: sale.terms,
            thumbprint: sale.thumbprint,
            url: Cow::Borrowed(&sale.url),
            validator: delivery.and_then(|delivery| delivery.validator.as_deref()).map(Cow::Borrowed),
        }
    }

    pub(crate) fn delivery(&self) -> Delivery {
        Delivery {
            status: self.status.unwrap_or(0),
            validator: self.validator.as_deref().map(str::to_owned),
            digest: self.digest,
            bytes: self.bytes,
        }
    }

    /// What the books know of this sale; `head` is the hash of this entry.
    pub(crate) fn into_recorded(self, state: SaleState, head: Hash) -> Recorded {
        Recorded {
            delivery: self.delivery(),
            id: self.id,
            fingerprint: self.fingerprint,
            agent: self.agent.into_owned(),
            state,
            amount: self.amount,
            asset: self.asset.into_owned(),
            rule: self.rule.into_owned(),
            url: self.url.into_owned(),
            method: self.method.into_owned(),
            dress: self.dress,
            offer: self.offer.map(Cow::into_owned),
            created: self.id.created(),
            expires: self.expires,
            posted_at: self.at,
            sequence: self.sequence,
            head,
        }
    }

    /// The line of this sale; `head` is the hash of this entry.
    pub(crate) fn into_line(self, head: Hash) -> Line {
        let status = self.status.unwrap_or(0);
        Line {
            amount: self.amount,
            at: self.at,
            head,
            id: self.id,
            kind: LineKind::Sale,
            rule: self.rule.clone().into_owned(),
            sequence: self.sequence,
            agent: self.agent.clone().into_owned(),
            sale: Some(Box::new(self.into_detail(status))),
        }
    }

    /// What was sold, answered with `status`.
    pub(crate) fn into_detail(self, status: u16) -> SaleDetail {
        SaleDetail {
            base: self.base.into_owned(),
            dress: self.dress,
            evidence: self.evidence,
            expires: self.expires,
            method: self.method.into_owned(),
            offer: self.offer.map(Cow::into_owned),
            price_proof: self.price_proof,
            signature: self.signature,
            status,
            terms: self.terms,
            thumbprint: self.thumbprint,
            url: self.url.into_owned(),
        }
    }
}

impl PostedBody {
    /// Puts the posting of a claim over what the claim has recorded.
    pub(crate) fn complete(self, recorded: Recorded, head: Hash) -> Recorded {
        Recorded {
            posted_at: self.at,
            sequence: self.sequence,
            head,
            delivery: Delivery {
                status: self.status,
                validator: self.validator,
                digest: self.digest,
                bytes: self.bytes,
            },
            ..recorded
        }
    }

    /// The line of a sale that was claimed before.
    pub(crate) fn into_line(self, rule: String, claim: SaleDetail, head: Hash) -> Line {
        Line {
            agent: self.agent,
            amount: self.amount,
            at: self.at,
            head,
            id: self.id,
            kind: LineKind::Sale,
            rule,
            sale: Some(Box::new(SaleDetail { status: self.status, ..claim })),
            sequence: self.sequence,
        }
    }
}

impl UndeliveredBody {
    pub(crate) fn into_line(self, head: Hash) -> Line {
        Line {
            agent: self.agent,
            amount: self.amount,
            at: self.at,
            head,
            id: self.id,
            kind: LineKind::Undelivered,
            rule: self.rule,
            sale: None,
            sequence: self.sequence,
        }
    }
}
