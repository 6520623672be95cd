//! The offer document and its id.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tollway_ledger::{Hash, Period};
use tollway_protocol::{Amount, Asset, Dress, Reason, Refusal, Scale};
use tollway_signatures::{PrivateKey, PublicKey, jws};

use super::{LIFETIME_MAX, OFFER_MAX, OFFER_TYPE};
use crate::rules::{PassTerms, Pattern};
use crate::scheme::exact::{ExactWay, IdentifierWish};

/// What a seller signs: what the resources of a rule cost, how they may be paid, until when.
///
/// Members are in alphabetic order, so that the same offer has the same bytes everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferDocument {
    /// Price of one request, in atomic units of `asset`.
    pub amount: Amount,
    /// What is owed.
    pub asset: Asset,
    /// For whom: the rule's audience.
    pub audience: String,
    /// The bill that it asks for, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bill: Option<OfferBill>,
    /// The ways to pay at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exact: Vec<ExactWay>,
    /// Whether a payment made at once may, or must, carry an identifier of its purchase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<IdentifierWish>,
    /// Last second (exclusive) at which a commitment to this offer is accepted.
    pub not_after: u64,
    /// First second at which it is accepted.
    pub not_before: u64,
    /// What one payment opens, where it is more than one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<PassTerms>,
    /// The rule that made it.
    pub rule: String,
    /// Digits after the point in the asset's ordinary unit.
    pub scale: Scale,
    /// Which requests it covers.
    pub scope: OfferScope,
    /// The seller's origin.
    pub seller: String,
    /// The terms of sale, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<OfferTerms>,
    /// Version of this form: 1.
    pub version: u8,
    /// The dresses in which the deferred way may be taken.
    pub ways: Vec<Dress>,
}

/// The requests an offer covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferScope {
    /// Methods; `*` is any.
    pub methods: Vec<String>,
    /// Path pattern, in which `*` is any run of characters.
    pub path: String,
}

/// The statement whose sum is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferBill {
    /// For which period.
    pub period: Period,
    /// SHA-256 of the signed statement.
    pub statement: Hash,
}

/// Terms pinned by hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferTerms {
    /// SHA-256 of the terms' bytes.
    pub hash: Hash,
    /// Where they can be read.
    pub url: String,
}

/// First 16 bytes of the SHA-256 of the signed document, in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferId([u8; 16]);

/// A signed offer: the document, its signed form and its id belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    id: OfferId,
    document: OfferDocument,
    jws: String,
}

impl Offer {
    /// Signs a document.
    pub fn sign(document: OfferDocument, key: &PrivateKey) -> Self {
        let payload = serde_json::to_vec(&document).expect("an offer document is plain data");
        let jws = jws::sign(OFFER_TYPE, &payload, key);
        Self { id: OfferId::of(&jws), document, jws }
    }

    /// Reads a signed offer that a seller handed out, believing nothing without the seller's key.
    ///
    /// # Errors
    /// `signature_invalid` or another signature reason when `key` did not sign it,
    /// `malformed_payment` when it is no offer, `offer_expired` for a life longer than a day.
    pub fn verify(jws_text: &str, key: &PublicKey) -> Result<Self, Refusal> {
        let payload = jws::verify(OFFER_TYPE, jws_text, OFFER_MAX, key)?;
        let document: OfferDocument = tollway_protocol::decode_json(&payload, OFFER_MAX)?;
        if document.version != 1 {
            return Err(Refusal::new(Reason::UnsupportedVersion, "the offer has an unknown version"));
        }
        let life = document.not_after.checked_sub(document.not_before);
        if life.is_none_or(|seconds| seconds > LIFETIME_MAX) {
            return Err(Refusal::new(Reason::OfferExpired, "the offer's window is not a window of at most a day"));
        }
        Ok(Self { id: OfferId::of(jws_text), document, jws: jws_text.to_owned() })
    }

    /// The id.
    pub fn id(&self) -> OfferId {
        self.id
    }

    /// What is offered.
    pub fn document(&self) -> &OfferDocument {
        &self.document
    }

    /// The signed form, a compact JWS.
    pub fn jws(&self) -> &str {
        &self.jws
    }

    /// Whether a commitment may still name it.
    ///
    /// # Errors
    /// `offer_not_yet_valid` or `offer_expired`.
    pub fn in_window(&self, now: u64) -> Result<(), Refusal> {
        if now < self.document.not_before {
            return Err(Refusal::new(Reason::OfferNotYetValid, "the offer's window has not begun"));
        }
        if now >= self.document.not_after {
            return Err(Refusal::new(Reason::OfferExpired, "the offer's window has ended"));
        }
        Ok(())
    }

    /// Whether more than half of its life is gone, so that a fresh one is worth naming.
    pub fn is_past_half_life(&self, now: u64) -> bool {
        let half = self.document.not_before.midpoint(self.document.not_after);
        now >= half
    }

    /// Whether a request falls under its scope.
    pub fn covers(&self, method: &str, decoded_path: &str) -> bool {
        let methods = &self.document.scope.methods;
        let method_fits = methods.iter().any(|own| own == "*" || own == method);
        method_fits && self.document.scope.path.parse::<Pattern>().is_ok_and(|pattern| pattern.matches(decoded_path))
    }
}

impl OfferId {
    fn of(jws: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(jws.as_bytes()).into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The text is not 22 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an offer id is 22 characters of base64url")]
pub struct ParseOfferIdError;

impl FromStr for OfferId {
    type Err = ParseOfferIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ParseOfferIdError)?;
        bytes.try_into().map(Self).map_err(|_| ParseOfferIdError)
    }
}
