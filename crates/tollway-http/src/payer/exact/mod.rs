//! The payer of the exact scheme: an HTTP client with a wallet. It answers a 402 of either version of
//! x402 within its ceilings, writes each signed authorization down before it is sent, and sends the
//! same one again when an answer is lost, in this run of the program or in the next.

mod deliver;
mod demand;
mod purse_file;

pub use purse_file::PurseFile;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tollway_core::buyer::exact::{Ceilings, Choice, PurseLine, Signed, SigningOrder, Wallet, choose};
use tollway_core::clock::Clock;
use tollway_ledger::Fingerprint;
use tollway_protocol::{Reason, Refusal, header};
use tollway_signatures::digest;

use super::request::{Reply, Target, send};
use super::{Entropy, Order, PayError, Transport};
use demand::Demand;

/// Who pays, and by which means it asks.
pub struct ExactPayerParts {
    /// What sends requests, such as a `reqwest` client: without redirects, with a time limit.
    pub transport: Arc<dyn Transport>,
    /// Signs.
    pub wallet: Arc<dyn Wallet>,
    /// What it pays at most.
    pub ceilings: Ceilings,
    /// What it has signed.
    pub purse: PurseFile,
    /// Who is asked before a payment is signed; `None` pays within the ceilings without asking.
    pub confirm: Option<Arc<dyn Confirm>>,
    /// Whether a purchase may be signed for again after an earlier payment for it has ended and
    /// nobody can say whether it was used.
    pub again: bool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for nonces.
    pub entropy: Entropy,
    /// Longest answer read, in bytes.
    pub body_max: usize,
}

/// A client that pays from a wallet.
pub struct ExactPayer {
    parts: ExactPayerParts,
}

/// Asked before a payment is signed. It can say no and change nothing.
#[async_trait]
pub trait Confirm: Send + Sync {
    /// Whether to pay. Whoever does not answer in time has said no.
    async fn confirm(&self, url: &str, choice: &Choice) -> bool;
}

/// An answer, and what it cost.
#[derive(Debug)]
pub struct ExactAnswer {
    /// Status.
    pub status: StatusCode,
    /// Fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: bytes::Bytes,
    /// The payment behind it, where there was one.
    pub paid: Option<Paid>,
}

/// A payment with a receipt that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// What was signed.
    pub signed: Signed,
    /// The transfer on the network.
    pub transaction: String,
}

/// What a resource costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// The version of x402 in which it is asked.
    pub version: u8,
    /// Every way that was offered.
    pub accepts: Vec<tollway_protocol::PaymentRequirements>,
    /// The way this wallet would take, or why none.
    pub choice: Result<Choice, Refusal>,
}

impl ExactPayer {
    /// A payer made of these parts.
    #[must_use]
    pub fn new(parts: ExactPayerParts) -> Self {
        Self { parts }
    }

    /// What it has signed.
    #[must_use]
    pub fn purse(&self) -> &PurseFile {
        &self.parts.purse
    }

    /// Sends an order, paying for it where it costs money and the ceilings allow. A purchase whose
    /// outcome an earlier call left open is gone on with: nothing is signed for it again while its
    /// authorization can still be used.
    ///
    /// # Errors
    /// See [`PayError`]; after `outcome_unknown` the same call later goes on with the same payment.
    pub async fn buy(&self, order: &Order) -> Result<ExactAnswer, PayError> {
        let target = Target::of_order(order)?;
        let purchase = purchase(&target);
        if let Some(signed) = self.parts.purse.open_payment(&purchase)? {
            if signed.is_usable(self.parts.clock.now()) {
                return self.deliver(&target, signed).await;
            }
            self.close(&signed).await?;
        }
        let reply = self.send(&target, None).await?;
        if reply.status != StatusCode::PAYMENT_REQUIRED {
            return Ok(free(reply));
        }
        let demand = Demand::read(&reply)?;
        let choice = choose(&demand.accepts, self.parts.wallet.as_ref(), &self.parts.ceilings)?;
        let signed = self.sign(&target, &demand, &choice, purchase).await?;
        self.deliver(&target, signed).await
    }

    /// What an order costs, without paying. A seller that does not price it runs it.
    ///
    /// # Errors
    /// See [`PayError`].
    pub async fn quote(&self, order: &Order) -> Result<Option<Quote>, PayError> {
        let target = Target::of_order(order)?;
        let reply = self.send(&target, None).await?;
        if reply.status != StatusCode::PAYMENT_REQUIRED {
            return Ok(None);
        }
        let demand = Demand::read(&reply)?;
        let choice = choose(&demand.accepts, self.parts.wallet.as_ref(), &self.parts.ceilings);
        Ok(Some(Quote { version: demand.version, accepts: demand.accepts, choice }))
    }

    /// An earlier call left this purchase open, and its authorization can move no money any more.
    async fn close(&self, signed: &Signed) -> Result<(), PayError> {
        let used = self.parts.wallet.was_used(signed).await;
        if used.is_none() && !self.parts.again {
            let detail = format!(
                "payment {} for this purchase ended and nobody can say whether it was used; look at the wallet's transfers",
                signed.payment
            );
            return Err(Refusal::new(Reason::OutcomeUnknown, detail).into());
        }
        let at = self.parts.clock.now();
        Ok(self.parts.purse.record(PurseLine::Closed { at, payment: signed.payment, used })?)
    }

    /// Approves, signs and writes down. Nothing of it was sent when it fails.
    async fn sign(
        &self,
        target: &Target,
        demand: &Demand,
        choice: &Choice,
        purchase: Fingerprint,
    ) -> Result<Signed, PayError> {
        let parts = &self.parts;
        let url = format!("{}{}", target.origin, target.path_and_query);
        parts.purse.allows(&parts.ceilings, &target.authority, choice.price, parts.clock.now())?;
        if let Some(confirm) = &parts.confirm
            && !confirm.confirm(&url, choice).await
        {
            return Err(Refusal::new(Reason::Declined, "User declined payment").into());
        }
        let mut nonce = [0; 32];
        (parts.entropy)(&mut nonce);
        let now = parts.clock.now();
        let order = SigningOrder {
            requirements: &choice.requirements,
            extensions: demand.extensions.as_ref(),
            version: demand.version,
            now,
            nonce,
        };
        let payment = parts.wallet.sign(order).await?;
        let signed = Signed {
            at: now,
            payment: payment.id,
            purchase,
            host: target.authority.clone(),
            method: target.method.as_str().to_owned(),
            url,
            network: choice.requirements.network.clone(),
            asset: choice.requirements.asset.clone(),
            amount: choice.requirements.amount,
            price: choice.price,
            pay_to: choice.requirements.pay_to.clone(),
            payer: parts.wallet.payer(),
            expires: payment.expires,
            version: demand.version,
            header: demand.payment(choice, payment, &nonce)?,
            commitment: None,
        };
        parts.purse.commit(&parts.ceilings, signed.clone(), now)?;
        Ok(signed)
    }

    async fn send(&self, target: &Target, payment: Option<&Signed>) -> Result<Reply, PayError> {
        let mut headers = target.fields.clone();
        if !target.body.is_empty()
            && let Ok(value) = HeaderValue::from_str(&digest::make(&target.body))
        {
            headers.insert(header::CONTENT_DIGEST, value);
        }
        if let Some(signed) = payment {
            let field = if signed.version == 1 { header::X_PAYMENT } else { header::PAYMENT_SIGNATURE };
            let value = HeaderValue::from_str(&signed.header)
                .map_err(|_| Refusal::new(Reason::Internal, "a payment header is ASCII"))?;
            headers.insert(HeaderName::from_static(field), value);
        }
        send(self.parts.transport.as_ref(), target, &headers, self.parts.body_max).await
    }
}

/// What is bought: the same method, URL and body are the same purchase.
fn purchase(target: &Target) -> Fingerprint {
    let digest = if target.body.is_empty() { String::new() } else { digest::make(&target.body) };
    Fingerprint::of(target.method.as_str(), &format!("{}{}", target.origin, target.path_and_query), &digest)
}

fn free(reply: Reply) -> ExactAnswer {
    ExactAnswer { status: reply.status, headers: reply.headers, body: reply.body, paid: None }
}
