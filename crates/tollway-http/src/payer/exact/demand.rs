//! What a seller asks, in either version of x402, and the payment message that answers it.

use serde_json::{Map, Value};
use tollway_core::buyer::exact::{Choice, SignedPayment};
use tollway_core::scheme::exact::name_purchase;
use tollway_protocol::{
    PaymentPayload, PaymentRequired, PaymentRequirements, Reason, Refusal, ResourceInfo, header, limits, v1,
};

use super::super::request::Reply;

/// A demand, in the words of version 2.
pub(super) struct Demand {
    /// The version in which it was asked.
    pub(super) version: u8,
    /// The ways to pay.
    pub(super) accepts: Vec<PaymentRequirements>,
    /// Extension name to its object.
    pub(super) extensions: Option<Map<String, Value>>,
    resource: Option<ResourceInfo>,
}

impl Demand {
    /// Reads a 402: the header of version 2, else the body of version 1.
    pub(super) fn read(reply: &Reply) -> Result<Self, Refusal> {
        if let Some(line) = reply.headers.get(header::PAYMENT_REQUIRED) {
            let text = line.to_str().map_err(|_| Refusal::new(Reason::MalformedPayment, "the demand is not ASCII"))?;
            let demand = PaymentRequired::decode(text)?;
            let PaymentRequired { accepts, extensions, resource, .. } = demand;
            return Ok(Self { version: 2, accepts, extensions, resource: Some(resource) });
        }
        let demand = v1::PaymentRequired::decode(&reply.body)?;
        let accepts = demand.accepts.iter().map(v1::PaymentRequirements::to_v2).collect();
        Ok(Self { version: 1, accepts, extensions: None, resource: None })
    }

    /// The payment header's value. Extensions are echoed as they came, with what the wallet adds and
    /// a name for the purchase where the seller wants one: the same for the same authorization.
    pub(super) fn payment(&self, choice: &Choice, payment: SignedPayment, nonce: &[u8; 32]) -> Result<String, Refusal> {
        if self.version == 1 {
            return Ok(v1::PaymentPayload::answering(&choice.requirements, payment.payload)?.encode());
        }
        let mut message = PaymentPayload::new(choice.requirements.clone(), payment.payload);
        message.resource.clone_from(&self.resource);
        message.extensions = payment.extensions.map(|extensions| name_purchase(extensions, nonce));
        let text = message.encode();
        if text.len() <= limits::PAYMENT_HEADER {
            return Ok(text);
        }
        Err(Refusal::new(Reason::PaymentTooLarge, "with the seller's extensions the payment is longer than is read"))
    }
}
