//! What a seller says of a sale.

use std::sync::Arc;

use tollway_ledger::{CommitmentId, Hash, Sequence};
use tollway_protocol::{Amount, Asset, Dress, Network, Price, Scale};

use crate::offer::Offer;

/// The facts of a sale, as every dress of a receipt spells them.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The commitment that was sold; the same word in the books, the statement and both logs.
    pub id: CommitmentId,
    /// The dress of the commitment.
    pub dress: Dress,
    /// What was charged.
    pub amount: Amount,
    /// In what.
    pub asset: Asset,
    /// Digits after the point.
    pub scale: Scale,
    /// Network of the deferred way.
    pub network: Network,
    /// Whom.
    pub payer: String,
    /// The offer it was bought under.
    pub offer: Option<String>,
    /// Today's offer, when the paid one is past half its life.
    pub current_offer: Option<Arc<Offer>>,
    /// When it was posted, seconds since the epoch.
    pub posted_at: u64,
    /// Its place in the journal.
    pub sequence: Sequence,
    /// Head of the journal with it: whoever holds this can prove that a line was left out.
    pub head: Hash,
}

impl Receipt {
    /// What was charged, as a price.
    pub fn price(&self) -> Price {
        Price { amount: self.amount, asset: self.asset.clone(), scale: self.scale }
    }
}
