//! The payment message that answers a demand, as a header writes it: the form in which a purse keeps it.

use serde_json::{Map, Value};
use tollway_core::buyer::exact::SignedPayment;
use tollway_core::scheme::exact::name_purchase;
use tollway_protocol::{PaymentPayload, Reason, Refusal, limits, v1};

use super::choice::Chosen;
use crate::wire::Demand;

/// A payment that moves money at once. Extensions are echoed as they came, with what the wallet adds and a name for the
/// purchase where the server wants one.
///
/// # Errors
/// `payment_too_large`, or what version 1 cannot say.
pub(super) fn exact(asked: &Demand, chosen: &Chosen, paid: SignedPayment, nonce: &[u8; 32]) -> Result<String, Refusal> {
    if asked.version == 1 {
        return Ok(v1::PaymentPayload::answering(chosen.requirements(), paid.payload)?.encode());
    }
    let extensions = paid.extensions.map(|extensions| name_purchase(extensions, nonce));
    written(asked, chosen, paid.payload, extensions)
}

/// A promise.
///
/// # Errors
/// `payment_too_large`; `unsupported_scheme` where version 1 was asked in, which has no promises.
pub(super) fn deferred(asked: &Demand, chosen: &Chosen, payload: Map<String, Value>) -> Result<String, Refusal> {
    if asked.version == 1 {
        return Err(Refusal::new(Reason::UnsupportedScheme, "version 1 of x402 has no promises"));
    }
    written(asked, chosen, payload, asked.extensions.clone())
}

fn written(
    asked: &Demand,
    chosen: &Chosen,
    payload: Map<String, Value>,
    extensions: Option<Map<String, Value>>,
) -> Result<String, Refusal> {
    let mut message = PaymentPayload::new(chosen.requirements().clone(), payload);
    message.resource = Some(asked.resource.clone());
    message.extensions = extensions;
    let text = message.encode();
    if text.len() <= limits::PAYMENT_META {
        return Ok(text);
    }
    Err(Refusal::new(Reason::PaymentTooLarge, "with the server's extensions the payment is longer than is read"))
}
