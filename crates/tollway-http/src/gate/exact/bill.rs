//! A bill at its URL: what it asks for, and its payment. There is no handler: what is sold is that the
//! books say "paid", and they say so before the receipt leaves.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;
use tollway_core::scheme::exact::ExactPayment;
use tollway_core::seller::{BILLS, Bill, ExactAdmission, ExactKnown, ExactVerified, Paid, PaidOff, Settling};
use tollway_ledger::{Delivery, ExactState};
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::digest;

use super::Buying;
use super::answers::Subject;
use crate::body::{Body, full};
use crate::dress::{self, Presented};
use crate::gate::counters::{Class, Outcome};
use crate::gate::demand::{Refused, Terms, speaks_v1};
use crate::gate::page;
use crate::gate::request::Asked;
use crate::gate::sell::{Head, finished, insert};
use crate::gate::service::{Gate, unpaid};

/// What is known of the answer to a paid bill.
fn delivery() -> Delivery {
    Delivery { status: StatusCode::OK.as_u16(), ..Delivery::default() }
}

impl Gate {
    /// A request for a bill. Whoever knows the URL may see the sum and pay it.
    pub(in crate::gate) async fn bill(
        self,
        token: &str,
        asked: &Arc<Asked>,
        parts: Parts,
    ) -> Result<Response<Body>, Refusal> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return Err(Refusal::new(Reason::MethodNotAllowed, "a bill is read and paid with GET"));
        }
        let seller = self.shared.seller.clone();
        let mut bill = seller.bill(token, &asked.url, seller.now()).await?;
        // One URL a bill: a payment says which it is for.
        if !asked.url.ends_with(token) {
            return Err(Refusal::new(Reason::NotFound, "a bill's URL has no query"));
        }
        if seller.mend_bill(&bill.statement).await?.is_some() {
            bill = seller.bill(token, &asked.url, seller.now()).await?;
        }
        let bill = Arc::new(bill);
        let dress = dress::intended(&parts.headers);
        let paying = dress::read(&parts.headers);
        if !bill.is_due() && matches!(paying, Ok(None)) {
            return Ok(shown(&bill));
        }
        let outcome = match paying {
            _ if parts.method == Method::HEAD => Err(unpaid()),
            Ok(Some(Presented::Exact(payment))) => self.clone().pay_bill(&bill, *payment, asked, &parts).await,
            Ok(Some(Presented::Promise(_))) => {
                Err(Refusal::new(Reason::UnsupportedScheme, "a bill is not paid with another promise"))
            }
            Ok(None) => Err(unpaid()),
            Err(refusal) => Err(refusal),
        };
        outcome.or_else(|refusal| {
            // What is paid asks for nothing, whatever else may be wrong with a payment.
            let refusal = if bill.is_due() { refusal } else { Reason::BillPaid.into() };
            self.shared.counters.count_for(Class::of(asked.who), Some(BILLS), Outcome::Refused(refusal.reason));
            let terms = bill.offer().zip(bill.rule().charge_terms()).map(|(offer, charge)| Terms {
                seller: &seller,
                offer,
                charge,
                url: &asked.url,
                person: page::is_wanted(&parts.headers).then_some(&self.shared.look),
                v1: speaks_v1(charge, dress, &parts.headers),
                signed_fields: &[],
            });
            Ok(Refused { refusal, dress, terms }.into_response())
        })
    }

    /// In a task of its own: no dropped connection leaves a payment half way.
    async fn pay_bill(
        self,
        bill: &Arc<Bill>,
        payment: ExactPayment,
        asked: &Arc<Asked>,
        parts: &Parts,
    ) -> Result<Response<Body>, Refusal> {
        let head = Head { method: parts.method.clone(), headers: parts.headers.clone() };
        let buying = Buying { asked: Arc::clone(asked), head, version: payment.version() };
        let bill = Arc::clone(bill);
        finished(tokio::spawn(async move { self.bill_road(&bill, payment, &buying).await }).await)
    }

    async fn bill_road(&self, bill: &Bill, payment: ExactPayment, buying: &Buying) -> Result<Response<Body>, Refusal> {
        let seller = &self.shared.seller;
        let deadline = tokio::time::Instant::now() + self.shared.options.replay_wait;
        loop {
            match seller.admit_bill(bill, payment.clone(), seller.now()).await? {
                ExactAdmission::Fresh(verified) => return self.settle_bill(bill, *verified, buying).await,
                ExactAdmission::Known(known) => return self.known_bill(bill, *known, buying).await,
                ExactAdmission::Wait(landing) => tokio::time::timeout_at(deadline, landing.wait())
                    .await
                    .map_err(|_| Refusal::new(Reason::ReplayPending, "the same payment is still being worked on"))?,
            }
        }
    }

    async fn settle_bill(
        &self,
        bill: &Bill,
        verified: ExactVerified,
        buying: &Buying,
    ) -> Result<Response<Body>, Refusal> {
        let subject = Subject::new(verified.id(), verified.network(), verified.payer(), BILLS);
        let settling = verified.settle(delivery()).await?;
        self.settled_bill(bill, settling, &subject, buying).await
    }

    async fn known_bill(&self, bill: &Bill, known: ExactKnown, buying: &Buying) -> Result<Response<Body>, Refusal> {
        let subject = Subject::of(&known.record.sale);
        let transaction = known.record.transaction.clone();
        match known.record.state {
            ExactState::Settled => match known.paid() {
                Ok(paid) => self.bill_paid(bill, &paid, buying).await,
                Err(_) => Ok(self.pending(&subject, transaction.as_deref(), buying)),
            },
            ExactState::RefundOwed => match known.paid() {
                Ok(paid) => Ok(self.refund_owed(&paid.receipt, buying)),
                Err(_) => Ok(self.pending(&subject, transaction.as_deref(), buying)),
            },
            ExactState::Unknown => {
                let settling = known.ask_again(delivery()).await?;
                self.settled_bill(bill, settling, &subject, buying).await
            }
            ExactState::Claimed => Ok(self.pending(&subject, None, buying)),
            ExactState::Failed => {
                let code = known.record.reason.as_deref().unwrap_or_default();
                Ok(self.not_settled(&subject, code, transaction.as_deref(), buying))
            }
            ExactState::Released => {
                let detail = "this payment was given back without being settled; sign a new one";
                Err(Refusal::new(Reason::ReplayMismatch, detail))
            }
        }
    }

    async fn settled_bill(
        &self,
        bill: &Bill,
        settling: Settling,
        subject: &Subject,
        buying: &Buying,
    ) -> Result<Response<Body>, Refusal> {
        match settling {
            Settling::Settled(paid) => {
                self.shared.counters.count(Some(BILLS), Outcome::SoldAtOnce);
                self.bill_paid(bill, &paid, buying).await
            }
            Settling::Refused { code, transaction } => {
                Ok(self.not_settled(subject, &code, transaction.as_deref(), buying))
            }
            Settling::Unknown { transaction, detail } => {
                tracing::warn!(detail, "the outcome of a bill's payment is not known");
                Ok(self.pending(subject, transaction.as_deref(), buying))
            }
        }
    }

    /// The books say "paid", then the receipt leaves; a payment that found its bill paid otherwise is
    /// owed back.
    async fn bill_paid(&self, bill: &Bill, paid: &Paid, buying: &Buying) -> Result<Response<Body>, Refusal> {
        let receipt = &paid.receipt;
        match self.shared.seller.pay_off(&bill.statement, receipt).await? {
            PaidOff::RefundOwed => Ok(self.refund_owed(receipt, buying)),
            PaidOff::Paid => {
                let by = json!({"network": receipt.network, "transaction": receipt.transaction, "payment": receipt.id});
                Ok(self.with_exact_receipt(told(bill, &by), receipt, buying))
            }
        }
    }
}

/// A bill that asks for nothing.
fn shown(bill: &Bill) -> Response<Body> {
    let paid = bill.statement.paid.as_ref();
    let by = paid.map(|paid| json!({"rail": paid.rail, "reference": paid.reference}));
    told(bill, &by.into())
}

/// Sum, asset, period and what paid it: no more is said to whoever knows a URL.
fn told(bill: &Bill, by: &serde_json::Value) -> Response<Body> {
    let statement = &bill.statement;
    let body = json!({
        "bill": statement.period,
        "amount": statement.payable,
        "asset": statement.asset,
        "scale": statement.scale,
        "paid": by,
    });
    let body = body.to_string();
    let digest = digest::make(body.as_bytes());
    let mut response = Response::new(full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    insert(response.headers_mut(), header::CONTENT_DIGEST, &digest);
    response
}
