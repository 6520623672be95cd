//! Exact payments and paid statements in memory, searched plainly.

use super::MemoryRecords;
use crate::id::{PaymentId, Sequence};
use crate::records::{BillRow, PaymentRecords, PaymentRow, RecordsError};

impl PaymentRecords for MemoryRecords {
    fn payment(&mut self, id: &PaymentId) -> Result<Option<PaymentRow>, RecordsError> {
        let place = self.payment_places.get(id);
        Ok(place.and_then(|place| self.payments.get(place)).cloned())
    }

    fn payment_by_identifier(&mut self, identifier: &str) -> Result<Option<PaymentRow>, RecordsError> {
        let named = |row: &&PaymentRow| row.identifier.as_deref() == Some(identifier);
        Ok(self.payments.values().find(named).cloned())
    }

    fn put_payment(&mut self, row: &PaymentRow) -> Result<(), RecordsError> {
        self.payment_places.insert(row.id, row.first);
        self.payments.insert(row.first, row.clone());
        Ok(())
    }

    fn open_payments(&mut self, limit: usize) -> Result<Vec<PaymentRow>, RecordsError> {
        let open = self.payments.values().filter(|row| !row.state.is_final());
        Ok(open.take(limit).cloned().collect())
    }

    fn payments(&mut self, after: Sequence, limit: usize) -> Result<Vec<PaymentRow>, RecordsError> {
        Ok(self.payments.range(after.next()..).map(|(_, row)| row.clone()).take(limit).collect())
    }

    fn bill_by_reference(&mut self, rail: &str, reference: &str) -> Result<Option<BillRow>, RecordsError> {
        let paid = |row: &&BillRow| row.payment.rail == rail && row.payment.reference == reference;
        Ok(self.bills.iter().find(paid).cloned())
    }

    fn put_bill(&mut self, row: &BillRow) -> Result<(), RecordsError> {
        self.bills.push(row.clone());
        Ok(())
    }
}
