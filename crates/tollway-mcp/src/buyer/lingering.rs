//! The session's money for payments that are out of our hands: kept while they may be used, found again when their call
//! is gone on with.

use std::collections::HashMap;

use parking_lot::Mutex;
use tollway_core::buyer::Held;
use tollway_core::buyer::exact::{CHAIN_SKEW, Signed};
use tollway_ledger::PaymentId;

/// Payments whose money is told apart; what comes on top stays held until the program ends.
const PAYMENTS_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Lingering(Mutex<Payments>);

#[derive(Default)]
struct Payments {
    /// Refused, with the second from which it cannot be used any more.
    refused: Vec<(u64, Held)>,
    /// Of unknown outcome.
    unknown: HashMap<PaymentId, Held>,
}

impl Lingering {
    /// Holds the money of a refused payment until it cannot be used.
    pub(super) fn add(&self, signed: &Signed, held: Held) {
        let mut payments = self.0.lock();
        if payments.refused.len() >= PAYMENTS_MAX {
            held.keep();
        } else {
            payments.refused.push((signed.expires.saturating_add(CHAIN_SKEW), held.promise()));
        }
    }

    /// Holds the money of a payment of unknown outcome.
    pub(super) fn keep(&self, payment: PaymentId, held: Held) {
        let mut payments = self.0.lock();
        if payments.unknown.len() >= PAYMENTS_MAX {
            held.keep();
        } else {
            payments.unknown.insert(payment, held.promise());
        }
    }

    /// The money of a payment that is gone on with.
    pub(super) fn take(&self, payment: &PaymentId) -> Option<Held> {
        self.0.lock().unknown.remove(payment)
    }

    /// Gives back what no payment can use any more.
    pub(super) fn sweep(&self, now: u64) {
        let mut payments = self.0.lock();
        for (ends, held) in std::mem::take(&mut payments.refused) {
            if ends < now {
                held.give_back();
            } else {
                payments.refused.push((ends, held));
            }
        }
    }
}
