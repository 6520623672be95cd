//! What a buyer sends to pay at once, whichever version of x402 it speaks.

use serde_json::{Map, Value};
use tollway_protocol::{
    FacilitatorRequest, Network, PaymentPayload, PaymentRequirements, Reason, Refusal, ResourceInfo,
};

use super::{EXACT, EXTRA_OFFER, Identifier};
use crate::offer::OfferId;

/// In which version of x402 a buyer speaks; a receipt answers in the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentVersion {
    /// Version 1: says neither the offer nor the asset, and nothing of the resource.
    One,
    /// Version 2.
    Two,
}

/// A decoded payment. Nothing in it is believed until it equals an offer and a facilitator has
/// verified it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactPayment {
    version: PaymentVersion,
    network: Network,
    accepted: Option<Box<PaymentRequirements>>,
    payload: Map<String, Value>,
    resource: Option<ResourceInfo>,
    extensions: Option<Map<String, Value>>,
}

impl ExactPayment {
    /// A payment of version 2.
    ///
    /// # Errors
    /// `unsupported_scheme` when it is of another scheme.
    pub fn of_v2(payment: PaymentPayload) -> Result<Self, Refusal> {
        if payment.accepted.scheme != EXACT {
            return Err(Refusal::new(Reason::UnsupportedScheme, "the payment is not of the scheme `exact`"));
        }
        Ok(Self {
            version: PaymentVersion::Two,
            network: payment.accepted.network.clone(),
            accepted: Some(Box::new(payment.accepted)),
            payload: payment.payload,
            resource: payment.resource,
            extensions: payment.extensions,
        })
    }

    /// A payment of version 1, of the scheme `exact`, its network's name already read.
    #[must_use]
    pub fn of_v1(network: Network, payload: Map<String, Value>) -> Self {
        Self { version: PaymentVersion::One, network, accepted: None, payload, resource: None, extensions: None }
    }

    /// Which version it speaks.
    pub fn version(&self) -> PaymentVersion {
        self.version
    }

    /// Where it settles.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The requirements it answers, where it names them.
    pub fn accepted(&self) -> Option<&PaymentRequirements> {
        self.accepted.as_deref()
    }

    /// The scheme's part.
    pub fn payload(&self) -> &Map<String, Value> {
        &self.payload
    }

    /// The URL it was made for, where it says so.
    pub fn resource_url(&self) -> Option<&str> {
        self.resource.as_ref().map(|resource| resource.url.as_str())
    }

    /// The offer it names.
    ///
    /// # Errors
    /// `offer_unknown` when it names something that is no offer's id.
    pub(crate) fn offer(&self) -> Result<Option<OfferId>, Refusal> {
        let Some(named) = self.accepted().and_then(|accepted| accepted.extra(EXTRA_OFFER)) else { return Ok(None) };
        let id = named.as_str().and_then(|text| text.parse().ok());
        id.map(Some).ok_or_else(|| Refusal::new(Reason::OfferUnknown, "no offer has an id of this form"))
    }

    /// The buyer's own name for its purchase, if it sent one.
    ///
    /// # Errors
    /// `malformed_payment` when it is no identifier.
    pub fn identifier(&self) -> Result<Option<Identifier>, Refusal> {
        Identifier::find(self.extensions.as_ref())
    }

    /// What a facilitator is asked: this payment against our own requirements, never against the
    /// buyer's echo of them.
    pub(crate) fn request(&self, ours: PaymentRequirements) -> FacilitatorRequest {
        let accepted = self.accepted().cloned().unwrap_or_else(|| ours.clone());
        let mut payment = PaymentPayload::new(accepted, self.payload.clone());
        payment.resource.clone_from(&self.resource);
        payment.extensions.clone_from(&self.extensions);
        FacilitatorRequest::new(payment, ours)
    }
}
