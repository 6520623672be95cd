//! Who may ask a facilitator for work, how often, and for how much gas a day.
//!
//! A key is known by its SHA-256 only. Without keys everyone shares one allowance, which is meant
//! for a loopback address or a list of payees.

use std::collections::BTreeSet;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tollway_protocol::{FacilitatorRequest, Reason, Refusal};

/// Seconds of a day: gas budgets begin anew at midnight UTC.
const DAY: u64 = 86_400;

/// How much one caller may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests to verify or settle in a minute.
    pub per_minute: u32,
    /// Gas a day, in the chain's atomic unit (wei); `None` is without a limit.
    pub gas_per_day: Option<u128>,
}

/// A caller who is known by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// For logs and counts.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it may ask for.
    pub allowance: Allowance,
}

/// The door of a facilitator.
pub struct Door {
    callers: Vec<Caller>,
    keyed: bool,
    pay_to: Option<BTreeSet<String>>,
}

/// One caller and what it has used.
struct Caller {
    name: String,
    digest: [u8; 32],
    allowance: Allowance,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    minute: u64,
    requests: u32,
    day: u64,
    gas: u128,
}

/// A caller who was let in.
pub(super) struct Guest<'a> {
    caller: &'a Caller,
}

/// Gas that is held for one payment until its cost is known. Dropped, it counts as spent: nobody
/// knows what became of the payment.
pub(super) struct HeldGas<'a> {
    caller: &'a Caller,
    day: u64,
    wei: u128,
}

impl Door {
    /// A door for callers with keys. `pay_to` names the only payees, where it is given.
    #[must_use]
    pub fn keyed(keys: Vec<ApiKey>, pay_to: Option<Vec<String>>) -> Self {
        let callers = keys.into_iter().map(|key| Caller::new(key.name, key.digest, key.allowance)).collect();
        Self { callers, keyed: true, pay_to: pay_to.map(fold) }
    }

    /// A door for everyone, under one allowance.
    #[must_use]
    pub fn open(allowance: Allowance, pay_to: Option<Vec<String>>) -> Self {
        let callers = vec![Caller::new("anyone".to_owned(), [0; 32], allowance)];
        Self { callers, keyed: false, pay_to: pay_to.map(fold) }
    }

    /// The digest by which a key is known.
    #[must_use]
    pub fn digest(key: &str) -> [u8; 32] {
        Sha256::digest(key.as_bytes()).into()
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// `api_key_unknown`, or `too_many_requests` within the minute.
    pub(super) fn admit(&self, headers: &HeaderMap, now: u64) -> Result<Guest<'_>, Refusal> {
        let caller = if self.keyed { self.caller(headers) } else { self.callers.first() };
        let caller = caller.ok_or_else(|| Refusal::new(Reason::ApiKeyUnknown, "send `Authorization: Bearer KEY`"))?;
        caller.count(now)?;
        Ok(Guest { caller })
    }

    /// Whether the payee may be paid here.
    ///
    /// # Errors
    /// `pay_to_mismatch`.
    pub(super) fn admits_payee(&self, request: &FacilitatorRequest) -> Result<(), Refusal> {
        let Some(allowed) = &self.pay_to else { return Ok(()) };
        if allowed.contains(&request.payment_requirements.pay_to.to_ascii_lowercase()) {
            return Ok(());
        }
        Err(Refusal::new(Reason::PayToMismatch, "this facilitator does not settle for this payee"))
    }

    fn caller(&self, headers: &HeaderMap) -> Option<&Caller> {
        let sent = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, key) = sent.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        // Digests are compared: how long that takes says nothing about a key.
        let digest = Self::digest(key.trim());
        self.callers.iter().find(|caller| caller.digest == digest)
    }
}

impl Caller {
    fn new(name: String, digest: [u8; 32], allowance: Allowance) -> Self {
        Self { name, digest, allowance, used: Mutex::default() }
    }

    fn count(&self, now: u64) -> Result<(), Refusal> {
        let mut used = self.used.lock();
        if used.minute != now / 60 {
            used.minute = now / 60;
            used.requests = 0;
        }
        if used.requests >= self.allowance.per_minute {
            let detail = format!("{} requests a minute are answered", self.allowance.per_minute);
            return Err(Refusal::new(Reason::TooManyRequests, detail));
        }
        used.requests += 1;
        Ok(())
    }
}

impl<'a> Guest<'a> {
    /// The caller's name.
    pub(super) fn name(&self) -> &'a str {
        &self.caller.name
    }

    /// Holds gas for one payment.
    ///
    /// # Errors
    /// `gas_budget_exhausted` when the day's budget does not cover it.
    pub(super) fn hold_gas(&self, wei: u128, now: u64) -> Result<HeldGas<'a>, Refusal> {
        let day = now / DAY;
        let mut used = self.caller.used.lock();
        if used.day != day {
            used.day = day;
            used.gas = 0;
        }
        let after = used.gas.saturating_add(wei);
        if self.caller.allowance.gas_per_day.is_some_and(|budget| after > budget) {
            return Err(Refusal::new(Reason::GasBudgetExhausted, "the gas budget of the day is used up"));
        }
        used.gas = after;
        Ok(HeldGas { caller: self.caller, day, wei })
    }
}

impl HeldGas<'_> {
    /// The payment cost this much.
    pub(super) fn spent(self, wei: u128) {
        let mut used = self.caller.used.lock();
        if used.day == self.day {
            used.gas = used.gas.saturating_sub(self.wei).saturating_add(wei);
        }
    }
}

/// Addresses carry a checksum in their letter case; payees are compared without it.
fn fold(payees: Vec<String>) -> BTreeSet<String> {
    payees.iter().map(|payee| payee.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_348_800;

    fn bearer(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())])
    }

    fn door(per_minute: u32, gas_per_day: Option<u128>) -> Door {
        let allowance = Allowance { per_minute, gas_per_day };
        Door::keyed(vec![ApiKey { name: "shop".to_owned(), digest: Door::digest("s3cret"), allowance }], None)
    }

    fn reason<T>(outcome: Result<T, Refusal>) -> Option<Reason> {
        outcome.err().map(|refusal| refusal.reason)
    }

    #[test]
    fn a_key_is_asked_for_and_told_from_others() {
        let door = door(10, None);
        assert_eq!(door.admit(&bearer("Bearer s3cret"), NOON).unwrap().name(), "shop");
        for wrong in ["Bearer s3cre", "Bearer ", "s3cret", "Basic s3cret", "Bearer s3cret2"] {
            assert_eq!(reason(door.admit(&bearer(wrong), NOON)), Some(Reason::ApiKeyUnknown), "{wrong}");
        }
        assert_eq!(reason(door.admit(&HeaderMap::new(), NOON)), Some(Reason::ApiKeyUnknown));
    }

    #[test]
    fn requests_are_counted_by_the_minute() {
        let door = door(2, None);
        let key = bearer("bearer s3cret");
        assert!(door.admit(&key, NOON).is_ok() && door.admit(&key, NOON + 59).is_ok());
        assert_eq!(reason(door.admit(&key, NOON + 59)), Some(Reason::TooManyRequests));
        assert!(door.admit(&key, NOON + 60).is_ok());
    }

    #[test]
    fn gas_is_held_before_and_counted_after() {
        let door = door(100, Some(1_000));
        let guest = door.admit(&bearer("Bearer s3cret"), NOON).unwrap();
        let held = guest.hold_gas(600, NOON).unwrap();
        assert_eq!(reason(guest.hold_gas(600, NOON)), Some(Reason::GasBudgetExhausted));
        held.spent(100);
        // A hold that nobody accounts for stays spent.
        let _unaccounted = guest.hold_gas(600, NOON).unwrap();
        assert_eq!(reason(guest.hold_gas(301, NOON)), Some(Reason::GasBudgetExhausted));
        guest.hold_gas(300, NOON).unwrap().spent(0);
        assert!(guest.hold_gas(1_000, NOON + DAY).is_ok());
    }
}
