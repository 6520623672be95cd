//! What every payer of one buyer shares: key, budget and journal.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tollway_core::buyer::{Budget, Buyer, Journal, Shelf};
use tollway_core::clock::Clock;
use tollway_http::payer::{Entropy, FileJournal, OpenPromise, Payer, PayerParts, Transport};
use tollway_protocol::{Amount, Dress, Network};
use tollway_signatures::PrivateKey;

use super::error::BuildError;

/// A buyer, without a way to ask.
pub(super) struct Purse {
    pub(super) agent: String,
    pub(super) key: Arc<PrivateKey>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dress: Dress,
    pub(super) network: Network,
    pub(super) body_max: usize,
    pub(super) log: Log,
}

/// Money and the journal that counts it.
pub(super) struct Log {
    budget: Budget,
    journal: Arc<dyn Journal>,
    /// Promises of earlier runs without an outcome: the first payer looks them up.
    open: Mutex<Vec<OpenPromise>>,
    /// Held as long as somebody may write.
    _locked: File,
}

impl Log {
    /// Takes up a journal: what it says was spent is spent, of `total` for the whole of it.
    pub(super) fn open(path: &Path, total: Amount, max_price: Amount) -> Result<Self, BuildError> {
        let failed = |error| BuildError::Journal { path: path.to_owned(), error };
        let journal = FileJournal::open(path).map_err(failed)?;
        let locked = File::open(path).map_err(failed)?;
        match locked.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BuildError::JournalInUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let past = FileJournal::past(path, 0).map_err(failed)?;
        let left = total.checked_sub(past.charged()).and_then(|left| left.checked_sub(past.held()));
        Ok(Self {
            budget: Budget::new(left.unwrap_or(Amount::ZERO), max_price),
            journal: Arc::new(journal),
            open: Mutex::new(past.into_open()),
            _locked: locked,
        })
    }
}

impl Purse {
    /// A payer of this buyer that asks by this transport.
    pub(super) fn payer(&self, transport: Arc<dyn Transport>) -> Payer {
        let entropy: Entropy = Arc::new(|bytes: &mut [u8]| {
            // Without randomness nothing can be signed safely; there is nothing to go on with.
            getrandom::fill(bytes).expect("the system gives randomness");
        });
        let payer = Payer::new(PayerParts {
            transport,
            buyer: Buyer {
                budget: self.log.budget.clone(),
                journal: Arc::clone(&self.log.journal),
                shelf: Shelf::default(),
                clock: Arc::clone(&self.clock),
                dress: self.dress,
                network: self.network.clone(),
            },
            key: Arc::clone(&self.key),
            agent: self.agent.clone(),
            entropy,
            body_max: self.body_max,
        });
        payer.adopt(std::mem::take(&mut *self.log.open.lock()));
        payer
    }
}
