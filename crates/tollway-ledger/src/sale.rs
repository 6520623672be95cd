//! A sale: what a buyer promised, what was delivered for it, and what the books know of it.

use serde::{Deserialize, Serialize};
use tollway_protocol::{Amount, Asset, Dress};

use crate::id::{AgentId, CommitmentId, Fingerprint, Hash, Sequence};

/// One priced request with a verified promise to pay for it, ready to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The commitment.
    pub id: CommitmentId,
    /// The request it was made for.
    pub fingerprint: Fingerprint,
    /// Who pays.
    pub agent: AgentId,
    /// RFC 7638 thumbprint of the key that signed.
    pub thumbprint: [u8; 32],
    /// The signature's nonce, if it has one; unique per key while remembered.
    pub nonce: Option<String>,
    /// Unix second after which the signature is void; the nonce is remembered until then, and the skew more.
    pub expires: u64,
    /// What is charged, in atomic units of `asset`.
    pub amount: Amount,
    /// What is counted; must be the asset of the books.
    pub asset: Asset,
    /// The pricing rule that decided; revenue is booked under it.
    pub rule: String,
    /// Request method.
    pub method: String,
    /// Target URI.
    pub url: String,
    /// On which wire the buyer spoke.
    pub dress: Dress,
    /// Id of the signed offer, if one was named.
    pub offer: Option<String>,
    /// SHA-256 of the terms in force.
    pub terms: Option<Hash>,
    /// What of the price the buyer's signature covers.
    pub price_proof: PriceProof,
    /// The signed bytes.
    pub evidence: Evidence,
}

/// What proves the price on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriceProof {
    /// The buyer signed this amount.
    BuyerSigned,
    /// The buyer signed the id of an offer that the seller signed and that names this amount.
    SignedOffer,
    /// The buyer signed only the most it would pay.
    CeilingOnly,
}

/// What the signed bytes behind a sale are. A line that does not say it is of the first kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// The signature base of an HTTP message (RFC 9421 section 2.5).
    #[default]
    Rfc9421,
    /// The signing input of a compact JWS (RFC 7515 section 5.1): a document of its own.
    Jws,
}

impl EvidenceKind {
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::Rfc9421
    }
}

/// The signature behind a sale. The key is named by the sale's thumbprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was signed.
    pub kind: EvidenceKind,
    /// The bytes, as signed: a signature base, or the signing input of a JWS.
    pub base: String,
    /// The Ed25519 signature over it.
    pub signature: [u8; 64],
}

/// What is known of the answer before its first byte leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// HTTP status of the answer.
    pub status: u16,
    /// The origin's `ETag` or `Last-Modified`, by which a replay may be served again.
    pub validator: Option<String>,
    /// SHA-256 of the body, if known before the answer.
    pub digest: Option<Hash>,
    /// Length of the body in bytes, if known.
    pub bytes: Option<u64>,
}

/// What is known of the answer once it has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryNote {
    /// Body bytes sent.
    pub bytes: u64,
    /// SHA-256 of the body as sent, if it was computed.
    pub digest: Option<Hash>,
    /// Whether the origin gave the whole body. `false` takes the charge back.
    pub complete: bool,
}

/// The lives of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaleState {
    /// Claimed before an unsafe handler ran; not charged yet.
    Pending,
    /// Charged.
    Posted,
    /// The claim was given up because nothing was served; not charged.
    Voided,
    /// The claim was never answered for and its window has passed; not charged.
    Expired,
    /// Charged, then taken back because the origin cut the body.
    Undelivered,
}

/// What the books know of a commitment: enough to make the same receipt again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// The commitment.
    pub id: CommitmentId,
    /// The request it was made for.
    pub fingerprint: Fingerprint,
    /// Who pays.
    pub agent: AgentId,
    /// Where in its life the sale is.
    pub state: SaleState,
    /// What was promised, in atomic units.
    pub amount: Amount,
    /// What is counted.
    pub asset: Asset,
    /// The pricing rule that decided.
    pub rule: String,
    /// Target URI.
    pub url: String,
    /// Request method.
    pub method: String,
    /// On which wire the buyer spoke.
    pub dress: Dress,
    /// Id of the signed offer, if one was named.
    pub offer: Option<String>,
    /// Unix second at which the buyer signed.
    pub created: u64,
    /// Unix second after which the signature is void.
    pub expires: u64,
    /// Unix second of the posting; of the claim while there is none.
    pub posted_at: u64,
    /// Place of that entry in the journal.
    pub sequence: Sequence,
    /// Hash of that entry.
    pub head: Hash,
    /// What was known of the answer at posting; status 0 while there is none.
    pub delivery: Delivery,
}

/// The entry that made a charge durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Posting {
    /// Its place in the journal.
    pub sequence: Sequence,
    /// Its hash: a holder of the receipt can prove that a line was left out.
    pub head: Hash,
    /// When it was written, Unix seconds.
    pub posted_at: u64,
}

impl Recorded {
    /// The entry to name in a receipt.
    #[must_use]
    pub fn posting(&self) -> Posting {
        Posting { sequence: self.sequence, head: self.head, posted_at: self.posted_at }
    }
}
