//! Admission: what the books know comes first, then our own offers, then the facilitator, then the
//! durable claim. Whatever can be refused without asking anybody is.

use std::sync::Arc;

use tollway_ledger::{ExactClaim, ExactRecord, ExactSale, Fingerprint, PaymentId};
use tollway_protocol::{Asset, FacilitatorRequest, Reason, Refusal, VerifyResponse};

use super::settle::ExactVerified;
use super::{ExactParts, from_books};
use crate::rules::Rule;
use crate::scheme::exact::{ExactFacts, ExactPayment, IdentifierWish, Shelf, Struck, candidates, is_code, strike};
use crate::seller::bills::{Bill, under_way};
use crate::seller::flights::{Entry, Flight};
use crate::seller::{Landing, Seller};

/// URLs longer than this may be named by their site only: their demand does not hold them.
const LONG_URL: usize = 256;

/// A priced request that pays at once.
pub struct ExactPurchase {
    /// The rule that decides for this URL.
    pub rule: Arc<Rule>,
    /// The payment.
    pub payment: ExactPayment,
    /// The request's method.
    pub method: String,
    /// The request's URL.
    pub url: String,
    /// Digest of its body, recomputed, where it has one.
    pub content_digest: Option<String>,
}

/// What becomes of it.
pub enum ExactAdmission {
    /// It may be served: the payment was verified and is claimed for this request.
    Fresh(Box<ExactVerified>),
    /// The books know this payment for this request.
    Known(Box<ExactKnown>),
    /// A copy of it is being served right now: wait for it, then ask again.
    Wait(Landing),
}

/// A payment that was claimed before. Unless its state is final, nobody else in this process works on
/// it meanwhile.
pub struct ExactKnown {
    /// What the books say.
    pub record: ExactRecord,
    pub(super) seller: Seller,
    pub(super) flight: Option<Flight<PaymentId>>,
}

/// How a payment enters.
enum Entered {
    First(Flight<PaymentId>),
    Known(ExactAdmission),
}

/// A payment under one reading of its asset.
type Read = (Asset, ExactFacts);

impl Seller {
    /// Admits a purchase.
    ///
    /// # Errors
    /// A refusal with its reason; no claim was made. `unexpected_verify_error` where the facilitator
    /// could not be asked.
    pub async fn admit_exact(&self, purchase: &ExactPurchase, now: u64) -> Result<ExactAdmission, Refusal> {
        self.admit_from(None, purchase, now).await
    }

    /// Admits the payment of a bill, which is claimed for it before any money moves: nobody else's is
    /// taken until the outcome of this one is known.
    ///
    /// # Errors
    /// Those of [`Seller::admit_exact`], and `bill_paid`.
    pub async fn admit_bill(&self, bill: &Bill, payment: ExactPayment, now: u64) -> Result<ExactAdmission, Refusal> {
        self.admit_from(Some(bill), &bill.purchase(payment), now).await
    }

    async fn admit_from(
        &self,
        bill: Option<&Bill>,
        purchase: &ExactPurchase,
        now: u64,
    ) -> Result<ExactAdmission, Refusal> {
        let exact = self.exact_parts()?;
        let shelf = bill.map_or(Shelf::Press(&self.shared.parts.press), |bill| Shelf::Bill(&bill.offers));
        self.refuse_foreign(purchase)?;
        refuse_nameless(purchase)?;
        let read = readings(exact, shelf, purchase, now)?;
        let mut struck = Err(Refusal::from(Reason::NoMatchingOffer));
        for reading in &read {
            let scheme = exact.scheme.as_ref();
            match strike(shelf, scheme, &purchase.rule.id, &purchase.payment, (&reading.0, &reading.1), now) {
                Ok(found) => return self.admit_struck((bill, purchase), &reading.1, found, now).await,
                Err(refusal) => struck = Err(refusal),
            }
        }
        // It fits no offer now; if it was sold before, that is still its outcome.
        for (_, facts) in &read {
            match self.enter(exact, purchase, facts.id).await? {
                Entered::Known(known) => return Ok(known),
                Entered::First(_) => {}
            }
        }
        struck
    }

    async fn admit_struck(
        &self,
        (bill, purchase): (Option<&Bill>, &ExactPurchase),
        facts: &ExactFacts,
        struck: Struck,
        now: u64,
    ) -> Result<ExactAdmission, Refusal> {
        let exact = self.exact_parts()?;
        let flight = match self.enter(exact, purchase, facts.id).await? {
            Entered::Known(known) => return Ok(known),
            Entered::First(flight) => flight,
        };
        if facts.expires <= now {
            return Err(Refusal::new(Reason::PaymentRefused, "payment_expired"));
        }
        let identifier = match bill {
            Some(bill) => Some(self.next_attempt(&bill.statement).await?.to_string()),
            None => own_identifier(exact, purchase, &facts.id).await?,
        };
        let request = purchase.payment.request(struck.requirements.clone());
        verify(exact, &request, facts).await?;
        self.file_offer(&struck.offer, now).await?;
        let sale = sale(purchase, facts, &struck, (&request, identifier));
        match exact.books.exact_claim(sale.clone(), now).await.map_err(from_books)? {
            ExactClaim::Claimed(_) => {
                let verified = ExactVerified::assertion(self.clone(), sale, request, purchase, flight);
                match bill {
                    Some(bill) => self.still_due(bill, verified).await,
                    None => Ok(ExactAdmission::Fresh(Box::new(verified))),
                }
            }
            ExactClaim::Known(record) => self.known_payment(purchase, *record, Some(flight)),
            // Another payment of the bill has become this attempt.
            ExactClaim::Refused(refusal) if bill.is_some() && refusal.reason == Reason::IdentifierConflict => {
                Err(under_way())
            }
            ExactClaim::Refused(refusal) => Err(refusal),
        }
    }

    /// A bill may have been recorded as paid just before the claim; after it, nothing else is taken.
    async fn still_due(&self, bill: &Bill, verified: ExactVerified) -> Result<ExactAdmission, Refusal> {
        match self.refuse_paid(&bill.statement).await {
            Ok(()) => Ok(ExactAdmission::Fresh(Box::new(verified))),
            Err(refusal) => {
                verified.release().await?;
                Err(refusal)
            }
        }
    }

    /// The right to work on a payment that the books do not know; else what they know of it, or somebody
    /// to wait for.
    async fn enter(&self, exact: &ExactParts, purchase: &ExactPurchase, id: PaymentId) -> Result<Entered, Refusal> {
        let entry = self.shared.memory.payments.enter(id);
        let record = exact.books.exact_lookup(&id).await.map_err(from_books)?;
        let known = match (record, entry) {
            (Some(record), Entry::First(flight)) => self.known_payment(purchase, record, Some(flight))?,
            // What has ended needs nobody's waiting.
            (Some(record), _) if record.state.is_final() => self.known_payment(purchase, record, None)?,
            (None, Entry::First(flight)) => return Ok(Entered::First(flight)),
            (_, Entry::Wait(landing)) => ExactAdmission::Wait(landing),
            (_, Entry::Full) => {
                return Err(Refusal::new(Reason::ReplayPending, "too many copies of this request wait already"));
            }
        };
        Ok(Entered::Known(known))
    }

    fn known_payment(
        &self,
        purchase: &ExactPurchase,
        record: ExactRecord,
        flight: Option<Flight<PaymentId>>,
    ) -> Result<ExactAdmission, Refusal> {
        if record.sale.fingerprint != fingerprint(purchase) {
            return Err(Refusal::new(Reason::ReplayMismatch, "this payment was made for another request"));
        }
        Ok(ExactAdmission::Known(Box::new(ExactKnown { record, seller: self.clone(), flight })))
    }

    /// A payment that says what it is for is not taken for anything else.
    fn refuse_foreign(&self, purchase: &ExactPurchase) -> Result<(), Refusal> {
        let Some(named) = purchase.payment.resource_url() else { return Ok(()) };
        let by_site = purchase.url.len() > LONG_URL && named == self.origin();
        if named == purchase.url || by_site {
            return Ok(());
        }
        Err(Refusal::new(Reason::ResourceMismatch, "the payment names another resource"))
    }
}

/// What the payload says, once for each asset it may be about.
fn readings(exact: &ExactParts, shelf: Shelf<'_>, purchase: &ExactPurchase, now: u64) -> Result<Vec<Read>, Refusal> {
    let payment = &purchase.payment;
    let assets = candidates(shelf, &purchase.rule.id, payment, now);
    if assets.is_empty() {
        return Err(Refusal::new(Reason::UnsupportedNetwork, "this network is not offered here"));
    }
    let read = |asset: Asset| {
        let facts = exact.scheme.read(payment.network(), &asset, payment.payload())?;
        Ok((asset, facts))
    };
    assets.into_iter().map(read).collect()
}

fn refuse_nameless(purchase: &ExactPurchase) -> Result<(), Refusal> {
    let wish = purchase.rule.charge_terms().and_then(|charge| charge.exact.as_ref()?.identifier);
    if purchase.payment.identifier()?.is_none() && wish == Some(IdentifierWish::Required) {
        return Err(Refusal::new(Reason::IdentifierMissing, "send `payment-identifier` with an id of your purchase"));
    }
    Ok(())
}

/// The buyer's own name for its purchase. The books refuse a taken one too, at the claim; here it costs
/// no question to the facilitator.
async fn own_identifier(
    exact: &ExactParts,
    purchase: &ExactPurchase,
    id: &PaymentId,
) -> Result<Option<String>, Refusal> {
    let Some(identifier) = purchase.payment.identifier()? else { return Ok(None) };
    let taken = exact.books.exact_by_identifier(identifier.as_str()).await.map_err(from_books)?;
    match taken {
        Some(record) if record.sale.id != *id => {
            Err(Refusal::new(Reason::IdentifierConflict, "this identifier belongs to another payment"))
        }
        _ => Ok(Some(identifier.as_str().to_owned())),
    }
}

/// Asks the facilitator. Only "valid", of the payer who is named, lets the payment through.
async fn verify(exact: &ExactParts, request: &FacilitatorRequest, facts: &ExactFacts) -> Result<(), Refusal> {
    match exact.facilitator.verify(request).await.map_err(|error| error.while_verifying())? {
        VerifyResponse::Valid { payer, .. } => {
            let network = &request.payment_requirements.network;
            if payer.is_some_and(|payer| !exact.scheme.same_address(network, &payer, &facts.payer)) {
                let detail = "the facilitator speaks of another payer";
                return Err(Refusal::new(Reason::UnexpectedVerifyError, detail));
            }
            Ok(())
        }
        VerifyResponse::Invalid { reason, .. } => Err(not_valid(reason.as_deref().unwrap_or_default())),
    }
}

/// The facilitator's code is passed on where it is one.
fn not_valid(code: &str) -> Refusal {
    if code == Reason::UnexpectedVerifyError.code() {
        return Refusal::new(Reason::UnexpectedVerifyError, "the payment could not be verified now");
    }
    if code == Reason::AllowanceRequired.code() {
        return Reason::AllowanceRequired.into();
    }
    let code = if is_code(code) { code.to_owned() } else { Reason::PaymentRefused.code().to_owned() };
    Refusal::new(Reason::PaymentRefused, code)
}

pub(super) fn fingerprint(purchase: &ExactPurchase) -> Fingerprint {
    Fingerprint::of(&purchase.method, &purchase.url, purchase.content_digest.as_deref().unwrap_or_default())
}

fn sale(
    purchase: &ExactPurchase,
    facts: &ExactFacts,
    struck: &Struck,
    (request, identifier): (&FacilitatorRequest, Option<String>),
) -> ExactSale {
    ExactSale {
        id: facts.id,
        fingerprint: fingerprint(purchase),
        payer: facts.payer.clone(),
        network: struck.way.network.clone(),
        asset: struck.way.asset.clone(),
        scale: struck.way.scale,
        amount: facts.amount,
        pay_to: struck.way.pay_to.clone(),
        rule: purchase.rule.id.clone(),
        method: purchase.method.clone(),
        url: purchase.url.clone(),
        offer: Some(struck.offer.id().to_string()),
        expires: facts.expires,
        flow: struck.way.flow,
        identifier,
        payment: tollway_protocol::codec::encode_json(request),
    }
}
