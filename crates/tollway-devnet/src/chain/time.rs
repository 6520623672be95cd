//! The chain's clock: the one it was given, moved by what tests ask for.

use std::sync::Arc;

/// Where time comes from, in seconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

#[derive(Clone)]
pub(super) struct Time {
    clock: Clock,
    /// Seconds the chain is ahead (or behind, when it began in the past).
    offset: i64,
    /// What the next block is to say.
    next: Option<u64>,
}

impl Time {
    /// A clock that says `genesis` now.
    pub(super) fn starting(clock: Clock, genesis: u64) -> Self {
        let offset = i64::try_from(i128::from(genesis) - i128::from(clock())).unwrap_or(0);
        Self { clock, offset, next: None }
    }

    pub(super) fn now(&self) -> u64 {
        (self.clock)().saturating_add_signed(self.offset)
    }

    pub(super) fn advance(&mut self, seconds: u64) -> i64 {
        self.offset = self.offset.saturating_add_unsigned(seconds);
        self.offset
    }

    /// Sets the time of the next block; those after it go on from there.
    pub(super) fn set_next(&mut self, timestamp: u64) {
        self.next = Some(timestamp);
    }

    /// The time of the next block, as far as it can be known.
    pub(super) fn peek(&self, parent: u64) -> u64 {
        self.next.unwrap_or_else(|| self.now()).max(parent)
    }

    /// The time of a block made now. Blocks of one second may share it, as on chains with several a second.
    pub(super) fn take(&mut self, parent: u64) -> u64 {
        let timestamp = self.peek(parent);
        if self.next.take().is_some() {
            let ahead = i128::from(timestamp) - i128::from((self.clock)());
            self.offset = i64::try_from(ahead).unwrap_or(self.offset);
        }
        timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_go_on_from_a_time_that_was_set() {
        let mut time = Time::starting(Arc::new(|| 1_000), 5_000);
        assert_eq!(time.take(0), 5_000);
        time.advance(10);
        assert_eq!(time.take(5_000), 5_010);
        time.set_next(9_000);
        assert_eq!((time.take(5_010), time.take(9_000)), (9_000, 9_000));
        assert_eq!(time.take(9_500), 9_500, "never before its parent");
    }
}
