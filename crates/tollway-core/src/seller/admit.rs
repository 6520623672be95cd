//! Admission: from a proved signature and a promise to the right to be served.

use std::sync::Arc;

use tollway_ledger::{CommitmentId, Fingerprint, Recorded, Reserve, Sale, SaleState};
use tollway_protocol::{Reason, Refusal};

use super::flights::{Entry, Flight};
use super::identify::Identified;
use super::verified::{Hold, Verified};
use super::{Landing, Seller, unavailable};
use crate::rules::{Charge, Profile, Rule};
use crate::scheme::deferred::{Bargain, Promise, strike};

/// How far a buyer's clock may be off, in seconds.
pub(crate) const SKEW: u64 = 30;

/// Longest signature base of a sale, in bytes: it is kept with the line as its evidence.
const BASE_MAX: usize = 16 * 1024;

/// A priced request with a commitment, its signature proved.
pub struct Purchase {
    /// The rule that decides for this agent and URL.
    pub rule: Arc<Rule>,
    /// What is promised.
    pub promise: Promise,
    /// By whom.
    pub identified: Identified,
    /// The request's method.
    pub method: String,
    /// The request's URL.
    pub url: String,
    /// Its `Content-Digest`, recomputed, where it has a body.
    pub content_digest: Option<String>,
}

/// What becomes of a purchase.
pub enum Admission {
    /// It may be served: credit is held.
    Fresh(Box<Verified>),
    /// The books know this commitment.
    Known(Box<Known>),
    /// A copy of it is being served right now: wait for it, then ask again.
    Wait(Landing),
}

/// A commitment that was sold before, and what its replay gets.
pub struct Known {
    /// What the books say.
    pub recorded: Recorded,
    /// What the replay gets beside the receipt.
    pub replay: Replay,
}

/// What the replay of a sold request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// The body again, if the upstream's validator still equals this one.
    Serve {
        /// The validator recorded at the sale.
        validator: String,
    },
    /// The receipt only.
    ReceiptOnly,
}

impl Seller {
    /// Admits a purchase: a known commitment gets its recorded outcome whatever has changed since;
    /// a new one must equal an offer, be in its window, and find credit.
    ///
    /// # Errors
    /// A refusal with its reason; nothing is held and nothing was written.
    pub async fn admit(&self, purchase: &Purchase, now: u64) -> Result<Admission, Refusal> {
        let id = commitment_id(&purchase.identified);
        let flight = match self.shared.memory.flights.enter(id) {
            Entry::First(flight) => flight,
            Entry::Wait(landing) => return Ok(Admission::Wait(landing)),
            Entry::Full => {
                return Err(Refusal::new(Reason::ReplayPending, "too many copies of this request wait already"));
            }
        };
        let admitted = match self.bargain(purchase, now) {
            Ok(bargain) => self.hold(purchase, id, bargain, flight, now).await,
            Err(refusal) => self.recall(purchase, id, refusal, now).await,
        };
        admitted.map_err(|refusal| ask_for_more(refusal, purchase))
    }

    /// The offer that the promise answers, in the window of both.
    fn bargain(&self, purchase: &Purchase, now: u64) -> Result<Bargain, Refusal> {
        let parts = &self.shared.parts;
        if purchase.identified.signature.base().len() > BASE_MAX {
            let detail = "the signature covers more than 16 KiB, which is more than the books keep of a sale";
            return Err(Refusal::new(Reason::PaymentTooLarge, detail));
        }
        purchase.identified.signature.in_window(now, SKEW)?;
        strike(&parts.press, &purchase.rule.id, &purchase.promise, &parts.network, now)
    }

    /// The promise fits no offer now; if it was sold before, that is still its outcome.
    async fn recall(
        &self,
        purchase: &Purchase,
        id: CommitmentId,
        refusal: Refusal,
        now: u64,
    ) -> Result<Admission, Refusal> {
        let recorded = self.books().lookup(&id).await.map_err(|error| unavailable(&error))?;
        match recorded {
            Some(recorded) if recorded.fingerprint == fingerprint(purchase) => {
                Ok(Admission::Known(Box::new(self.known(recorded, purchase, now))))
            }
            Some(_) => Err(Refusal::new(Reason::ReplayMismatch, "this commitment was sold for another request")),
            None => Err(refusal),
        }
    }

    async fn hold(
        &self,
        purchase: &Purchase,
        id: CommitmentId,
        bargain: Bargain,
        flight: Flight,
        now: u64,
    ) -> Result<Admission, Refusal> {
        self.open_account(&purchase.identified.agent, now).await?;
        self.file_evidence(&purchase.identified.key, &bargain.offer, now).await?;
        let sale = sale(purchase, id, &bargain);
        match self.books().reserve(sale, now).await.map_err(|error| unavailable(&error))? {
            Reserve::Reserved(reservation) => {
                let hold = Hold::Reserved(reservation);
                Ok(Admission::Fresh(Box::new(Verified::assertion(self.clone(), hold, purchase, bargain, id, flight))))
            }
            Reserve::Known(recorded) => Ok(Admission::Known(Box::new(self.known(*recorded, purchase, now)))),
            Reserve::InFlight => Err(Refusal::new(Reason::ReplayPending, "this commitment is being served")),
            Reserve::Refused(refusal) => Err(refusal),
        }
    }

    fn known(&self, recorded: Recorded, purchase: &Purchase, now: u64) -> Known {
        let replay = self.replay(&recorded, purchase, now);
        Known { recorded, replay }
    }

    fn replay(&self, recorded: &Recorded, purchase: &Purchase, now: u64) -> Replay {
        let Some(charge) = purchase.rule.charge_terms() else { return Replay::ReceiptOnly };
        let Some(validator) = recorded.delivery.validator.clone() else { return Replay::ReceiptOnly };
        let eligible = recorded.state == SaleState::Posted && purchase.method == "GET" && !charge.live;
        if eligible && self.shared.memory.replays.take(recorded.id, re_serves(charge), recorded.expires, now) {
            Replay::Serve { validator }
        } else {
            Replay::ReceiptOnly
        }
    }
}

/// Under the `published` profile an honest crawler may sign two pages with the same bytes, within
/// one second and without a nonce. The second is not sold on them: the crawler is asked to cover
/// the path and to send a nonce.
fn ask_for_more(refusal: Refusal, purchase: &Purchase) -> Refusal {
    let weak = purchase.rule.charge_terms().is_some_and(|charge| charge.profile == Profile::Published);
    if weak && refusal.reason == Reason::ReplayMismatch && purchase.identified.signature.nonce().is_none() {
        return Refusal::new(Reason::NonceMissing, "this signature bought another page; cover @path and send a nonce");
    }
    refusal
}

fn re_serves(charge: &Charge) -> u8 {
    if charge.live { 0 } else { charge.re_serves }
}

fn commitment_id(identified: &Identified) -> CommitmentId {
    let signature = &identified.signature;
    CommitmentId::derive(signature.created(), signature.thumbprint().as_bytes(), signature.base().as_bytes())
}

fn fingerprint(purchase: &Purchase) -> Fingerprint {
    Fingerprint::of(&purchase.method, &purchase.url, purchase.content_digest.as_deref().unwrap_or_default())
}

fn sale(purchase: &Purchase, id: CommitmentId, bargain: &Bargain) -> Sale {
    let signature = &purchase.identified.signature;
    let document = bargain.offer.document();
    Sale {
        id,
        fingerprint: fingerprint(purchase),
        agent: purchase.identified.agent.clone(),
        thumbprint: *signature.thumbprint().as_bytes(),
        nonce: signature.nonce().map(str::to_owned),
        expires: signature.expires(),
        amount: bargain.amount,
        asset: document.asset.clone(),
        rule: purchase.rule.id.clone(),
        method: purchase.method.clone(),
        url: purchase.url.clone(),
        dress: purchase.promise.dress,
        offer: Some(bargain.offer.id().to_string()),
        terms: document.terms.as_ref().map(|terms| terms.hash),
        price_proof: bargain.proof,
        evidence: signature.evidence(),
    }
}
