//! What is done now and then, and once at start: open payments are resolved by asking, and what was
//! kept for buyers who never came is dropped.

use tollway_core::seller::Resolved;
use tollway_ledger::ExactState;
use tollway_protocol::Refusal;

use crate::gate::GateLayer;

/// Seconds for which an answer waits for its buyer after its payment was resolved.
const KEPT: u64 = 3_600;

impl GateLayer {
    /// Resolves open payments and tidies the spool.
    ///
    /// # Errors
    /// The books' reason; what was done until then stands.
    pub async fn resolve_exact(&self) -> Result<Resolved, Refusal> {
        let resolved = self.shared.seller.resolve_exact().await?;
        for id in &resolved.ended {
            self.shared.spool.forget(id);
        }
        self.sweep().await?;
        Ok(resolved)
    }

    async fn sweep(&self) -> Result<(), Refusal> {
        let shared = &self.shared;
        let Some(exact) = shared.seller.exact() else { return Ok(()) };
        let now = shared.seller.now();
        for (id, begun) in shared.spool.stale(now.saturating_sub(KEPT)) {
            let record = exact.books.exact_lookup(&id).await;
            let record = record.map_err(|error| Refusal::new(error.reason(), "the books cannot be asked"))?;
            match record {
                None => shared.spool.forget(&id),
                Some(record) if begun && record.state == ExactState::Settled => {
                    shared.seller.owe_refund(&id, "the seller stopped while its handler ran").await?;
                    shared.spool.forget(&id);
                }
                Some(record) if record.state.is_final() && record.posting.posted_at + KEPT < now => {
                    shared.spool.forget(&id);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
