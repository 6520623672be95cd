//! How much fetching strangers can cause: a cap on fetches in flight, and one on new agents a second. Over a limit the
//! answer is a refusal at once; nothing waits in line.

use tollway_protocol::{Reason, Refusal};

/// Counts what was let through in the current second.
#[derive(Debug)]
pub(super) struct Limits {
    in_flight: usize,
    new_in_flight: usize,
    new_per_second: u32,
    second: u64,
    admitted: u32,
}

impl Limits {
    /// Of `in_flight` places a quarter is kept for known agents.
    pub(super) fn new(in_flight: usize, new_per_second: u32) -> Self {
        let new_in_flight = in_flight - in_flight / 4;
        Self { in_flight, new_in_flight, new_per_second, second: 0, admitted: 0 }
    }

    /// Whether one more fetch may start while `under_way` are under way. `known` agents are those
    /// of whom keys are held, and those that have an account.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(super) fn admit(&mut self, under_way: usize, known: bool, now: u64) -> Result<(), Refusal> {
        let places = if known { self.in_flight } else { self.new_in_flight };
        if under_way >= places {
            return Err(too_many("too many key directories are being fetched"));
        }
        if !known {
            self.count_new(now)?;
        }
        Ok(())
    }

    fn count_new(&mut self, now: u64) -> Result<(), Refusal> {
        if self.second != now {
            self.second = now;
            self.admitted = 0;
        }
        if self.admitted >= self.new_per_second {
            return Err(too_many("too many new signature agents in this second"));
        }
        self.admitted += 1;
        Ok(())
    }
}

fn too_many(detail: &'static str) -> Refusal {
    Refusal::new(Reason::TooManyRequests, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_places_is_for_known_agents() {
        let mut limits = Limits::new(16, 1000);
        assert!(limits.admit(11, false, 1).is_ok());
        assert_eq!(limits.admit(12, false, 1).unwrap_err().reason, Reason::TooManyRequests);
        assert!(limits.admit(15, true, 1).is_ok());
        assert_eq!(limits.admit(16, true, 1).unwrap_err().reason, Reason::TooManyRequests);
        assert!(Limits::new(1, 1).admit(0, false, 1).is_ok(), "one place is for anyone");
        assert!(Limits::new(0, 1).admit(0, true, 1).is_err());
    }

    #[test]
    fn new_agents_are_counted_by_the_second_and_known_ones_are_not() {
        let mut limits = Limits::new(16, 2);
        let outcomes: Vec<_> = (0..4).map(|_| limits.admit(0, false, 7).is_ok()).collect();
        assert_eq!(outcomes, [true, true, false, false]);
        assert!(limits.admit(0, true, 7).is_ok());
        assert!(limits.admit(0, false, 8).is_ok(), "the next second");
    }
}
