//! How often a sold answer has been served again. A bounded memory: when it is full, replays get
//! their receipt only.

use std::collections::HashMap;

use parking_lot::Mutex;
use tollway_ledger::CommitmentId;

/// Commitments remembered at once.
const REMEMBERED_MAX: usize = 100_000;

/// Counts re-serves of each commitment until its window ends.
#[derive(Default)]
pub(crate) struct Replays {
    counts: Mutex<HashMap<CommitmentId, Count>>,
}

struct Count {
    served: u8,
    expires: u64,
}

impl Replays {
    /// Takes one re-serve of `id`, if fewer than `most` were taken and its window is open.
    pub(crate) fn take(&self, id: CommitmentId, most: u8, expires: u64, now: u64) -> bool {
        if now >= expires || most == 0 {
            return false;
        }
        let mut counts = self.counts.lock();
        if counts.len() >= REMEMBERED_MAX && !counts.contains_key(&id) {
            counts.retain(|_, count| count.expires > now);
            if counts.len() >= REMEMBERED_MAX {
                return false;
            }
        }
        let count = counts.entry(id).or_insert(Count { served: 0, expires });
        if count.served >= most {
            return false;
        }
        count.served += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_is_served_so_many_times_inside_its_window() {
        let replays = Replays::default();
        let id = CommitmentId::derive(1_000, &[0; 32], b"base");
        let taken = (0..10).filter(|_| replays.take(id, 3, 1_300, 1_100)).count();
        assert_eq!(taken, 3);
        let late = CommitmentId::derive(1_000, &[1; 32], b"base");
        assert!(!replays.take(late, 3, 1_300, 1_300));
        assert!(!replays.take(late, 0, 1_300, 1_100));
    }

    #[test]
    fn threat_93_memory_is_bounded_and_refuses_when_full() {
        let replays = Replays::default();
        for n in 0..REMEMBERED_MAX {
            assert!(replays.take(CommitmentId::derive(1_000, &[0; 32], &n.to_be_bytes()), 3, 1_300, 1_100));
        }
        let one_more = CommitmentId::derive(1_000, &[1; 32], b"base");
        assert!(!replays.take(one_more, 3, 1_300, 1_100));
        assert!(replays.take(one_more, 3, 1_700, 1_400), "room again when windows have ended");
    }
}
