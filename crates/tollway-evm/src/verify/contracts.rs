//! Which addresses are known to have code: asked once in a quarter of an hour for each.

use std::collections::HashMap;

use alloy_primitives::Address;

/// How long code is believed to stay, in seconds.
const KEPT: u64 = 15 * 60;
/// How many contracts are remembered.
const MOST: usize = 4096;

/// Contracts, each until when it is remembered. Their absence is never remembered.
#[derive(Default)]
pub(super) struct Contracts(HashMap<Address, u64>);

impl Contracts {
    pub(super) fn holds(&self, contract: Address, now: u64) -> bool {
        self.0.get(&contract).is_some_and(|until| now < *until)
    }

    pub(super) fn remember(&mut self, contract: Address, now: u64) {
        if self.0.len() >= MOST && !self.0.contains_key(&contract) {
            self.0.retain(|_, until| now < *until);
        }
        if self.0.len() >= MOST && !self.0.contains_key(&contract) {
            let oldest = self.0.iter().min_by_key(|(_, until)| **until).map(|(contract, _)| *contract);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(contract, now.saturating_add(KEPT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(n: usize) -> Address {
        Address::left_padding_from(&n.to_be_bytes())
    }

    #[test]
    fn code_is_believed_for_a_quarter_of_an_hour() {
        let mut known = Contracts::default();
        known.remember(contract(1), 100);
        assert!(known.holds(contract(1), 100) && known.holds(contract(1), 999));
        assert!(!known.holds(contract(1), 1000) && !known.holds(contract(2), 100));
    }

    #[test]
    fn threat_93_contracts_are_bounded_and_the_oldest_goes_first() {
        let mut known = Contracts::default();
        for n in 0..MOST + 10 {
            known.remember(contract(n), n as u64 / 10);
            assert!(known.0.len() <= MOST);
        }
        assert!(!known.holds(contract(9), 10) && known.holds(contract(10), 10));
        known.remember(contract(0), 1_000_000);
        assert_eq!(known.0.len(), 1);
    }
}
