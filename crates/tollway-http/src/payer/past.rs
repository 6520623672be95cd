//! What a log says of earlier runs: what was charged, what is still open.

use std::collections::HashMap;

use tollway_core::buyer::AuditLine;
use tollway_ledger::CommitmentId;
use tollway_protocol::Amount;

/// A promise whose outcome no line of the log knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPromise {
    /// The commitment.
    pub id: CommitmentId,
    /// The seller's origin.
    pub seller: String,
    /// Most that may be charged, in atomic units.
    pub amount: Amount,
}

/// The promises of a log, added up. Outcomes of promises that are not among the lines do not count.
#[derive(Debug, Default)]
pub struct Past {
    charged: Amount,
    open: HashMap<CommitmentId, OpenPromise>,
}

impl Past {
    /// Takes one more line, in the order of the log.
    pub fn add(&mut self, line: AuditLine) {
        match line {
            AuditLine::Promise { id, seller, amount, .. } => {
                self.open.insert(id, OpenPromise { id, seller, amount });
            }
            AuditLine::Receipt { id, amount, .. } => {
                if self.open.remove(&id).is_some() {
                    self.charged = plus(self.charged, amount);
                }
            }
            AuditLine::Refused { id, .. } => {
                self.open.remove(&id);
            }
            AuditLine::Unknown { .. } => {}
        }
    }

    /// What was charged, in atomic units.
    pub fn charged(&self) -> Amount {
        self.charged
    }

    /// What may yet turn out to be charged.
    pub fn held(&self) -> Amount {
        self.open.values().fold(Amount::ZERO, |sum, open| plus(sum, open.amount))
    }

    /// The promises without an outcome, oldest first.
    pub fn into_open(self) -> Vec<OpenPromise> {
        let mut open: Vec<_> = self.open.into_values().collect();
        // Ids sort by time.
        open.sort_by_key(|promise| promise.id);
        open
    }
}

/// A sum that does not fit is more than any budget.
fn plus(left: Amount, right: Amount) -> Amount {
    left.checked_add(right).unwrap_or(Amount::new(u128::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollway_protocol::{Asset, Dress};

    fn id(n: u64) -> CommitmentId {
        CommitmentId::derive(n, &[0; 32], b"base")
    }

    fn promise(n: u64) -> AuditLine {
        AuditLine::Promise {
            at: n,
            id: id(n),
            seller: "https://s.example".into(),
            method: "GET".into(),
            url: "https://s.example/".into(),
            amount: Amount::new(10),
            asset: Asset::usd(),
            offer: "o".into(),
            dress: Dress::X402,
        }
    }

    fn receipt(n: u64) -> AuditLine {
        let (at, sequence, head) = (n, None, None);
        AuditLine::Receipt { at, id: id(n), amount: Amount::new(9), posted_at: at, sequence, head, delivered: true }
    }

    #[test]
    fn only_promises_without_an_outcome_are_open_and_a_receipt_counts_once() {
        let mut past = Past::default();
        let refused = AuditLine::Refused { at: 0, id: id(2), reason: "expired".into() };
        let unknown = AuditLine::Unknown { at: 0, id: id(4), detail: "reset".into() };
        let all =
            [promise(4), promise(1), receipt(1), receipt(1), promise(2), refused, promise(3), unknown, receipt(9)];
        all.into_iter().for_each(|line| past.add(line));
        assert_eq!((past.charged(), past.held()), (Amount::new(9), Amount::new(20)));
        assert_eq!(past.into_open().iter().map(|open| open.id).collect::<Vec<_>>(), [id(3), id(4)]);
    }
}
