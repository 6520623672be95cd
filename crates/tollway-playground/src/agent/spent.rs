//! What the agent paid for, in a bounded memory: the wallet's history.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;
use tollway_protocol::Amount;

use crate::trace::Scheme;

/// Payments that are remembered.
const KEPT: usize = 500;

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// When, in seconds since 1970 by the stage's clock.
    pub at: u64,
    /// For what.
    pub resource: String,
    /// To whom.
    pub seller: String,
    /// How much, in micro-dollars.
    pub amount: Amount,
    /// How.
    pub scheme: Scheme,
    /// The transaction, or the commitment.
    pub reference: String,
}

/// The newest payments.
#[derive(Debug, Default)]
pub struct SpentLog {
    kept: Mutex<VecDeque<Spent>>,
}

impl SpentLog {
    /// The newest payments, newest first.
    pub fn newest(&self, count: usize) -> Vec<Spent> {
        self.kept.lock().iter().rev().take(count).cloned().collect()
    }

    pub(super) fn add(&self, spent: Spent) {
        let mut kept = self.kept.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(spent);
    }
}
