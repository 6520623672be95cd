//! Requests in flight: of identical copies one runs, the others wait for it. Bounded per
//! commitment or payment, and in number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tollway_ledger::CommitmentId;

/// Copies that may wait for the first.
pub const WAITERS_MAX: usize = 64;
/// Commitments in flight at once.
const FLIGHTS_MAX: usize = 65_536;

type Board<Id> = Arc<Mutex<HashMap<Id, watch::Sender<()>>>>;

/// Which commitments, or which payments, are being served right now in this process.
pub(crate) struct Flights<Id: Eq + Hash + Copy = CommitmentId> {
    board: Board<Id>,
}

/// How a request enters.
pub(crate) enum Entry<Id: Eq + Hash + Copy = CommitmentId> {
    /// Nobody serves this commitment: go on.
    First(Flight<Id>),
    /// Somebody does: wait, then look at the books.
    Wait(Landing),
    /// Too many wait already.
    Full,
}

/// The right to serve a commitment; landing is its drop.
pub(crate) struct Flight<Id: Eq + Hash + Copy = CommitmentId> {
    board: Board<Id>,
    id: Id,
}

/// The end of somebody else's flight.
#[derive(Debug)]
pub struct Landing(watch::Receiver<()>);

impl<Id: Eq + Hash + Copy> Default for Flights<Id> {
    fn default() -> Self {
        Self { board: Arc::default() }
    }
}

impl<Id: Eq + Hash + Copy> Flights<Id> {
    pub(crate) fn enter(&self, id: Id) -> Entry<Id> {
        let mut board = self.board.lock();
        if let Some(sender) = board.get(&id) {
            if sender.receiver_count() >= WAITERS_MAX {
                return Entry::Full;
            }
            return Entry::Wait(Landing(sender.subscribe()));
        }
        if board.len() >= FLIGHTS_MAX {
            return Entry::Full;
        }
        board.insert(id, watch::Sender::new(()));
        Entry::First(Flight { board: Arc::clone(&self.board), id })
    }
}

impl Landing {
    /// Returns when the flight has ended, whichever way.
    pub async fn wait(mut self) {
        // The sender never sends: it is dropped when the flight lands, which ends this.
        while self.0.changed().await.is_ok() {}
    }
}

impl<Id: Eq + Hash + Copy> Drop for Flight<Id> {
    fn drop(&mut self) {
        self.board.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> CommitmentId {
        CommitmentId::derive(1_800_000_000, &[byte; 32], b"base")
    }

    #[test]
    fn threat_01_one_flies_and_a_bounded_number_waits() {
        let flights = Flights::default();
        let Entry::First(flight) = flights.enter(id(1)) else { panic!("the first one flies") };
        let waiting: Vec<_> = (0..WAITERS_MAX)
            .map(|_| match flights.enter(id(1)) {
                Entry::Wait(landing) => landing,
                _ => panic!("the next ones wait"),
            })
            .collect();
        assert!(matches!(flights.enter(id(1)), Entry::Full));
        assert!(matches!(flights.enter(id(2)), Entry::First(_)), "another commitment is not concerned");
        drop(flight);
        assert!(matches!(flights.enter(id(1)), Entry::First(_)), "landed");
        drop(waiting);
    }

    #[tokio::test]
    async fn landing_wakes_every_waiter() {
        let flights = Flights::default();
        let Entry::First(flight) = flights.enter(id(1)) else { panic!("the first one flies") };
        let Entry::Wait(landing) = flights.enter(id(1)) else { panic!("the second one waits") };
        let waiter = tokio::spawn(landing.wait());
        drop(flight);
        waiter.await.unwrap();
    }
}
