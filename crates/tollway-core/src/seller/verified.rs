//! A purchase that a scheme has vouched for. Only this can be settled, and only once: it is spent
//! by being moved.

use std::sync::Arc;

use tollway_ledger::{Claim, CommitmentId, Delivery, PostOutcome, Posting, Recorded, Reservation};
use tollway_protocol::{Amount, Dress, Reason, Refusal};

use super::admit::Purchase;
use super::flights::Flight;
use super::receipt::Receipt;
use super::{Seller, unavailable};
use crate::offer::Offer;
use crate::rules::Rule;
use crate::scheme::deferred::Bargain;

/// The right to be served once, with the buyer's credit held for it. Dropping it releases the
/// credit and charges nothing.
#[must_use = "a verified purchase is settled or released"]
pub struct Verified {
    seller: Seller,
    hold: Hold,
    sold: Sold,
    flight: Flight,
}

/// What holds the credit.
pub(crate) enum Hold {
    /// A reserve in memory: a crash has served nothing.
    Reserved(Reservation),
    /// A pending transfer in the books, made before an unsafe handler runs.
    Claimed(Claim),
}

/// What is being sold.
#[derive(Clone)]
struct Sold {
    id: CommitmentId,
    rule: Arc<Rule>,
    offer: Arc<Offer>,
    amount: Amount,
    payer: String,
    dress: Dress,
}

impl Verified {
    /// The one constructor: called where the books have just granted a hold.
    pub(super) fn assertion(
        seller: Seller,
        hold: Hold,
        purchase: &Purchase,
        bargain: Bargain,
        id: CommitmentId,
        flight: Flight,
    ) -> Self {
        let sold = Sold {
            id,
            rule: Arc::clone(&purchase.rule),
            offer: bargain.offer,
            amount: bargain.amount,
            payer: purchase.identified.agent.as_str().to_owned(),
            dress: purchase.promise.dress,
        };
        Self { seller, hold, sold, flight }
    }

    /// Id of the commitment.
    pub fn id(&self) -> CommitmentId {
        self.sold.id
    }

    /// What will be charged.
    pub fn amount(&self) -> Amount {
        self.sold.amount
    }

    /// Who will be charged.
    pub fn payer(&self) -> &str {
        &self.sold.payer
    }

    /// The rule that decided.
    pub fn rule(&self) -> &Rule {
        &self.sold.rule
    }

    /// Makes the hold durable: a pending transfer, before a handler with effects runs.
    ///
    /// # Errors
    /// The books' reason; nothing is held then.
    pub async fn claim(self) -> Result<Self, Refusal> {
        let Self { seller, hold, sold, flight } = self;
        let hold = match hold {
            Hold::Claimed(claim) => Hold::Claimed(claim),
            Hold::Reserved(reservation) => {
                let now = seller.now();
                let claim = seller.books().claim(reservation, now).await.map_err(|error| unavailable(&error))?;
                Hold::Claimed(claim)
            }
        };
        Ok(Self { seller, hold, sold, flight })
    }

    /// Posts the transfer, durably, and says so in a receipt. Must run to its end once begun: a
    /// gate calls it in a task of its own, which no dropped connection can cancel.
    ///
    /// # Errors
    /// The books' refusal (nothing is charged), or `books_unavailable` and kin, when it is not
    /// known whether the posting stands and the claim is kept.
    pub async fn settle(self, delivery: Delivery) -> Result<Receipt, Refusal> {
        let Self { seller, hold, sold, flight } = self;
        let now = seller.now();
        let books = seller.books();
        let outcome = match hold {
            Hold::Reserved(reservation) => books.post(reservation, delivery, now).await,
            Hold::Claimed(claim) => books.post_claim(claim, delivery, now).await,
        };
        drop(flight);
        match outcome.map_err(|error| unavailable(&error))? {
            PostOutcome::Posted(posting) => Ok(seller.receipt(&sold, &posting, now)),
            PostOutcome::Known(recorded) => {
                Seller::expect_sold(&recorded)?;
                Ok(seller.receipt_again(&recorded))
            }
            PostOutcome::Refused(refusal) => Err(refusal),
        }
    }

    /// Gives the hold back: nothing was served, nothing is charged.
    ///
    /// # Errors
    /// The books' reason, when a durable claim could not be voided; it expires by itself.
    pub async fn release(self) -> Result<(), Refusal> {
        let Self { seller, hold, .. } = self;
        match hold {
            Hold::Reserved(reservation) => {
                seller.books().release(reservation);
                Ok(())
            }
            Hold::Claimed(claim) => {
                let now = seller.now();
                seller.books().void_claim(claim, now).await.map_err(|error| unavailable(&error))
            }
        }
    }
}

impl Seller {
    fn receipt(&self, sold: &Sold, posting: &Posting, now: u64) -> Receipt {
        let document = sold.offer.document();
        let fresh = if sold.offer.is_past_half_life(now) { self.offer(&sold.rule.id, now) } else { None };
        Receipt {
            id: sold.id,
            dress: sold.dress,
            amount: sold.amount,
            asset: document.asset.clone(),
            scale: document.scale,
            network: self.network().clone(),
            payer: sold.payer.clone(),
            offer: Some(sold.offer.id().to_string()),
            current_offer: fresh.filter(|fresh| fresh.id() != sold.offer.id()),
            posted_at: posting.posted_at,
            sequence: posting.sequence,
            head: posting.head,
        }
    }

    /// The receipt of a recorded sale, made again from the books: same facts, same signature.
    pub fn receipt_again(&self, recorded: &Recorded) -> Receipt {
        Receipt {
            id: recorded.id,
            dress: recorded.dress,
            amount: recorded.amount,
            asset: recorded.asset.clone(),
            scale: tollway_protocol::Scale::MICRO,
            network: self.network().clone(),
            payer: recorded.agent.as_str().to_owned(),
            offer: recorded.offer.clone(),
            current_offer: None,
            posted_at: recorded.posted_at,
            sequence: recorded.sequence,
            head: recorded.head,
        }
    }

    /// Refuses to go on with a recorded commitment that was not sold.
    ///
    /// # Errors
    /// `outcome_unknown` for a claim that a crash has left pending.
    pub fn expect_sold(recorded: &Recorded) -> Result<(), Refusal> {
        use tollway_ledger::SaleState;
        match recorded.state {
            SaleState::Posted => Ok(()),
            SaleState::Pending => {
                Err(Refusal::new(Reason::OutcomeUnknown, "this commitment is claimed and not yet posted"))
            }
            SaleState::Voided | SaleState::Expired => Err(Refusal::new(
                Reason::ReplayMismatch,
                "this commitment was released without a charge; sign a new one",
            )),
            SaleState::Undelivered => Err(Refusal::new(
                Reason::ReplayMismatch,
                "the answer broke off and its charge was taken back; sign a new commitment",
            )),
        }
    }
}
