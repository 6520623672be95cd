//! Answers sold a moment ago, so that the copies that waited for the first are served without
//! running the upstream again. Small, short-lived, bounded; the books keep no bodies.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tollway_ledger::CommitmentId;

/// Bytes kept at most.
const BYTES_MAX: usize = 32 << 20;
/// Answers kept at most.
const ANSWERS_MAX: usize = 4_096;
/// Seconds for which an answer is kept.
const KEPT: u64 = 10;

/// A whole answer, before the gate has put its own fields on it.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default)]
pub(crate) struct Answers {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<CommitmentId, Answer>,
    order: VecDeque<(u64, CommitmentId)>,
    bytes: usize,
}

impl Answers {
    pub(crate) fn keep(&self, id: CommitmentId, answer: Answer, now: u64) {
        let mut kept = self.kept.lock();
        kept.forget(now);
        if answer.body.len() > BYTES_MAX / 8 {
            return;
        }
        // A copy: what was read may lie in a buffer many times its length, which nobody counts.
        let body = Bytes::copy_from_slice(&answer.body);
        let answer = Answer { body, ..answer };
        kept.bytes += answer.body.len();
        kept.order.push_back((now, id));
        if let Some(old) = kept.by_id.insert(id, answer) {
            kept.bytes -= old.body.len();
        }
        kept.make_room();
    }

    pub(crate) fn get(&self, id: CommitmentId, now: u64) -> Option<Answer> {
        let mut kept = self.kept.lock();
        kept.forget(now);
        kept.by_id.get(&id).cloned()
    }
}

impl Kept {
    fn forget(&mut self, now: u64) {
        while self.order.front().is_some_and(|(at, _)| at + KEPT <= now) {
            self.drop_oldest();
        }
    }

    fn make_room(&mut self) {
        while self.bytes > BYTES_MAX || self.order.len() > ANSWERS_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front()
            && let Some(answer) = self.by_id.remove(&id)
        {
            self.bytes -= answer.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> CommitmentId {
        CommitmentId::derive(1_000, &[0; 32], &n.to_be_bytes())
    }

    fn answer(size: usize) -> Answer {
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: vec![0; size].into() }
    }

    #[test]
    fn threat_93_answers_are_bounded_in_time_number_and_size() {
        let answers = Answers::default();
        answers.keep(id(0), answer(10), 100);
        assert!(answers.get(id(0), 109).is_some());
        assert!(answers.get(id(0), 110).is_none());
        for n in 0..10_000 {
            answers.keep(id(n), answer(100_000), 200);
        }
        assert!(answers.kept.lock().bytes <= BYTES_MAX);
        for n in 0..10_000 {
            answers.keep(id(n), answer(1), 300);
        }
        assert!(answers.kept.lock().by_id.len() <= ANSWERS_MAX);
    }

    #[test]
    fn threat_93_a_kept_answer_holds_no_more_memory_than_it_counts() {
        let answers = Answers::default();
        let read = Bytes::from(vec![0; 64 << 10]).slice(..10);
        answers.keep(id(0), Answer { body: read.clone(), ..answer(0) }, 100);
        assert!(read.is_unique(), "the buffer it was read into is free again");
        assert_eq!(answers.get(id(0), 100).unwrap().body, read);
    }

    #[test]
    fn the_same_answer_twice_counts_once() {
        let answers = Answers::default();
        answers.keep(id(0), answer(10), 100);
        answers.keep(id(0), answer(20), 101);
        assert_eq!(answers.kept.lock().bytes, 20);
    }
}
