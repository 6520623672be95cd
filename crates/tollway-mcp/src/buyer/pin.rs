//! What an approval is for: a tool as it was defined, under terms as they stood, at a price. Any byte of these changed is
//! another pin, and asks again.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use tollway_core::scheme::deferred::EXTRA_OFFER;
use tollway_ledger::Hash;

use super::choice::Chosen;

/// Tools whose approvals are remembered, and approvals of one tool.
const TOOLS_MAX: usize = 4_096;
const PINS_MAX: usize = 64;

/// SHA-256 of a tool's definition, the terms and the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pin(Hash);

impl Pin {
    /// `definition` is the hash of the tool as its server last listed it; `None` before it was listed.
    pub(super) fn of(target: &str, definition: Option<Hash>, chosen: &Chosen) -> Self {
        let mut way = chosen.requirements().clone();
        // An offer's id changes with every minute, and says nothing that does not stand beside it.
        if let Some(extra) = &mut way.extra {
            extra.remove(EXTRA_OFFER);
        }
        let parts = (target, definition.map(|hash| hash.to_string()), way, chosen.price());
        Self(Hash::of(&serde_json::to_vec(&parts).expect("a pin's parts are plain data")))
    }
}

/// Pins that were approved once and for all.
#[derive(Default)]
pub(super) struct Approvals(Mutex<HashMap<String, HashSet<Pin>>>);

impl Approvals {
    pub(super) fn holds(&self, target: &str, pin: &Pin) -> bool {
        self.0.lock().get(target).is_some_and(|pins| pins.contains(pin))
    }

    /// Whether the target was approved as something else.
    pub(super) fn knows(&self, target: &str) -> bool {
        self.0.lock().contains_key(target)
    }

    /// When there is no room the approval counts once: the next payment asks again.
    pub(super) fn add(&self, target: &str, pin: Pin) {
        let mut targets = self.0.lock();
        if targets.len() >= TOOLS_MAX && !targets.contains_key(target) {
            return;
        }
        let pins = targets.entry(target.to_owned()).or_default();
        if pins.len() < PINS_MAX {
            pins.insert(pin);
        }
    }
}
