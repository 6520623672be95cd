//! Which payment a bill waits for. Each attempt to pay a bill carries the next number in its
//! identifier, and identifiers are unique in the books: of two payments at once, one gets a claim.

use std::fmt;
use std::str::FromStr;

use tollway_ledger::{ExactRecord, ExactState, Sequence, Statement};
use tollway_protocol::{Reason, Refusal};

use crate::seller::Seller;
use crate::seller::exact::{ExactParts, from_books};

/// Attempts of one bill, far beyond what its payer can want.
const ATTEMPTS_MAX: u32 = 1 << 20;

/// An attempt to pay the bill at a place of the journal. Its text holds characters that no buyer's
/// own identifier may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::seller) struct Attempt {
    /// The statement.
    pub(in crate::seller) statement: Sequence,
    number: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bill/{}/{}", self.statement, self.number)
    }
}

impl FromStr for Attempt {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (place, number) = text.strip_prefix("bill/").and_then(|rest| rest.split_once('/')).ok_or(())?;
        let statement = Sequence::new(place.parse().map_err(drop)?);
        Ok(Self { statement, number: number.parse().map_err(drop)? })
    }
}

impl Seller {
    /// The attempt that a new payment of a bill would be.
    ///
    /// # Errors
    /// `bill_paid`; `replay_pending` while the outcome of another payment is open.
    pub(in crate::seller) async fn next_attempt(&self, statement: &Statement) -> Result<Attempt, Refusal> {
        let exact = self.exact_parts()?;
        self.refuse_paid(statement).await?;
        let (number, last) = last_attempt(exact, statement.sequence).await?;
        match last.map(|record| record.state) {
            Some(ExactState::Settled) => Err(Reason::BillPaid.into()),
            Some(ExactState::Claimed | ExactState::Unknown) => Err(under_way()),
            None | Some(ExactState::Failed | ExactState::Released | ExactState::RefundOwed) => {
                Ok(Attempt { statement: statement.sequence, number })
            }
        }
    }

    /// What was recorded otherwise, as by hand, counts too.
    pub(in crate::seller) async fn refuse_paid(&self, statement: &Statement) -> Result<(), Refusal> {
        let books = &self.exact_parts()?.books;
        match books.bill_payment(&statement.agent, &statement.period).await.map_err(from_books)? {
            Some(_) => Err(Reason::BillPaid.into()),
            None => Ok(()),
        }
    }
}

pub(in crate::seller) fn under_way() -> Refusal {
    Refusal::new(Reason::ReplayPending, "another payment of this bill is under way")
}

/// How many attempts there were, and the last one. They are numbered without gaps, so that few have
/// to be looked at.
pub(super) async fn last_attempt(
    exact: &ExactParts,
    statement: Sequence,
) -> Result<(u32, Option<ExactRecord>), Refusal> {
    let (mut made, mut beyond, mut last) = (0, 1, None);
    while let Some(record) = attempt(exact, statement, beyond).await? {
        if beyond >= ATTEMPTS_MAX {
            return Err(Refusal::new(Reason::BooksFull, "this bill was tried too often"));
        }
        (made, beyond, last) = (beyond, beyond * 2, Some(record));
    }
    while made + 1 < beyond {
        let middle = made.midpoint(beyond);
        match attempt(exact, statement, middle).await? {
            Some(record) => (made, last) = (middle, Some(record)),
            None => beyond = middle,
        }
    }
    Ok((made, last))
}

/// The `nth` attempt, counted from one.
async fn attempt(exact: &ExactParts, statement: Sequence, nth: u32) -> Result<Option<ExactRecord>, Refusal> {
    let identifier = Attempt { statement, number: nth - 1 }.to_string();
    exact.books.exact_by_identifier(&identifier).await.map_err(from_books)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_attempt_is_read_back(place: u64, number: u32) {
            let attempt = Attempt { statement: Sequence::new(place), number };
            prop_assert_eq!(attempt.to_string().parse(), Ok(attempt));
        }

        #[test]
        fn a_reader_of_attempts_refuses_and_never_panics(text in "[a-z/0-9-]{0,40}") {
            prop_assert!(text.starts_with("bill/") || text.parse::<Attempt>().is_err());
        }
    }
}
