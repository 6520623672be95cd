//! Calls under way. Two equal calls at once are two purchases; one that follows an equal one whose outcome was left open
//! goes on with its payment.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tollway_ledger::Fingerprint;
use tollway_protocol::{Reason, Refusal};

/// Equal calls at once.
const EQUAL_MAX: u32 = 10_000;

/// What is called: server, target and arguments.
pub(super) type CallKey = [String; 4];

/// The places that equal calls take while they are under way.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<CallKey, BTreeSet<u32>>>>);

/// A place among equal calls, given back when it is dropped.
pub(super) struct Seat {
    flights: Flights,
    key: CallKey,
    number: u32,
}

impl Flights {
    /// Takes the lowest free place.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(super) fn enter(&self, key: CallKey) -> Result<Seat, Refusal> {
        let mut flights = self.0.lock();
        let taken = flights.entry(key.clone()).or_default();
        let number = (0..EQUAL_MAX).find(|number| !taken.contains(number));
        let number = number.ok_or_else(|| Refusal::new(Reason::TooManyRequests, "too many equal calls at once"))?;
        taken.insert(number);
        Ok(Seat { flights: self.clone(), key, number })
    }
}

impl Seat {
    /// The name of this purchase in the purse. The same call later, alone, has the same name.
    pub(super) fn purchase(&self) -> Fingerprint {
        let [server, method, target, arguments] = &self.key;
        Fingerprint::of(method, &format!("{server} {target} {}", self.number), arguments)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock();
        if let Some(taken) = flights.get_mut(&self.key) {
            taken.remove(&self.number);
            if taken.is_empty() {
                flights.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_calls_at_once_are_purchases_of_their_own_and_one_after_another_the_same() {
        let flights = Flights::default();
        let key = || ["s", "tools/call", "square", "{}"].map(str::to_owned);
        let one = flights.enter(key()).unwrap();
        let two = flights.enter(key()).unwrap();
        assert_ne!(one.purchase(), two.purchase());
        let first = one.purchase();
        drop(one);
        assert_eq!(flights.enter(key()).unwrap().purchase(), first);
        drop(two);
        assert!(flights.0.lock().is_empty());
    }
}
