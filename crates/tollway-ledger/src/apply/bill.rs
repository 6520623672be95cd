//! Statements that are paid: the payer's debt falls by what its statement asked for, once.

use tollway_protocol::{Amount, Reason, Refusal};

use super::{Outcome, append};
use crate::account::add;
use crate::body::exact::BillPaidBody;
use crate::books::BooksError;
use crate::exact::{BillPayment, NAME_MAX_BYTES, RAIL_MAX_BYTES};
use crate::journal::EntryKind;
use crate::read::entry;
use crate::read::exact::posting;
use crate::records::{BillRow, Index, Records, RecordsError};
use crate::statement::{Statement, StatementFilter};

pub(super) fn pay(records: &mut dyn Records, payment: &BillPayment, now: u64) -> Result<Outcome, RecordsError> {
    if let Some(known) = records.bill_by_reference(&payment.rail, &payment.reference)? {
        return if known.payment == *payment {
            Ok(Outcome::Stood(posting(&entry(records, known.sequence)?)))
        } else {
            let detail = "this reference stands for another payment";
            Ok(Outcome::Refused(Refusal::new(Reason::ReplayMismatch, detail)))
        };
    }
    let filter = StatementFilter { agent: Some(payment.agent.clone()), period: Some(payment.period) };
    let statement = records.statements(&filter)?.into_iter().next();
    let statement = match check(payment, statement) {
        Ok(statement) => statement,
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    let Some(mut account) = records.account(&payment.agent)? else {
        let detail = format!("{} has a statement and no account", payment.agent);
        return Err(BooksError::Corrupt { detail });
    };
    let posting = append(records, EntryKind::BillPaid, Index::Place, now, |sequence| {
        BillPaidBody::of(payment, statement.sequence, (now, sequence))
    })?;
    account.paid = add(account.paid, payment.amount);
    account.touched = posting.sequence;
    records.put_account(&account)?;
    let (statement, payment) = (statement.sequence, payment.clone());
    records.put_bill(&BillRow { statement, payment, sequence: posting.sequence })?;
    Ok(Outcome::Written(posting))
}

/// The statement, if this is what it waits for.
fn check(payment: &BillPayment, statement: Option<Statement>) -> Result<Statement, Refusal> {
    let Some(statement) = statement else {
        return Err(Refusal::new(Reason::NotFound, "there is no such statement"));
    };
    if let Some(paid) = &statement.paid {
        let detail = format!("it was paid by {} {}", paid.rail, paid.reference);
        return Err(Refusal::new(Reason::BillPaid, detail));
    }
    if statement.payable == Amount::ZERO || payment.amount != statement.payable {
        let detail = format!("the statement asks for {}", statement.payable);
        return Err(Refusal::new(Reason::AmountMismatch, detail));
    }
    for (text, most) in [(&payment.rail, RAIL_MAX_BYTES), (&payment.reference, NAME_MAX_BYTES)] {
        let printable = !text.chars().any(char::is_control);
        if text.is_empty() || text.len() > most || !printable {
            let detail = "a rail has 1 to 128 bytes and a reference 1 to 256, without control characters";
            return Err(Refusal::new(Reason::MalformedPayment, detail));
        }
    }
    Ok(statement)
}
