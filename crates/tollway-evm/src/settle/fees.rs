//! What a unit of gas may cost (EIP-1559), and what a day may cost.

use crate::chain::rpc::FeeHistory;

/// The bounds of what is paid for gas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeePolicy {
    /// Most wei for a unit of gas, tip included. Above, nothing is sent.
    pub max_fee: u128,
    /// Least tip.
    pub tip_floor: u128,
    /// Most tip.
    pub tip_cap: u128,
    /// Most gwei for the transactions of one day (UTC); none is no limit.
    pub daily_gwei: Option<u64>,
}

/// What a transaction offers for a unit of gas, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Most in all.
    pub max_fee: u128,
    /// Of that the part for who builds the block.
    pub tip: u128,
}

/// Gas costs more than the policy pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("gas costs {asked} wei, and at most {cap} are paid")]
pub struct TooDear {
    /// What the next block takes.
    pub asked: u128,
    /// What the policy pays.
    pub cap: u128,
}

impl Default for FeePolicy {
    /// At most 100 gwei, tips from 0.001 to 5 gwei, no limit a day.
    fn default() -> Self {
        Self { max_fee: 100_000_000_000, tip_floor: 1_000_000, tip_cap: 5_000_000_000, daily_gwei: None }
    }
}

impl FeePolicy {
    /// An offer for the next blocks: the median tip, and room for the base fee to double.
    ///
    /// # Errors
    /// [`TooDear`] if the next block alone takes more than the cap.
    pub fn quote(&self, history: &FeeHistory) -> Result<Quote, TooDear> {
        let mut tips = history.tips.clone();
        tips.sort_unstable();
        let median = tips.get(tips.len() / 2).copied().unwrap_or(0);
        let tip = median.clamp(self.tip_floor, self.tip_cap.max(self.tip_floor));
        let asked = history.next_base_fee.saturating_add(tip);
        if asked > self.max_fee {
            return Err(TooDear { asked, cap: self.max_fee });
        }
        let roomy = history.next_base_fee.saturating_mul(2).saturating_add(tip);
        Ok(Quote { max_fee: roomy.min(self.max_fee), tip })
    }

    /// An offer that replaces `old`: an eighth more at least, as pools demand. None beyond the cap.
    #[must_use]
    pub fn bumped(&self, old: Quote, now: Option<Quote>) -> Option<Quote> {
        let more = |fee: u128| fee.saturating_add(fee.div_ceil(8)).saturating_add(1);
        let now = now.unwrap_or(Quote { max_fee: 0, tip: 0 });
        let quote = Quote { max_fee: more(old.max_fee).max(now.max_fee), tip: more(old.tip).max(now.tip) };
        (quote.max_fee <= self.max_fee).then_some(quote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(next_base_fee: u128, tips: &[u128]) -> FeeHistory {
        FeeHistory { next_base_fee, tips: tips.to_vec() }
    }

    #[test]
    fn the_median_tip_within_bounds_and_room_to_double() {
        let policy = FeePolicy { max_fee: 100, tip_floor: 2, tip_cap: 10, daily_gwei: None };
        assert_eq!(policy.quote(&history(20, &[9, 1, 5])), Ok(Quote { max_fee: 45, tip: 5 }));
        assert_eq!(policy.quote(&history(20, &[])), Ok(Quote { max_fee: 42, tip: 2 }));
        assert_eq!(policy.quote(&history(20, &[99])), Ok(Quote { max_fee: 50, tip: 10 }));
        assert_eq!(policy.quote(&history(60, &[5])), Ok(Quote { max_fee: 100, tip: 5 }));
    }

    #[test]
    fn threat_19_above_the_cap_nothing_is_offered() {
        let policy = FeePolicy { max_fee: 100, tip_floor: 2, tip_cap: 10, daily_gwei: None };
        assert_eq!(policy.quote(&history(99, &[])), Err(TooDear { asked: 101, cap: 100 }));
        assert_eq!(policy.quote(&history(u128::MAX, &[])).unwrap_err().cap, 100);
        assert_eq!(policy.bumped(Quote { max_fee: 95, tip: 5 }, None), None);
    }

    #[test]
    fn a_replacement_offers_an_eighth_more() {
        let policy = FeePolicy { max_fee: 1_000, ..FeePolicy::default() };
        let old = Quote { max_fee: 80, tip: 8 };
        assert_eq!(policy.bumped(old, None), Some(Quote { max_fee: 91, tip: 10 }));
        let now = Quote { max_fee: 200, tip: 3 };
        assert_eq!(policy.bumped(old, Some(now)), Some(Quote { max_fee: 200, tip: 10 }));
    }
}
