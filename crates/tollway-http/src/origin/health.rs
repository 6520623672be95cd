//! Whether the upstream is well: told by requests under way, and by asking it where that is configured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Failures in a row after which an upstream is down.
const FAILURES: u32 = 3;
/// How long it counts as down after its last failure where nobody asks it: somebody has to try again.
const REST: Duration = Duration::from_secs(10);

/// What is known of an upstream. Cheap to clone; all clones are of one upstream.
#[derive(Clone, Default)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    failures: u32,
    last: Option<Instant>,
    is_asked: bool,
}

impl Health {
    /// Whether it answers, as far as is known. Three failures in a row say that it does not: until it
    /// answers again, or for ten seconds where only requests can tell.
    pub fn is_up(&self, now: Instant) -> bool {
        let state = self.state.lock();
        let rested = || state.last.is_none_or(|last| now.saturating_duration_since(last) >= REST);
        state.failures < FAILURES || (!state.is_asked && rested())
    }

    pub(super) fn answered(&self) {
        let mut state = self.state.lock();
        if state.failures >= FAILURES {
            tracing::info!("the upstream answers again");
        }
        state.failures = 0;
    }

    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        state.last = Some(now);
        if state.failures == FAILURES {
            tracing::warn!("the upstream is down");
        }
    }

    /// From now on it is asked, and only an answer makes it well again.
    pub(super) fn is_asked(&self) {
        self.state.lock().is_asked = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_are_down_and_an_answer_is_up() {
        let (health, now) = (Health::default(), Instant::now());
        health.failed(now);
        health.failed(now);
        health.answered();
        health.failed(now);
        health.failed(now);
        assert!(health.is_up(now));
        health.failed(now);
        assert!(!health.is_up(now));
        health.answered();
        assert!(health.is_up(now));
    }

    #[test]
    fn where_nobody_asks_somebody_has_to_try() {
        let (health, now) = (Health::default(), Instant::now());
        (0..3).for_each(|_| health.failed(now));
        assert!(!health.is_up(now) && health.is_up(now + REST));
        health.is_asked();
        assert!(!health.is_up(now + REST));
    }
}
