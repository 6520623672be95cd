//! What a seller says of an exact payment that settled.

use tollway_ledger::{ExactRecord, ExactSale, ExactState, Hash, PaymentFlow, PaymentId, Posting, Sequence};
use tollway_protocol::{Amount, Asset, Network, Scale};

/// The facts of the sale, as both versions of a receipt spell them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactReceipt {
    /// The payment; the same word in the books.
    pub id: PaymentId,
    /// The transfer on the network.
    pub transaction: String,
    /// Where it settled.
    pub network: Network,
    /// Who paid.
    pub payer: String,
    /// What, in atomic units.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// Digits after the point.
    pub scale: Scale,
    /// The rule it was bought under.
    pub rule: String,
    /// The offer it was bought under.
    pub offer: Option<String>,
    /// When the money moved.
    pub flow: PaymentFlow,
    /// When it was posted, seconds since the epoch.
    pub posted_at: u64,
    /// Its place in the journal.
    pub sequence: Sequence,
    /// Head of the journal with it.
    pub head: Hash,
}

impl ExactReceipt {
    pub(super) fn of(sale: &ExactSale, transaction: String, posting: &Posting) -> Self {
        Self {
            id: sale.id,
            transaction,
            network: sale.network.clone(),
            payer: sale.payer.clone(),
            amount: sale.amount,
            asset: sale.asset.clone(),
            scale: sale.scale,
            rule: sale.rule.clone(),
            offer: sale.offer.clone(),
            flow: sale.flow,
            posted_at: posting.posted_at,
            sequence: posting.sequence,
            head: posting.head,
        }
    }

    /// The receipt of a record that says "settled", made again: same facts.
    #[must_use]
    pub fn again(record: &ExactRecord) -> Option<Self> {
        let paid = matches!(record.state, ExactState::Settled | ExactState::RefundOwed);
        let transaction = record.transaction.clone().filter(|_| paid)?;
        Some(Self::of(&record.sale, transaction, &record.posting))
    }
}
