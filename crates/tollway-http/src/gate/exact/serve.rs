//! The two flows of a verified payment: handler, then settlement; or settlement, then handler.

use bytes::Bytes;
use http::{Request, Response};
use tollway_core::seller::{ExactReceipt, ExactVerified, Paid, Settling};
use tollway_ledger::{Delivery, PaymentFlow};
use tollway_protocol::{Reason, Refusal};

use super::Buying;
use super::answers::Subject;
use super::handing::Handing;
use super::hold::{Held, hold};
use super::kept::Kept;
use super::spool::Lent;
use crate::body::{Body, boxed};
use crate::gate::Outcome;
use crate::gate::context::PaidBy;
use crate::gate::pass::Bought;
use crate::gate::request::is_safe;
use crate::gate::sell::without_digest;
use crate::gate::service::{Gate, keep_private, with_body};

/// Runs of a safe handler under one payment, beside the first.
const RUNS_MORE: u8 = 1;

impl Gate {
    pub(super) async fn sell_exact(
        self,
        verified: ExactVerified,
        buying: Buying,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        match verified.flow() {
            PaymentFlow::Authorization => self.handler_first(verified, buying, request).await,
            PaymentFlow::Upfront => self.settle_first(verified, buying, request).await,
        }
    }

    /// The answer is held until the money has moved.
    async fn handler_first(
        self,
        verified: ExactVerified,
        buying: Buying,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let asking = self.paid_upstream(with_body(request), PaidBy::at_once(&verified), &buying.asked.url);
        let wait = self.shared.options.upstream_wait;
        let Ok(response) = tokio::time::timeout(wait, asking).await else {
            return given_back(verified, Reason::UpstreamTimeout, "the upstream did not answer in time").await;
        };
        if !response.status().is_success() {
            // Errors, redirects and 304 are passed on and cost nothing.
            self.shared.counters.count(Some(&verified.rule().id), Outcome::Released);
            verified.release().await?;
            let mut response = response;
            keep_private(response.headers_mut());
            return Ok(response);
        }
        let held = tokio::time::timeout(wait, hold(response, self.shared.options.spooled_max)).await;
        let (kept, long) = match held {
            Ok(Held::Whole(answer)) => (Kept::Answer(answer), None),
            Ok(Held::Long(response)) if is_safe(&buying.head.method) => (Kept::Runs(RUNS_MORE), Some(response)),
            Ok(Held::Long(_)) => {
                let detail = "an answer this long to a method with effects is sold with `flow = \"upfront\"` only";
                return given_back(verified, Reason::UpstreamMalformed, detail).await;
            }
            Ok(Held::Broken) => {
                let detail = "the upstream's answer broke off or was longer than it said";
                return given_back(verified, Reason::UpstreamMalformed, detail).await;
            }
            Err(_) => {
                let detail = "the upstream did not finish its answer in time";
                return given_back(verified, Reason::UpstreamTimeout, detail).await;
            }
        };
        self.settle_held(verified, buying, kept, long).await
    }

    async fn settle_held(
        &self,
        verified: ExactVerified,
        buying: Buying,
        kept: Kept,
        long: Option<Response<Body>>,
    ) -> Result<Response<Body>, Refusal> {
        let subject = Subject::new(verified.id(), verified.network(), verified.payer(), &verified.rule().id);
        let delivery = match &long {
            None => kept.delivery(),
            Some(response) => Delivery { status: response.status().as_u16(), ..Delivery::default() },
        };
        let lent = match self.keep(&verified, kept.clone()).await {
            Ok(lent) => lent,
            // What could not be given to its buyer later is not sold.
            Err(refusal) => return given_back(verified, refusal.reason, "the answer cannot be kept").await,
        };
        match verified.settle(delivery).await {
            Ok(Settling::Settled(paid)) => {
                self.shared.counters.count(Some(&paid.receipt.rule), Outcome::SoldAtOnce);
                Ok(match (kept, long) {
                    (Kept::Answer(answer), _) => self.hand(answer, lent, &paid.receipt, &buying),
                    (_, Some(response)) => self.stream(response, lent, &paid.receipt, &buying),
                    _ => self.exact_receipt_only(&paid.receipt, &buying),
                })
            }
            Ok(other) => Ok(self.unsettled(other, lent, &subject, &buying)),
            Err(refusal) => {
                // Nobody was asked to settle: the claim is given back by the clock.
                lent.discard();
                Err(refusal)
            }
        }
    }

    /// The money moves before the handler runs.
    async fn settle_first(
        self,
        verified: ExactVerified,
        buying: Buying,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let subject = Subject::new(verified.id(), verified.network(), verified.payer(), &verified.rule().id);
        let lent = match self.keep(&verified, Kept::Runs(RUNS_MORE + 1)).await {
            Ok(lent) => lent,
            Err(refusal) => return given_back(verified, refusal.reason, "the answer could not be kept").await,
        };
        match verified.settle(Delivery::default()).await {
            Ok(Settling::Settled(paid)) => {
                self.shared.counters.count(Some(&paid.receipt.rule), Outcome::SoldAtOnce);
                self.run_paid(*paid, (RUNS_MORE + 1, lent), buying, request).await
            }
            Ok(other) => Ok(self.unsettled(other, lent, &subject, &buying)),
            Err(refusal) => {
                lent.discard();
                Err(refusal)
            }
        }
    }

    /// Runs the handler of a payment that has settled: the first time (`upfront`), or once more because
    /// its answer was lost. When it fails, the seller owes the money back.
    pub(super) async fn run_paid(
        &self,
        paid: Paid,
        (runs, lent): (u8, Lent),
        buying: Buying,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let receipt = &paid.receipt;
        let left = if is_safe(&buying.head.method) { Kept::Runs(runs - 1) } else { Kept::Begun };
        let lent = lent.replace(left).await?;
        let asking = self.paid_upstream(with_body(request), PaidBy::settled(receipt), &buying.asked.url);
        let wait = self.shared.options.upstream_wait;
        let Ok(response) = tokio::time::timeout(wait, asking).await else {
            return self.failed_after_payment(receipt, lent, "the upstream did not answer in time", &buying).await;
        };
        if !response.status().is_success() {
            let reason = format!("the upstream answered {}", response.status().as_u16());
            self.owe(receipt, lent, &reason).await?;
            return Ok(self.with_exact_receipt(response, receipt, &buying));
        }
        if !crate::gate::sell::is_short(&response, self.shared.options.spooled_max) {
            return Ok(self.stream(response, lent, receipt, &buying));
        }
        match tokio::time::timeout(wait, hold(response, self.shared.options.spooled_max)).await {
            Ok(Held::Whole(answer)) => {
                let lent = lent.replace(Kept::Answer(answer.clone())).await?;
                Ok(self.hand(answer, lent, receipt, &buying))
            }
            Ok(Held::Long(response)) => Ok(self.stream(response, lent, receipt, &buying)),
            Ok(Held::Broken) | Err(_) => {
                self.failed_after_payment(receipt, lent, "the upstream's answer broke off", &buying).await
            }
        }
    }

    async fn keep(&self, verified: &ExactVerified, kept: Kept) -> Result<Lent, Refusal> {
        let charge = verified.rule().charge_terms();
        // A payment that has settled is public on its network, an identifier is not: only with one
        // may an answer be handed out more than once.
        let more =
            charge.filter(|charge| verified.has_identifier() && !charge.live).map_or(0, |charge| charge.re_serves);
        self.shared.spool.put(verified.id(), kept, more.saturating_add(1), self.shared.seller.now()).await
    }

    fn stream(&self, response: Response<Body>, lent: Lent, receipt: &ExactReceipt, buying: &Buying) -> Response<Body> {
        let mut response = without_digest(response.map(|body| boxed(Handing::new(body, lent))));
        response.extensions_mut().insert(Bought::at_once(receipt));
        self.with_exact_receipt(response, receipt, buying)
    }

    /// Refused, or not known: what is kept goes, or stays.
    pub(super) fn unsettled(
        &self,
        settling: Settling,
        lent: Lent,
        subject: &Subject,
        buying: &Buying,
    ) -> Response<Body> {
        match settling {
            Settling::Refused { code, transaction } => {
                lent.discard();
                self.not_settled(subject, &code, transaction.as_deref(), buying)
            }
            Settling::Unknown { transaction, detail } => {
                tracing::warn!(detail, "the outcome of a payment is not known");
                self.pending(subject, transaction.as_deref(), buying)
            }
            Settling::Settled(paid) => self.exact_receipt_only(&paid.receipt, buying),
        }
    }

    async fn failed_after_payment(
        &self,
        receipt: &ExactReceipt,
        lent: Lent,
        reason: &str,
        buying: &Buying,
    ) -> Result<Response<Body>, Refusal> {
        self.owe(receipt, lent, reason).await?;
        Ok(self.refund_owed(receipt, buying))
    }

    async fn owe(&self, receipt: &ExactReceipt, lent: Lent, reason: &str) -> Result<(), Refusal> {
        tracing::warn!(payment = %receipt.id, reason, "a payment settled and nothing was served for it");
        self.shared.seller.owe_refund(&receipt.id, reason).await?;
        lent.discard();
        Ok(())
    }
}

async fn given_back<T>(verified: ExactVerified, reason: Reason, detail: &'static str) -> Result<T, Refusal> {
    verified.release().await?;
    Err(Refusal::new(reason, detail))
}
