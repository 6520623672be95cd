//! What a crash or a lost answer has left open is resolved by asking, at start and again and again.

use tollway_ledger::{ExactOutcome, ExactState, PaymentId};
use tollway_protocol::Refusal;

use super::settle::Settling;
use super::{ExactKnown, from_books};
use crate::seller::Seller;
use crate::seller::flights::Entry;

/// Seconds after which a claim that was never handed on is given back: longer than any handler and
/// its answer may take.
const CLAIM_KEPT: u64 = 90;
/// Open payments looked at in one go.
const AT_ONCE: usize = 256;

/// What one go has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Paid after all.
    pub settled: Vec<PaymentId>,
    /// Not paid, and they will not be; or given back, because nothing was ever sent.
    pub ended: Vec<PaymentId>,
    /// Still not known, each with what was said.
    pub open: Vec<(PaymentId, String)>,
}

impl Seller {
    /// Asks the facilitator again about every payment without a final state. Each is asked about
    /// alone; one that this process works on is left out.
    ///
    /// # Errors
    /// The books' reason.
    pub async fn resolve_exact(&self) -> Result<Resolved, Refusal> {
        let mut resolved = Resolved::default();
        let Some(exact) = self.exact() else { return Ok(resolved) };
        self.mend_bills().await?;
        for found in exact.books.exact_open(AT_ONCE).await.map_err(from_books)? {
            let id = found.sale.id;
            let Entry::First(flight) = self.shared.memory.payments.enter(id) else { continue };
            // It may have ended between the listing and now.
            let Some(record) = exact.books.exact_lookup(&id).await.map_err(from_books)? else { continue };
            match record.state {
                ExactState::Claimed if record.claimed_at + CLAIM_KEPT < self.now() => {
                    exact.books.exact_outcome(&id, ExactOutcome::Released, self.now()).await.map_err(from_books)?;
                    resolved.ended.push(id);
                }
                ExactState::Unknown => {
                    let (sale, delivery) = (record.sale.clone(), record.delivery.clone());
                    let known = ExactKnown { record, seller: self.clone(), flight: Some(flight) };
                    match known.ask_again(delivery).await? {
                        Settling::Settled(paid) => {
                            self.pay_off_sale(&sale, &paid.receipt).await?;
                            resolved.settled.push(id);
                        }
                        Settling::Refused { .. } => resolved.ended.push(id),
                        Settling::Unknown { detail, .. } => resolved.open.push((id, detail)),
                    }
                }
                _ => {}
            }
        }
        Ok(resolved)
    }
}
