//! What storage keeps of passes, beside their entries.

use super::RecordsError;
use crate::id::{PassId, Sequence};
use crate::pass::PassRecord;

/// The part of [`Records`](super::Records) that passes need.
pub trait PassRecords {
    /// A pass.
    fn pass(&mut self, id: &PassId) -> Result<Option<PassRecord>, RecordsError>;
    /// Inserts a pass, or replaces what can change of it: used, revoked.
    fn put_pass(&mut self, record: &PassRecord) -> Result<(), RecordsError>;
    /// The pass of a payer under a rule that is open at `now`; of several the one that ends first.
    fn open_pass(&mut self, payer: &str, rule: &str, now: u64) -> Result<Option<PassRecord>, RecordsError>;
    /// Passes opened after a place, in order, at most `limit`.
    fn passes(&mut self, after: Sequence, limit: usize) -> Result<Vec<PassRecord>, RecordsError>;
}
