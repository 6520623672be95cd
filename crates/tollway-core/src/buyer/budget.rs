//! A budget: never more is signed for than it holds, however many requests run at once. What has
//! an unknown outcome stays held.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tollway_protocol::{Amount, Reason, Refusal};

/// A ceiling on each payment and on all of them. There is no budget without both.
#[derive(Clone)]
pub struct Budget {
    max_price: Amount,
    total: Amount,
    state: Arc<Mutex<State>>,
}

#[derive(Default, Clone, Copy)]
struct State {
    spent: Amount,
    held: Amount,
}

/// Money held for one payment. Dropped, it goes back.
#[must_use = "held money is spent, kept or given back"]
pub struct Held {
    budget: Budget,
    amount: Amount,
}

/// A budget at one moment, in atomic units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BudgetView {
    /// The ceiling on everything.
    pub total: Amount,
    /// What was charged.
    pub spent: Amount,
    /// What is held for payments under way or of unknown outcome.
    pub held: Amount,
}

impl Budget {
    /// A budget of `total`, of which no single payment takes more than `max_price`.
    pub fn new(total: Amount, max_price: Amount) -> Self {
        Self { max_price, total, state: Arc::default() }
    }

    /// Holds `amount`.
    ///
    /// # Errors
    /// `over_max_price` or `budget_exhausted`; nothing is held then.
    pub fn hold(&self, amount: Amount) -> Result<Held, Refusal> {
        if amount > self.max_price {
            let detail = format!("the price {amount} is above the highest allowed, {}", self.max_price);
            return Err(Refusal::new(Reason::OverMaxPrice, detail));
        }
        let mut state = self.state.lock();
        let taken = state.spent.checked_add(state.held).and_then(|taken| taken.checked_add(amount));
        if taken.is_none_or(|taken| taken > self.total) {
            return Err(Refusal::new(Reason::BudgetExhausted, "the budget does not hold this price any more"));
        }
        state.held = plus(state.held, amount);
        Ok(Held { budget: self.clone(), amount })
    }

    /// The budget now.
    pub fn view(&self) -> BudgetView {
        let state = *self.state.lock();
        BudgetView { total: self.total, spent: state.spent, held: state.held }
    }

    /// The highest price of a single payment.
    pub fn max_price(&self) -> Amount {
        self.max_price
    }
}

impl Held {
    /// How much.
    pub fn amount(&self) -> Amount {
        self.amount
    }

    /// The payment was charged.
    pub fn spend(self) {
        let mut state = self.budget.state.lock();
        state.spent = plus(state.spent, self.amount);
        // The drop that follows takes the same amount out of what is held.
    }

    /// Nobody knows yet whether it was charged: it stays held for good.
    pub fn keep(mut self) {
        self.amount = Amount::ZERO;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock();
        state.held = state.held.checked_sub(self.amount).unwrap_or(Amount::ZERO);
    }
}

/// Both sides are bounded by the total, which fits.
fn plus(left: Amount, right: Amount) -> Amount {
    left.checked_add(right).unwrap_or(Amount::new(u128::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(total: u128, max: u128) -> Budget {
        Budget::new(Amount::new(total), Amount::new(max))
    }

    #[test]
    fn threat_24_both_ceilings_hold() {
        let budget = budget(100, 60);
        assert_eq!(budget.hold(Amount::new(61)).err().unwrap().reason, Reason::OverMaxPrice);
        budget.hold(Amount::new(60)).unwrap().spend();
        assert_eq!(budget.hold(Amount::new(41)).err().unwrap().reason, Reason::BudgetExhausted);
        let held = budget.hold(Amount::new(40)).unwrap();
        assert_eq!(budget.hold(Amount::new(1)).err().unwrap().reason, Reason::BudgetExhausted);
        drop(held);
        budget.hold(Amount::new(40)).unwrap().keep();
        assert_eq!(
            budget.view(),
            BudgetView { total: Amount::new(100), spent: Amount::new(60), held: Amount::new(40) }
        );
    }

    #[test]
    fn threat_27_a_thousand_threads_never_pass_the_total() {
        let budget = budget(10, 1);
        let sold: usize = std::thread::scope(|scope| {
            let buyers: Vec<_> = (0..50)
                .map(|_| {
                    scope.spawn(|| (0..20).filter(|_| budget.hold(Amount::new(1)).map(Held::spend).is_ok()).count())
                })
                .collect();
            buyers.into_iter().map(|buyer| buyer.join().unwrap()).sum()
        });
        assert_eq!(sold, 10);
        assert_eq!(budget.view().spent, Amount::new(10));
        assert_eq!(budget.view().held, Amount::ZERO);
    }
}
