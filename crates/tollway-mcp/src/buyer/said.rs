//! What an answer to a paid call says of its payment.

use serde_json::{Map, Value};
use tollway_core::buyer::exact::Signed;
use tollway_protocol::{Actor, Reason, Refusal, Retry, SettleFailure, SettleResponse, Settlement};

use super::server::CallAnswer;
use crate::wire::{Demand, demand_in_error, demand_in_result, read_receipt};

/// The word of other sellers for a payment that was sent and is not seen yet.
const PENDING: &str = "settlement_pending";

/// What an answer says.
pub(super) enum Said {
    /// Paid, and the receipt.
    Settled(Box<Settlement>),
    /// Not taken, with the server's word for it.
    Refused(String),
    /// The call failed, so that nothing is charged.
    Failed,
    /// Neither: ask again.
    NotYet(String),
}

/// Reads the demand in an answer.
pub(super) fn demand(answer: &CallAnswer) -> Result<Option<Demand>, Refusal> {
    match answer {
        CallAnswer::Result(Value::Object(result)) => demand_in_result(result),
        CallAnswer::Error(Value::Object(error)) => demand_in_error(error),
        CallAnswer::Result(_) | CallAnswer::Error(_) => Ok(None),
    }
}

/// What an answer says of the payment that was sent with the call.
pub(super) fn said(answer: &CallAnswer, signed: &Signed) -> Said {
    let empty = Map::new();
    let result = match answer {
        CallAnswer::Result(result) => result.as_object().unwrap_or(&empty),
        CallAnswer::Error(_) => &empty,
    };
    match read_receipt(result) {
        Ok(Some(SettleResponse::Settled(settlement))) => return settled(settlement, signed),
        Ok(Some(SettleResponse::Failed(failure))) => return failed(failure),
        Ok(None) => {}
        Err(refusal) => return Said::NotYet(refusal.to_string()),
    }
    match demand(answer) {
        Ok(Some(demand)) => return word(demand.error.unwrap_or_else(|| Reason::PaymentRequired.code().to_owned())),
        Ok(None) => {}
        Err(refusal) => return Said::Refused(refusal.to_string()),
    }
    match answer {
        CallAnswer::Error(_) => Said::Failed,
        CallAnswer::Result(_) if result.get("isError") == Some(&Value::Bool(true)) => {
            // A seller of ours says its reason here where it asks for no new payment.
            let reason = result.get("structuredContent").and_then(|told| told.get("error")).and_then(Value::as_str);
            reason.map_or(Said::Failed, |reason| match word(reason.to_owned()) {
                Said::Refused(reason) if reason.parse::<Reason>().is_err() => Said::Failed,
                said => said,
            })
        }
        CallAnswer::Result(_) => Said::NotYet("the answer has no receipt".to_owned()),
    }
}

/// A receipt counts for the payment that it is about, and for no more than was signed.
fn settled(settlement: Settlement, signed: &Signed) -> Said {
    let same_payer = settlement.payer.as_ref().is_none_or(|payer| payer.eq_ignore_ascii_case(&signed.payer));
    let same_promise = signed.commitment.is_none_or(|id| settlement.transaction == id.to_string());
    let within = settlement.amount.is_none_or(|amount| amount <= signed.amount);
    if settlement.network == signed.network
        && same_payer
        && same_promise
        && within
        && !settlement.transaction.is_empty()
    {
        Said::Settled(Box::new(settlement))
    } else {
        Said::NotYet("the receipt is not for this payment".to_owned())
    }
}

fn failed(failure: SettleFailure) -> Said {
    match failure.reason {
        Some(reason) => word(reason),
        None => Said::NotYet("the receipt says neither yes nor why not".to_owned()),
    }
}

/// Whether a seller's word is a definite no. What its own side could not do may be done the next time.
fn word(reason: String) -> Said {
    let later = |reason: Reason| reason.retry() == Retry::Later && reason.actor() != Actor::Payer;
    let pending = reason == PENDING || reason == Reason::ReplayPending.code();
    if pending || reason.parse::<Reason>().is_ok_and(later) { Said::NotYet(reason) } else { Said::Refused(reason) }
}
