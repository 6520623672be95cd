//! An agent's account: its terms, its totals, and what a further sale would do to them.

use serde::Serialize;
use tollway_protocol::{Amount, Reason, Refusal};

use crate::id::{AgentId, Sequence};

const DAY_SECONDS: u64 = 86_400;

/// On what terms an agent buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentTerms {
    /// Whose account.
    pub agent: AgentId,
    /// The most it may owe at any time, in atomic units.
    pub credit_limit: Amount,
    /// The most it may buy in one UTC day, in atomic units; `None` leaves only the credit limit.
    pub daily_budget: Option<Amount>,
}

/// One agent's account as a page or a buyer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// Whose account.
    pub agent: AgentId,
    /// The most it may owe, in atomic units.
    pub credit_limit: Amount,
    /// The most it may buy in one UTC day, in atomic units.
    pub daily_budget: Option<Amount>,
    /// Bought on the last UTC day on which it bought anything, if that is the asked day; pending claims count.
    pub spent_today: Amount,
    /// Charged, not taken back and not paid.
    pub balance_owed: Amount,
    /// Held for sales in progress: reserves of this process and pending claims of any.
    pub reserved: Amount,
    /// Whether new sales are refused.
    pub blocked: bool,
    /// Unix second of its first entry.
    pub since: u64,
    /// Unix second of its last charge or claim.
    pub last_sale: Option<u64>,
}

/// One agent's row in the books. Totals only grow; balances are derived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose account, and on what terms.
    pub terms: AgentTerms,
    /// Whether new sales are refused.
    pub blocked: bool,
    /// Sum of all charges.
    pub posted: Amount,
    /// Sum of all charges taken back.
    pub undelivered: Amount,
    /// Sum of all statements paid.
    pub paid: Amount,
    /// Sum of claims that are neither posted, voided nor expired.
    pub pending: Amount,
    /// UTC day (days since 1970) that `spent` belongs to.
    pub spent_day: u64,
    /// Bought on that day, pending claims included.
    pub spent: Amount,
    /// Unix second of its first entry.
    pub since: u64,
    /// Unix second of its last charge or claim.
    pub last_sale: Option<u64>,
    /// The last entry that changed this row: of two copies the higher one is newer.
    pub touched: Sequence,
}

impl Account {
    /// An account without any sale.
    #[must_use]
    pub fn new(terms: AgentTerms, now: u64) -> Self {
        Self {
            terms,
            blocked: false,
            posted: Amount::ZERO,
            undelivered: Amount::ZERO,
            paid: Amount::ZERO,
            pending: Amount::ZERO,
            spent_day: utc_day(now),
            spent: Amount::ZERO,
            since: now,
            last_sale: None,
            touched: Sequence::ZERO,
        }
    }

    /// Charged, not taken back and not paid; nothing if the seller owes the agent.
    #[must_use]
    pub fn owed(&self) -> Amount {
        // A charge can be taken back after its statement was paid: the credit lowers the next statement.
        let settled = self.undelivered.checked_add(self.paid);
        settled.and_then(|settled| self.posted.checked_sub(settled)).unwrap_or(Amount::ZERO)
    }

    /// Bought on the UTC day of `now`. A clock that runs back a day does not open a fresh budget.
    #[must_use]
    pub fn spent_on(&self, now: u64) -> Amount {
        if utc_day(now) > self.spent_day { Amount::ZERO } else { self.spent }
    }

    /// Whether a sale of `amount` may be made while `reserved` is held for others.
    ///
    /// # Errors
    ///
    /// In this order: `blocked`, `over_credit`, `over_daily_budget`.
    pub fn admit(&self, amount: Amount, reserved: Amount, now: u64) -> Result<(), Refusal> {
        if self.blocked {
            return Err(Refusal::new(Reason::AgentBlocked, "the seller has blocked this agent"));
        }
        let held = self.pending.checked_add(reserved);
        let exposed = sum(self.owed(), held, amount);
        let ever = sum(self.posted, held, amount);
        let in_credit = exposed.is_some_and(|total| total <= self.terms.credit_limit);
        // A lifetime total beyond what an export can print would make the books unreadable.
        if !in_credit || ever.is_none_or(|total| total > Amount::LARGEST) {
            return Err(Refusal::new(Reason::OverCredit, "the charge would pass the credit limit"));
        }
        let spent = sum(self.spent_on(now), Some(reserved), amount);
        match self.terms.daily_budget {
            Some(budget) if spent.is_none_or(|total| total > budget) => {
                Err(Refusal::new(Reason::OverBudget, "the charge would pass the budget of this UTC day"))
            }
            _ => Ok(()),
        }
    }

    /// The account with `reserved` held in this process, on the UTC day of `now`.
    #[must_use]
    pub fn view(&self, reserved: Amount, now: u64) -> AccountView {
        AccountView {
            agent: self.terms.agent.clone(),
            credit_limit: self.terms.credit_limit,
            daily_budget: self.terms.daily_budget,
            spent_today: self.spent_on(now),
            balance_owed: self.owed(),
            reserved: add(self.pending, reserved),
            blocked: self.blocked,
            since: self.since,
            last_sale: self.last_sale,
        }
    }

    /// Counts a charge (or a claim) against the day of `now`.
    pub(crate) fn spend(&mut self, amount: Amount, now: u64) {
        self.spent = add(self.spent_on(now), amount);
        self.spent_day = self.spent_day.max(utc_day(now));
        self.last_sale = Some(now);
    }

    /// Gives back what was counted at `spent_at`, if that day is still the counted one.
    pub(crate) fn unspend(&mut self, amount: Amount, spent_at: u64) {
        if utc_day(spent_at) == self.spent_day {
            self.spent = less(self.spent, amount);
        }
    }
}

/// The number of whole UTC days since 1970.
pub(crate) fn utc_day(now: u64) -> u64 {
    now / DAY_SECONDS
}

fn sum(first: Amount, second: Option<Amount>, third: Amount) -> Option<Amount> {
    first.checked_add(second?)?.checked_add(third)
}

/// Sums of admitted amounts stay below [`Amount::LARGEST`], so saturating is never reached.
pub(crate) fn add(left: Amount, right: Amount) -> Amount {
    left.checked_add(right).unwrap_or(Amount::new(u128::MAX))
}

pub(crate) fn less(left: Amount, right: Amount) -> Amount {
    left.checked_sub(right).unwrap_or(Amount::ZERO)
}
