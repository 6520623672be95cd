//! The port to the log of a purse: what is written there is durable before what it says happens. Here is the one that
//! lives as long as its program; `tollway-http` keeps one in a file that several programs share.

use async_trait::async_trait;
use parking_lot::Mutex;
use tollway_ledger::Fingerprint;
use tollway_protocol::{Amount, Reason, Refusal};

use super::ceilings::Ceilings;
use super::purse::{Payment, Purse, PurseLine, Signed, Spending};

/// Where signed payments are kept until their outcome is certain. Each call sees what every program that shares the log
/// has written.
#[async_trait]
pub trait PurseLog: Send + Sync {
    /// Whether one more payment is within the ceilings.
    ///
    /// # Errors
    /// `over_max_price`, `budget_exhausted`, or `journal_unavailable`.
    async fn allows(&self, ceilings: &Ceilings, host: &str, price: Amount, now: u64) -> Result<(), Refusal>;

    /// Writes a signed payment down, if the ceilings still allow it and nothing else was signed for the same purchase
    /// meanwhile.
    ///
    /// # Errors
    /// As [`allows`](Self::allows), or `replay_pending` for a purchase under way elsewhere.
    async fn commit(&self, ceilings: &Ceilings, signed: Signed, now: u64) -> Result<(), Refusal>;

    /// Writes down what became of a payment.
    ///
    /// # Errors
    /// `journal_unavailable`.
    async fn record(&self, line: PurseLine) -> Result<(), Refusal>;

    /// The open payment of a purchase.
    ///
    /// # Errors
    /// `journal_unavailable`.
    async fn open_payment(&self, purchase: &Fingerprint) -> Result<Option<Signed>, Refusal>;

    /// Every payment, oldest first.
    ///
    /// # Errors
    /// `journal_unavailable`.
    async fn payments(&self) -> Result<Vec<Payment>, Refusal>;

    /// What was spent in the UTC day of `now`: on one host, or on all.
    ///
    /// # Errors
    /// `journal_unavailable`.
    async fn spending(&self, host: Option<&str>, now: u64) -> Result<Spending, Refusal>;
}

impl Purse {
    /// Whether a payment may be written down: the ceilings allow it and no other is under way for its purchase.
    ///
    /// # Errors
    /// As [`allows`](Self::allows), or `replay_pending`.
    pub fn admits(&self, ceilings: &Ceilings, signed: &Signed, now: u64) -> Result<(), Refusal> {
        if self.open_payment(&signed.purchase).is_some() {
            return Err(Refusal::new(Reason::ReplayPending, "the same purchase is under way already"));
        }
        self.allows(ceilings, &signed.host, signed.price, now)
    }
}

/// A purse that is forgotten with its program: for trials. Whoever pays with money that counts keeps a file.
#[derive(Debug, Default)]
pub struct MemoryPurse(Mutex<Purse>);

#[async_trait]
impl PurseLog for MemoryPurse {
    async fn allows(&self, ceilings: &Ceilings, host: &str, price: Amount, now: u64) -> Result<(), Refusal> {
        self.0.lock().allows(ceilings, host, price, now)
    }

    async fn commit(&self, ceilings: &Ceilings, signed: Signed, now: u64) -> Result<(), Refusal> {
        let mut purse = self.0.lock();
        purse.admits(ceilings, &signed, now)?;
        purse.add(PurseLine::Signed(Box::new(signed)));
        Ok(())
    }

    async fn record(&self, line: PurseLine) -> Result<(), Refusal> {
        self.0.lock().add(line);
        Ok(())
    }

    async fn open_payment(&self, purchase: &Fingerprint) -> Result<Option<Signed>, Refusal> {
        Ok(self.0.lock().open_payment(purchase).map(|open| open.signed.clone()))
    }

    async fn payments(&self) -> Result<Vec<Payment>, Refusal> {
        Ok(self.0.lock().payments().into_iter().cloned().collect())
    }

    async fn spending(&self, host: Option<&str>, now: u64) -> Result<Spending, Refusal> {
        Ok(self.0.lock().spending(now, |signed| host.is_none_or(|host| signed.host == host)))
    }
}
