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

/// Money held for one payment. Dropped, it goes back, unless it was promised: from then on only a
/// definite outcome moves it.
#[must_use = "held money is spent, kept or given back"]
pub struct Held {
    budget: Budget,
    amount: Amount,
    promised: bool,
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
        Ok(Held { budget: self.clone(), amount, promised: false })
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

    /// A promise over it was signed: whoever holds that may charge it.
    pub fn promise(mut self) -> Self {
        self.promised = true;
        self
    }

    /// The payment was charged.
    pub fn spend(mut self) {
        let amount = self.release();
        let mut state = self.budget.state.lock();
        state.spent = plus(state.spent, amount);
    }

    /// The payment will not be charged.
    pub fn give_back(mut self) {
        self.release();
    }

    /// Nobody knows yet whether it was charged: it stays held for good.
    pub fn keep(mut self) {
        self.promised = true;
    }

    /// Takes it out of what is held, once.
    fn release(&mut self) -> Amount {
        let amount = std::mem::take(&mut self.amount);
        let mut state = self.budget.state.lock();
        state.held = state.held.checked_sub(amount).unwrap_or(Amount::ZERO);
        amount
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.promised {
            self.release();
        }
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
    fn threat_27_promised_money_moves_only_by_a_definite_outcome() {
        let budget = budget(100, 60);
        drop(budget.hold(Amount::new(10)).unwrap().promise());
        assert_eq!(budget.view().held, Amount::new(10), "whoever dropped it does not know its outcome");
        budget.hold(Amount::new(10)).unwrap().promise().give_back();
        budget.hold(Amount::new(10)).unwrap().promise().spend();
        let expected = BudgetView { total: Amount::new(100), spent: Amount::new(10), held: Amount::new(10) };
        assert_eq!(budget.view(), expected);
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
