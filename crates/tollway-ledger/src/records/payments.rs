//! What storage keeps of exact payments and of paid statements, beside their entries.

use super::RecordsError;
use crate::exact::{BillPayment, ExactState};
use crate::id::{Fingerprint, PaymentId, Sequence};

/// One exact payment's row. What was sold stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRow {
    /// The payment.
    pub id: PaymentId,
    /// The request it is claimed for.
    pub fingerprint: Fingerprint,
    /// The client's own id for the purchase.
    pub identifier: Option<String>,
    /// Where in its life it is.
    pub state: ExactState,
    /// The transfer on the chain, as soon as one is known.
    pub transaction: Option<String>,
    /// The `exact_claim` entry.
    pub first: Sequence,
    /// The entry of its present state.
    pub last: Sequence,
    /// The `exact_settled` entry.
    pub settled: Option<Sequence>,
}

/// One paid statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillRow {
    /// Place of the `statement` entry.
    pub statement: Sequence,
    /// What paid it.
    pub payment: BillPayment,
    /// The `bill_paid` entry.
    pub sequence: Sequence,
}

/// The part of [`Records`](super::Records) that exact payments and paid statements need.
pub trait PaymentRecords {
    /// A payment's row.
    fn payment(&mut self, id: &PaymentId) -> Result<Option<PaymentRow>, RecordsError>;
    /// The row of the payment that carries this identifier.
    fn payment_by_identifier(&mut self, identifier: &str) -> Result<Option<PaymentRow>, RecordsError>;
    /// Inserts a payment's row, or replaces what can change of it: state, transaction, last, settled.
    fn put_payment(&mut self, row: &PaymentRow) -> Result<(), RecordsError>;
    /// Payments without a final state in the order of their claims, at most `limit`.
    fn open_payments(&mut self, limit: usize) -> Result<Vec<PaymentRow>, RecordsError>;
    /// Payments claimed after a place, in order, at most `limit`.
    fn payments(&mut self, after: Sequence, limit: usize) -> Result<Vec<PaymentRow>, RecordsError>;

    /// The paid statement that this payment stands for.
    fn bill_by_reference(&mut self, rail: &str, reference: &str) -> Result<Option<BillRow>, RecordsError>;
    /// Inserts a paid statement.
    fn put_bill(&mut self, row: &BillRow) -> Result<(), RecordsError>;
}
