//! Orders under way in this process, and who waits for them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tollway_ledger::{PaymentId, SettlementState};

use super::order::Order;

/// How an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// As the books say.
    State(SettlementState),
    /// Given back before anything was sent: it costs more than is paid.
    Declined(String),
}

/// The table of orders under way.
#[derive(Debug)]
pub(super) struct Flights {
    table: Mutex<HashMap<PaymentId, Flight>>,
    capacity: usize,
}

#[derive(Debug)]
struct Flight {
    order: Arc<Order>,
    progress: watch::Sender<Progress>,
    /// It failed in company: from now on it goes by itself.
    alone: bool,
    phase: Phase,
    /// Its payer was given coins for its approval.
    given: bool,
}

/// What an order waits for that brings its payer's approval along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The approval is to be brought to the chain.
    Approving,
    /// The payer is to be given so much wei first, to pay for it.
    Giving(u128),
    /// Nothing: it can be sent.
    Ready,
}

impl Flight {
    fn new(order: &Arc<Order>, progress: watch::Sender<Progress>) -> Self {
        let phase = if order.approval.is_some() { Phase::Approving } else { Phase::Ready };
        Self { order: Arc::clone(order), progress, alone: false, phase, given: false }
    }
}

/// The answer to an order that comes in.
pub(super) enum Boarding {
    /// It is new here.
    New(watch::Receiver<Progress>),
    /// The same one is under way.
    Known(watch::Receiver<Progress>),
    /// Another payload with the same id is under way.
    Conflict,
    /// As many as may be are under way.
    Full,
}

impl Flights {
    pub(super) fn new(capacity: usize) -> Self {
        Self { table: Mutex::default(), capacity }
    }

    pub(super) fn board(&self, order: &Arc<Order>) -> Boarding {
        let mut table = self.table.lock();
        if let Some(flight) = table.get(&order.id) {
            let same = flight.order.digest == order.digest;
            return if same { Boarding::Known(flight.progress.subscribe()) } else { Boarding::Conflict };
        }
        if table.len() >= self.capacity {
            return Boarding::Full;
        }
        let (progress, answer) = watch::channel(Progress::State(SettlementState::Claimed));
        table.insert(order.id, Flight::new(order, progress));
        Boarding::New(answer)
    }

    /// Takes an order up again that the books hold as under way, however many there are.
    pub(super) fn take_up(&self, order: &Arc<Order>) {
        let state = Progress::State(SettlementState::Claimed);
        let fresh = || Flight::new(order, watch::channel(state).0);
        self.table.lock().entry(order.id).or_insert_with(fresh);
    }

    pub(super) fn order(&self, id: &PaymentId) -> Option<Arc<Order>> {
        self.table.lock().get(id).map(|flight| Arc::clone(&flight.order))
    }

    /// Tells those who wait. What is decided leaves the table.
    pub(super) fn tell(&self, id: &PaymentId, progress: Progress) {
        let mut table = self.table.lock();
        let ends = match &progress {
            Progress::State(state) => state.is_final(),
            Progress::Declined(_) => true,
        };
        if let Some(flight) = table.get(id) {
            flight.progress.send_replace(progress);
        }
        if ends {
            table.remove(id);
        }
    }

    /// Takes an order off the table without a word: who waits asks the books.
    pub(super) fn forget(&self, id: &PaymentId) {
        self.table.lock().remove(id);
    }

    /// Marks an order to go by itself. Whether it was to go in company before.
    pub(super) fn set_alone(&self, id: &PaymentId) -> bool {
        match self.table.lock().get_mut(id) {
            Some(flight) => !std::mem::replace(&mut flight.alone, true),
            None => false,
        }
    }

    pub(super) fn may_share(&self, id: &PaymentId) -> bool {
        self.table.lock().get(id).is_some_and(|flight| flight.order.shareable && !flight.alone)
    }

    /// What an order waits for; nothing, if it is not under way.
    pub(super) fn phase(&self, id: &PaymentId) -> Phase {
        self.table.lock().get(id).map_or(Phase::Ready, |flight| flight.phase)
    }

    pub(super) fn set_phase(&self, id: &PaymentId, phase: Phase) {
        if let Some(flight) = self.table.lock().get_mut(id) {
            flight.phase = phase;
        }
    }

    /// Its payer has got coins; what they are for comes next.
    pub(super) fn set_given(&self, id: &PaymentId) {
        if let Some(flight) = self.table.lock().get_mut(id) {
            (flight.phase, flight.given) = (Phase::Approving, true);
        }
    }

    pub(super) fn was_given(&self, id: &PaymentId) -> bool {
        self.table.lock().get(id).is_some_and(|flight| flight.given)
    }

    pub(super) fn len(&self) -> usize {
        self.table.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use tollway_ledger::Hash;

    use super::super::testing::order;
    use super::*;

    #[test]
    fn copies_of_an_order_wait_for_the_first_and_strangers_are_told_apart() {
        let flights = Flights::new(2);
        let (one, two, three) = (order(1), order(2), order(3));
        let Boarding::New(first) = flights.board(&one) else { panic!("not new") };
        assert!(matches!(flights.board(&one), Boarding::Known(_)));
        let other = Arc::new(Order { digest: Hash::of(b"other"), ..(*one).clone() });
        assert!(matches!(flights.board(&other), Boarding::Conflict));
        assert!(matches!(flights.board(&two), Boarding::New(_)));
        assert!(matches!(flights.board(&three), Boarding::Full));
        flights.tell(&one.id, Progress::Declined("dear".into()));
        assert_eq!(*first.borrow(), Progress::Declined("dear".into()));
        assert!(matches!(flights.board(&three), Boarding::New(_)));
        assert!(flights.may_share(&two.id));
        assert!(flights.set_alone(&two.id));
        assert!(!flights.set_alone(&two.id));
        assert!(!flights.may_share(&two.id));
    }
}
