//! Rows of exact payments and of paid statements.

use rusqlite::{Row, params};
use tollway_ledger::{BillPayment, BillRow, PaymentId, PaymentRecords, PaymentRow, RecordsError, Sequence};

use super::{SqliteRecords, all, one, run};
use crate::rows::{amount, integer, most, natural, payment, payment_state_number, sum, text};

const PAYMENT: &str = "SELECT id, fingerprint, identifier, state, reference, first, last, settled FROM payments";

const BILL: &str = "SELECT b.statement, a.agent, s.period, b.amount, b.rail, b.reference, b.sequence FROM bills b \
    JOIN statements s ON s.sequence = b.statement JOIN agents a ON a.number = s.agent";

impl PaymentRecords for SqliteRecords<'_> {
    fn payment(&mut self, id: &PaymentId) -> Result<Option<PaymentRow>, RecordsError> {
        let sql = format!("{PAYMENT} WHERE id = ?");
        one(self.connection, &sql, [id.as_bytes()], payment)
    }

    fn payment_by_identifier(&mut self, identifier: &str) -> Result<Option<PaymentRow>, RecordsError> {
        let sql = format!("{PAYMENT} WHERE identifier = ?");
        one(self.connection, &sql, [identifier], payment)
    }

    fn put_payment(&mut self, row: &PaymentRow) -> Result<(), RecordsError> {
        let sql = "INSERT INTO payments (id, fingerprint, identifier, state, reference, first, last, settled) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
            ON CONFLICT (id) DO UPDATE SET state = ?4, reference = ?5, last = ?7, settled = ?8";
        let values = params![
            row.id.as_bytes(),
            row.fingerprint.as_bytes(),
            row.identifier,
            payment_state_number(row.state),
            row.transaction,
            integer(row.first.get()),
            integer(row.last.get()),
            row.settled.map(|settled| integer(settled.get())),
        ];
        run(self.connection, sql, values)
    }

    fn open_payments(&mut self, limit: usize) -> Result<Vec<PaymentRow>, RecordsError> {
        let sql = format!("{PAYMENT} WHERE state < 2 ORDER BY first LIMIT ?");
        all(self.connection, &sql, [most(limit)], payment)
    }

    fn payments(&mut self, after: Sequence, limit: usize) -> Result<Vec<PaymentRow>, RecordsError> {
        let sql = format!("{PAYMENT} WHERE first > ? ORDER BY first LIMIT ?");
        all(self.connection, &sql, (integer(after.get()), most(limit)), payment)
    }

    fn bill_by_reference(&mut self, rail: &str, reference: &str) -> Result<Option<BillRow>, RecordsError> {
        let sql = format!("{BILL} WHERE b.rail = ? AND b.reference = ?");
        one(self.connection, &sql, (rail, reference), bill)
    }

    fn put_bill(&mut self, row: &BillRow) -> Result<(), RecordsError> {
        let BillPayment { amount, rail, reference, .. } = &row.payment;
        let (statement, sequence) = (integer(row.statement.get()), integer(row.sequence.get()));
        let sql = "INSERT INTO bills (statement, amount, rail, reference, sequence) VALUES (?, ?, ?, ?, ?)";
        run(self.connection, sql, (statement, sum(*amount), rail, reference, sequence))
    }
}

fn bill(row: &Row<'_>) -> rusqlite::Result<BillRow> {
    Ok(BillRow {
        statement: Sequence::new(natural(row, 0)?),
        payment: BillPayment {
            agent: text(row, 1)?,
            period: text(row, 2)?,
            amount: amount(row, 3)?,
            rail: row.get(4)?,
            reference: row.get(5)?,
        },
        sequence: Sequence::new(natural(row, 6)?),
    })
}
