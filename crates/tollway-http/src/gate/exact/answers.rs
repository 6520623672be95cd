//! What the buyer of an exact payment is answered: paid, refused, or not known yet. "Not known" is never
//! a demand.

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderValue, Response};
use serde_json::json;
use tollway_core::scheme::exact::{PaymentVersion, is_code};
use tollway_core::seller::ExactReceipt;
use tollway_ledger::{ExactSale, PaymentId};
use tollway_protocol::{Dress, Network, Reason, header};
use tollway_signatures::digest;

use super::Buying;
use super::handing::Handing;
use super::spool::Lent;
use crate::body::{Body, boxed, full};
use crate::gate::Outcome;
use crate::gate::answers::Answer;
use crate::gate::demand::{EXPOSED, VARY_ON};
use crate::gate::pass::Bought;
use crate::gate::receipt::sign_response;
use crate::gate::sell::insert;
use crate::gate::service::{Gate, keep_private};
use crate::wellknown::PREFIX;
use crate::{dress, status};

/// What an answer says of a payment.
#[derive(Clone)]
pub(super) struct Subject {
    id: PaymentId,
    network: Network,
    payer: String,
    rule: String,
}

impl Subject {
    pub(super) fn of(sale: &ExactSale) -> Self {
        Self { id: sale.id, network: sale.network.clone(), payer: sale.payer.clone(), rule: sale.rule.clone() }
    }

    pub(super) fn new(id: PaymentId, network: &Network, payer: &str, rule: &str) -> Self {
        Self { id, network: network.clone(), payer: payer.to_owned(), rule: rule.to_owned() }
    }
}

impl Gate {
    /// Hands out a whole answer that is paid for.
    pub(super) fn hand(&self, answer: Answer, lent: Lent, receipt: &ExactReceipt, buying: &Buying) -> Response<Body> {
        let digest = digest::make(&answer.body);
        let body = if answer.body.is_empty() {
            // Nobody asks an empty body for its end.
            lent.delivered();
            full(Bytes::new())
        } else {
            boxed(Handing::new(full(answer.body), lent))
        };
        let mut response = Response::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        insert(response.headers_mut(), header::CONTENT_DIGEST, &digest);
        response.extensions_mut().insert(Bought::at_once(receipt));
        self.with_exact_receipt(response, receipt, buying)
    }

    /// Puts the receipt, the seller's signature and the caching rules on an answer.
    pub(super) fn with_exact_receipt(
        &self,
        mut response: Response<Body>,
        receipt: &ExactReceipt,
        buying: &Buying,
    ) -> Response<Body> {
        keep_private(response.headers_mut());
        let fields = dress::write_exact_receipt(response.headers_mut(), receipt, buying.version);
        self.signed(response, fields, buying)
    }

    /// The sale stands and its answer is gone, or in other hands: its receipt is all there is.
    pub(super) fn exact_receipt_only(&self, receipt: &ExactReceipt, buying: &Buying) -> Response<Body> {
        self.shared.counters.count(Some(&receipt.rule), Outcome::Replayed);
        let mut response = self.problem(Reason::AlreadyDelivered, Reason::AlreadyDelivered.meaning(), &receipt.id);
        response.extensions_mut().insert(Bought::at_once(receipt));
        self.with_exact_receipt(response, receipt, buying)
    }

    /// Paid, and nothing was served for it.
    pub(super) fn refund_owed(&self, receipt: &ExactReceipt, buying: &Buying) -> Response<Body> {
        self.shared.counters.count(Some(&receipt.rule), Outcome::Refused(Reason::RefundOwed));
        let response = self.problem(Reason::RefundOwed, Reason::RefundOwed.meaning(), &receipt.id);
        self.with_exact_receipt(response, receipt, buying)
    }

    /// The payment will not settle. No fresh demand rides along, as with the reference.
    pub(super) fn not_settled(
        &self,
        subject: &Subject,
        code: &str,
        transaction: Option<&str>,
        buying: &Buying,
    ) -> Response<Body> {
        self.shared.counters.count(Some(&subject.rule), Outcome::Refused(Reason::PaymentRefused));
        let code = if is_code(code) { code } else { Reason::PaymentRefused.code() };
        let mut response = self.problem(Reason::PaymentRefused, "the payment did not settle", &subject.id);
        let failure = dress::ExactFailure { code, network: &subject.network, payer: &subject.payer, transaction };
        let fields = dress::write_exact_failure(response.headers_mut(), failure, buying.version);
        let detail = "the payment did not settle; nothing was served for it";
        let body = match buying.version {
            PaymentVersion::One => json!({"x402Version": 1, "error": code, "accepts": []}),
            PaymentVersion::Two => json!({"error": code, "detail": detail}),
        };
        *response.body_mut() = full(body.to_string());
        response.headers_mut().remove(header::CONTENT_DIGEST);
        self.signed(response, fields, buying)
    }

    /// Not known yet: the same payment, sent again, gets the outcome.
    pub(super) fn pending(&self, subject: &Subject, transaction: Option<&str>, buying: &Buying) -> Response<Body> {
        let reason = Reason::SettlementPending;
        self.shared.counters.count(Some(&subject.rule), Outcome::Refused(reason));
        let mut response = self.problem(reason, reason.meaning(), &subject.id);
        let failure =
            dress::ExactFailure { code: reason.code(), network: &subject.network, payer: &subject.payer, transaction };
        let fields = dress::write_exact_failure(response.headers_mut(), failure, buying.version);
        self.signed(response, fields, buying)
    }

    fn problem(&self, reason: Reason, detail: &str, id: &PaymentId) -> Response<Body> {
        let place = format!("{PREFIX}payments/{id}");
        let body = json!({"error": reason.code(), "detail": detail, "status": place}).to_string();
        let mut response = Response::new(full(body.clone()));
        *response.status_mut() = status::status(reason, Dress::X402);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static(VARY_ON));
        insert(headers, header::CONTENT_DIGEST, &digest::make(body.as_bytes()));
        if let Some(seconds) = status::retry_after(reason) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn signed(&self, mut response: Response<Body>, fields: &[&str], buying: &Buying) -> Response<Body> {
        let status = response.status().as_u16();
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        let request = buying.asked.view(&buying.head.method, &buying.head.headers);
        let seller = &self.shared.seller;
        // Signing fails only for components that are not there; these were just written.
        if let Err(refusal) = sign_response(status, headers, request, fields, seller.key(), seller.now()) {
            tracing::error!(reason = refusal.reason.code(), detail = %refusal.detail, "a receipt was not signed");
        }
        response
    }
}
