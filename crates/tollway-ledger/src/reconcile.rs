//! Two parties' logs of the same sales, joined on the commitment.

use std::collections::BTreeMap;

use serde::Serialize;
use tollway_protocol::Amount;

use crate::id::CommitmentId;

/// What the seller's books say of a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SellerLine {
    /// The commitment.
    pub id: CommitmentId,
    /// What was charged, in atomic units.
    pub amount: Amount,
    /// Whether the charge was taken back because the answer was cut.
    pub undelivered: bool,
}

/// What the buyer's journal says of a commitment it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuyerLine {
    /// The commitment.
    pub id: CommitmentId,
    /// What its receipt says was charged; what was signed for, without a receipt.
    pub amount: Amount,
}

/// Where the two logs agree and where not, each list in the order of commitments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// How many commitments both have with the same amount.
    pub equal: u64,
    /// Both have it, with different amounts.
    pub amount_differs: Vec<Difference>,
    /// Only the seller has it: charged, and the answer may be lost.
    pub only_seller: Vec<CommitmentId>,
    /// Only the buyer has it: signed, and never charged.
    pub only_buyer: Vec<CommitmentId>,
    /// Charged and taken back; the buyer may or may not have it.
    pub undelivered: Vec<CommitmentId>,
    /// Appears more than once in one log; only its first line was counted.
    pub repeated: Vec<CommitmentId>,
    /// Sum of the seller's lines, without those taken back.
    pub seller_total: Amount,
    /// Sum of the buyer's lines, without those the seller took back.
    pub buyer_total: Amount,
}

/// One commitment with two amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The commitment.
    pub id: CommitmentId,
    /// What the seller's books say.
    pub seller: Amount,
    /// What the buyer's journal says.
    pub buyer: Amount,
}

/// Joins the two logs.
pub fn reconcile(seller: impl Iterator<Item = SellerLine>, buyer: impl Iterator<Item = BuyerLine>) -> Reconciliation {
    let mut found = Reconciliation::default();
    let mut sides = BTreeMap::<CommitmentId, (Option<SellerLine>, Option<Amount>)>::new();
    for line in seller {
        match &mut sides.entry(line.id).or_default().0 {
            Some(_) => found.repeated.push(line.id),
            side => *side = Some(line),
        }
    }
    for line in buyer {
        match &mut sides.entry(line.id).or_default().1 {
            Some(_) => found.repeated.push(line.id),
            side => *side = Some(line.amount),
        }
    }
    for (id, sides) in sides {
        found.join(id, sides);
    }
    found
}

impl Reconciliation {
    /// Whether both owe the same for the same: no list that needs a person has an entry.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.amount_differs.is_empty()
            && self.only_seller.is_empty()
            && self.only_buyer.is_empty()
            && self.repeated.is_empty()
            && self.seller_total == self.buyer_total
    }

    fn join(&mut self, id: CommitmentId, sides: (Option<SellerLine>, Option<Amount>)) {
        let (seller, buyer) = match sides {
            (Some(seller), _) if seller.undelivered => {
                self.undelivered.push(id);
                return;
            }
            (seller, buyer) => (seller.map(|line| line.amount), buyer),
        };
        match (seller, buyer) {
            (Some(seller), Some(buyer)) if seller == buyer => self.equal += 1,
            (Some(seller), Some(buyer)) => {
                self.amount_differs.push(Difference { id, seller, buyer });
            }
            (Some(_), None) => self.only_seller.push(id),
            (None, _) => self.only_buyer.push(id),
        }
        let sum = |total: Amount, side: Option<Amount>| crate::account::add(total, side.unwrap_or_default());
        self.seller_total = sum(self.seller_total, seller);
        self.buyer_total = sum(self.buyer_total, buyer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> CommitmentId {
        CommitmentId::from_bytes([number; 32])
    }

    fn sold(number: u8, amount: u128) -> SellerLine {
        SellerLine { id: id(number), amount: Amount::new(amount), undelivered: false }
    }

    fn bought(number: u8, amount: u128) -> BuyerLine {
        BuyerLine { id: id(number), amount: Amount::new(amount) }
    }

    #[test]
    fn equal_logs_are_clean_in_any_order() {
        let seller = [sold(1, 5), sold(2, 7)];
        let buyer = [bought(2, 7), bought(1, 5)];
        let found = reconcile(seller.into_iter(), buyer.into_iter());
        assert!(found.is_clean());
        assert_eq!((found.equal, found.seller_total), (2, Amount::new(12)));
    }

    #[test]
    fn every_difference_has_its_list() {
        let cut = SellerLine { undelivered: true, ..sold(6, 9) };
        let seller = [sold(1, 5), sold(2, 7), sold(3, 1), cut, sold(5, 2), sold(5, 2)];
        let buyer = [bought(1, 5), bought(2, 8), bought(4, 3), bought(6, 9), bought(5, 2)];
        let found = reconcile(seller.into_iter(), buyer.into_iter());
        assert!(!found.is_clean());
        let differs = Difference { id: id(2), seller: Amount::new(7), buyer: Amount::new(8) };
        assert_eq!((found.equal, found.amount_differs), (2, vec![differs]));
        assert_eq!((found.only_seller, found.only_buyer), (vec![id(3)], vec![id(4)]));
        assert_eq!((found.undelivered, found.repeated), (vec![id(6)], vec![id(5)]));
        assert_eq!((found.seller_total, found.buyer_total), (Amount::new(15), Amount::new(18)));
    }

    #[test]
    fn each_difference_alone_is_not_clean() {
        let none = || std::iter::empty::<BuyerLine>();
        assert!(reconcile(std::iter::empty(), none()).is_clean());
        assert!(!reconcile([sold(1, 5)].into_iter(), none()).is_clean());
        assert!(!reconcile(std::iter::empty(), [bought(1, 5)].into_iter()).is_clean());
        assert!(!reconcile([sold(1, 5)].into_iter(), [bought(1, 6)].into_iter()).is_clean());
        let cut = SellerLine { undelivered: true, ..sold(1, 5) };
        assert!(reconcile([cut].into_iter(), none()).is_clean());
    }
}
