//! Sends one signed payment until its outcome is certain or can wait no longer.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tollway_core::buyer::exact::{PurseLine, Signed};
use tollway_protocol::{PaymentRequired, Reason, Refusal, SettleFailure, SettleResponse, header, v1};

use super::super::PayError;
use super::super::request::{Reply, Target};
use super::{ExactAnswer, ExactPayer, Paid, free};

/// How often the same bytes are sent at most in one call.
const TRIES: u32 = 6;
/// What a seller says of a payment that was sent and is not seen yet.
const PENDING: &str = "settlement_pending";

/// What an answer to a payment says of it.
enum Said {
    /// Paid; the transfer.
    Settled(String),
    /// Not taken, with the seller's word for it.
    Refused(String),
    /// Neither: ask again.
    NotYet(String),
}

impl ExactPayer {
    /// Sends the same payment until there is a definite answer, and writes down what it was.
    pub(super) async fn deliver(&self, target: &Target, signed: Signed) -> Result<ExactAnswer, PayError> {
        let mut detail = String::new();
        let mut asked = Duration::ZERO;
        for attempt in 0..TRIES {
            if attempt > 0 {
                let pause = asked.max(Duration::from_millis(250 << attempt));
                if self.parts.clock.now().saturating_add(pause.as_secs()) >= signed.expires {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            let reply = match self.send(target, Some(&signed)).await {
                Ok(reply) => reply,
                Err(PayError::Refused(refusal)) if refusal.reason == Reason::BodyTooLarge => {
                    self.unknown(&signed, refusal.detail.as_ref())?;
                    return Err(refusal.into());
                }
                Err(error) => {
                    detail = error.to_string();
                    continue;
                }
            };
            match said(&reply, &signed) {
                Said::Settled(transaction) => return self.settled(reply, signed, transaction),
                Said::Refused(reason) => return self.refused(reply, &signed, reason),
                // What was sold is here; only the word that it was paid for is missing.
                Said::NotYet(why) if reply.status.is_success() => {
                    self.unknown(&signed, &why)?;
                    return Ok(free(reply));
                }
                Said::NotYet(why) => {
                    asked = retry_after(&reply.headers);
                    detail = why;
                }
            }
        }
        self.unknown(&signed, &detail)?;
        let words = format!("what became of payment {} is not known: {detail}", signed.payment);
        Err(Refusal::new(Reason::OutcomeUnknown, words).into())
    }

    fn settled(&self, reply: Reply, signed: Signed, transaction: String) -> Result<ExactAnswer, PayError> {
        let at = self.parts.clock.now();
        let line = PurseLine::Settled { at, payment: signed.payment, transaction: transaction.clone() };
        self.parts.purse.record(line)?;
        Ok(ExactAnswer { paid: Some(Paid { signed, transaction }), ..free(reply) })
    }

    fn refused(&self, reply: Reply, signed: &Signed, reason: String) -> Result<ExactAnswer, PayError> {
        let at = self.parts.clock.now();
        self.parts.purse.record(PurseLine::Refused { at, payment: signed.payment, reason: reason.clone() })?;
        if reply.status == StatusCode::PAYMENT_REQUIRED || reply.status == StatusCode::PRECONDITION_FAILED {
            let reason_of_ours = reason.parse().unwrap_or(Reason::PaymentRefused);
            return Err(Refusal::new(reason_of_ours, format!("the seller refuses the payment: {reason}")).into());
        }
        // The resource's own answer (not found, a conflict) costs nothing.
        Ok(free(reply))
    }

    fn unknown(&self, signed: &Signed, detail: &str) -> Result<(), PayError> {
        let at = self.parts.clock.now();
        let line = PurseLine::Unknown { at, payment: signed.payment, detail: detail.to_owned() };
        Ok(self.parts.purse.record(line)?)
    }
}

/// What an answer says of the payment that was sent with the request.
fn said(reply: &Reply, signed: &Signed) -> Said {
    match receipt(&reply.headers) {
        Some(Ok(SettleResponse::Settled(settlement))) => {
            let ours = settlement.network == signed.network
                && settlement.payer.as_ref().is_none_or(|payer| payer.eq_ignore_ascii_case(&signed.payer));
            if ours && !settlement.transaction.is_empty() {
                Said::Settled(settlement.transaction)
            } else {
                Said::NotYet("the receipt is not for this payment".to_owned())
            }
        }
        Some(Ok(SettleResponse::Failed(failure))) => failed(failure),
        Some(Err(refusal)) => Said::NotYet(refusal.to_string()),
        None => without_receipt(reply),
    }
}

fn failed(failure: SettleFailure) -> Said {
    match failure.reason {
        Some(reason) if reason == PENDING => Said::NotYet(reason),
        Some(reason) => Said::Refused(reason),
        None => Said::NotYet("the seller's receipt says neither yes nor why not".to_owned()),
    }
}

/// Without a receipt a success, a conflict and a server that cannot tell leave the outcome open.
fn without_receipt(reply: &Reply) -> Said {
    let status = reply.status;
    if status == StatusCode::PAYMENT_REQUIRED || status == StatusCode::PRECONDITION_FAILED {
        return Said::Refused(demand_error(reply));
    }
    let open = status.is_success()
        || status.is_server_error()
        || [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    if open { Said::NotYet(format!("status {status} without a receipt")) } else { Said::Refused(status.to_string()) }
}

/// Why a fresh demand came back for a request that was paid.
fn demand_error(reply: &Reply) -> String {
    let header = reply.headers.get(header::PAYMENT_REQUIRED).and_then(|line| line.to_str().ok());
    let error = match header {
        Some(text) => PaymentRequired::decode(text).ok().and_then(|demand| demand.error),
        None => v1::PaymentRequired::decode(&reply.body).ok().map(|demand| demand.error),
    };
    error.unwrap_or_else(|| "payment_required".to_owned())
}

fn receipt(headers: &HeaderMap) -> Option<Result<SettleResponse, Refusal>> {
    if let Some(line) = headers.get(header::PAYMENT_RESPONSE) {
        return Some(text(line).and_then(SettleResponse::decode));
    }
    let line = headers.get(header::X_PAYMENT_RESPONSE)?;
    Some(text(line).and_then(v1::decode_receipt))
}

fn text(line: &http::HeaderValue) -> Result<&str, Refusal> {
    line.to_str().map_err(|_| Refusal::new(Reason::ReceiptInvalid, "the receipt is not ASCII"))
}

/// How long the seller asks to wait; nothing where it does not say so in seconds.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(Duration::from_secs(60))
}
