//! The playground's clock: the machine's own, and as many days ahead as were closed by hand.

use std::sync::atomic::{AtomicU64, Ordering};

use tollway_core::clock::{Clock, SystemClock};

const DAY: u64 = 86_400;

/// Everything on the stage reads this one clock, so that a day can be over when a person says so.
#[derive(Debug, Default)]
pub struct StageClock {
    ahead: AtomicU64,
}

impl StageClock {
    /// Midnight passes: the next day has just begun. Answers the second at which it did.
    pub fn next_day(&self) -> u64 {
        let now = self.now();
        let midnight = (now / DAY + 1) * DAY;
        self.ahead.fetch_add(midnight - now, Ordering::SeqCst);
        midnight
    }
}

impl Clock for StageClock {
    fn now(&self) -> u64 {
        SystemClock.now().saturating_add(self.ahead.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_over_at_midnight_and_not_before() {
        let clock = StageClock::default();
        let before = clock.now();
        let midnight = clock.next_day();
        assert_eq!(midnight % DAY, 0);
        assert!(midnight > before && midnight - before <= DAY);
        assert!(clock.now() >= midnight);
    }
}
