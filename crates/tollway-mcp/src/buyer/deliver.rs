//! Sends one payment until its outcome is certain or can wait no longer, and writes down what it was.

use std::time::Duration;

use serde_json::{Map, Value};
use tollway_core::buyer::exact::{PurseLine, Signed};
use tollway_core::buyer::{AuditLine, Held};
use tollway_protocol::{Refusal, Settlement};

use super::payer::{Answered, Order, PaidCall, ToolPayer};
use super::said::{Said, demand, said};
use super::server::CallAnswer;
use super::words;
use crate::wire::{Payment, PaymentForm, write_payment};

/// How often the same payment is sent at most in one call.
const TRIES: u32 = 6;
/// The first pause between two.
const PAUSE: Duration = Duration::from_millis(250);
/// Key of a receipt's `extra` with the place in the seller's journal, and with its head.
const SEQUENCE: &str = "sequence";
const HEAD: &str = "head";

/// A call that is sent with a payment.
pub(super) struct Delivery<'a> {
    pub(super) order: &'a Order<'a>,
    pub(super) form: PaymentForm,
}

/// How a delivery ended.
pub(super) enum End {
    /// The answer, and what it cost.
    Answered(Box<Answered>),
    /// The server did not take the payment, and why.
    NotTaken(String),
}

impl ToolPayer {
    /// Sends the same payment until there is a definite answer. `held` is the session's money for it.
    pub(super) async fn deliver(
        &self,
        delivery: Delivery<'_>,
        signed: Signed,
        held: Option<Held>,
    ) -> Result<End, Refusal> {
        let Delivery { order, mut form } = delivery;
        let mut detail = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            let params = paid_params(order.params, &signed, form)?;
            let answer = match order.server.request(order.target.method(), &params).await {
                Ok(answer) => answer,
                Err(lost) => {
                    detail = lost.why().to_owned();
                    if lost.is_for_good() {
                        break;
                    }
                    continue;
                }
            };
            match said(&answer, &signed) {
                Said::Settled(settlement) => return self.settled(answer, signed, held, &settlement).await,
                Said::Failed => return self.failed(answer, signed, held).await,
                // A server that reads payments in the other form only has not seen this one.
                Said::Refused(_) if let Some(other) = wanted(&answer, form, attempt) => form = other,
                Said::Refused(reason) => return self.refused(signed, held, reason).await,
                Said::NotYet(why) if is_success(&answer) => {
                    // What was bought is here; only the word that it was paid for is missing.
                    self.unknown(&signed, held, &why).await?;
                    return Ok(End::Answered(Box::new(Answered { answer, paid: None })));
                }
                Said::NotYet(why) => detail = why,
            }
        }
        self.unknown(&signed, held, &detail).await?;
        let answer = words::unknown(order.target, &detail);
        Ok(End::Answered(Box::new(Answered { answer, paid: None })))
    }

    async fn settled(
        &self,
        answer: CallAnswer,
        signed: Signed,
        held: Option<Held>,
        receipt: &Settlement,
    ) -> Result<End, Refusal> {
        if let Some(held) = held {
            held.spend();
        }
        let (at, transaction) = (self.now(), receipt.transaction.clone());
        self.parts.purse.record(PurseLine::Settled { at, payment: signed.payment, transaction }).await?;
        if let Some(id) = signed.commitment {
            let extra = receipt.attachments.extra.as_ref();
            let line = AuditLine::Receipt {
                at,
                id,
                amount: receipt.amount.unwrap_or(signed.amount),
                posted_at: receipt.timestamp().unwrap_or(at),
                sequence: extra.and_then(|extra| extra.get(SEQUENCE)).and_then(Value::as_u64),
                head: extra.and_then(|extra| extra.get(HEAD)).and_then(Value::as_str).map(str::to_owned),
                delivered: true,
            };
            self.write_promise_line(&line).await?;
        }
        let paid = PaidCall { transaction: receipt.transaction.clone(), signed };
        Ok(End::Answered(Box::new(Answered { answer, paid: Some(paid) })))
    }

    /// The call failed on the server's side, so nothing is charged for it.
    async fn failed(&self, answer: CallAnswer, signed: Signed, held: Option<Held>) -> Result<End, Refusal> {
        self.not_charged(&signed, held, "call_failed").await?;
        Ok(End::Answered(Box::new(Answered { answer, paid: None })))
    }

    async fn refused(&self, signed: Signed, held: Option<Held>, reason: String) -> Result<End, Refusal> {
        self.not_charged(&signed, held, &reason).await?;
        Ok(End::NotTaken(reason))
    }

    /// A server's word that nothing is charged does not take the payment out of its hands: the session's money for it
    /// comes back when it cannot be used any more, as the purse's does.
    async fn not_charged(&self, signed: &Signed, held: Option<Held>, reason: &str) -> Result<(), Refusal> {
        if let Some(held) = held {
            self.lingering.add(signed, held);
        }
        let at = self.now();
        let reason = super::confirm::shown(reason);
        self.parts.purse.record(PurseLine::Refused { at, payment: signed.payment, reason: reason.clone() }).await?;
        match signed.commitment {
            Some(id) => self.write_promise_line(&AuditLine::Refused { at, id, reason }).await,
            None => Ok(()),
        }
    }

    async fn unknown(&self, signed: &Signed, held: Option<Held>, detail: &str) -> Result<(), Refusal> {
        if let Some(held) = held {
            self.lingering.keep(signed.payment, held);
        }
        let (at, detail) = (self.now(), super::confirm::shown(detail));
        self.parts.purse.record(PurseLine::Unknown { at, payment: signed.payment, detail: detail.clone() }).await?;
        match signed.commitment {
            Some(id) => self.write_promise_line(&AuditLine::Unknown { at, id, detail }).await,
            None => Ok(()),
        }
    }

    async fn write_promise_line(&self, line: &AuditLine) -> Result<(), Refusal> {
        match &self.parts.means.promiser {
            Some(promiser) => promiser.record(line).await,
            // Gone on with by a program without the agent's log: the purse has the line.
            None => Ok(()),
        }
    }
}

/// The call with its payment.
fn paid_params(params: &Map<String, Value>, signed: &Signed, form: PaymentForm) -> Result<Map<String, Value>, Refusal> {
    let payment = Payment::read(&Value::String(signed.header.clone()))?;
    let mut params = params.clone();
    write_payment(&mut params, &payment, form);
    Ok(params)
}

/// The form that a refusing server reads payments in, if it is another than was sent; once.
fn wanted(answer: &CallAnswer, sent: PaymentForm, attempt: u32) -> Option<PaymentForm> {
    let asked = demand(answer).ok()??;
    (attempt == 0 && asked.form != sent).then_some(asked.form)
}

fn is_success(answer: &CallAnswer) -> bool {
    matches!(answer, CallAnswer::Result(result) if result.get("isError") != Some(&Value::Bool(true)))
}
