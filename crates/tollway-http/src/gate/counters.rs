//! Counts of what the gate answered, by rule and outcome. Their number is fixed when the gate is
//! made: no request can make them grow. They are counts, not the books: revenue is what the ledger says.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use tollway_core::rules::RuleSet;
use tollway_protocol::{Amount, Reason};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It passed, free.
    Passed,
    /// It was paid and served.
    Sold(Amount),
    /// It was paid at once and served. Amounts of other assets are not added to those of the books.
    SoldAtOnce,
    /// It had been sold before and was answered from the record.
    Replayed,
    /// It was paid for and cost nothing: the upstream did not answer with success.
    Released,
    /// It was refused.
    Refused(Reason),
}

/// Counts for each rule, and for what no rule speaks of.
pub struct Counters {
    rules: Vec<RuleCounts>,
}

struct RuleCounts {
    rule: String,
    passed: AtomicU64,
    sold: AtomicU64,
    charged: AtomicU64,
    replayed: AtomicU64,
    released: AtomicU64,
    refused: Vec<AtomicU64>,
}

/// Stands for "no rule".
const NO_RULE: &str = "";

impl Counters {
    /// Counters for these rules.
    pub fn new(rules: &RuleSet) -> Self {
        let names = std::iter::once(NO_RULE).chain(rules.rules().iter().map(|rule| rule.id.as_str()));
        Self { rules: names.map(RuleCounts::new).collect() }
    }

    /// Counts one answer.
    pub fn count(&self, rule: Option<&str>, outcome: Outcome) {
        let name = rule.unwrap_or(NO_RULE);
        let counts = self.rules.iter().find(|counts| counts.rule == name).unwrap_or(&self.rules[0]);
        match outcome {
            Outcome::Passed => add(&counts.passed, 1),
            Outcome::Replayed => add(&counts.replayed, 1),
            Outcome::Released => add(&counts.released, 1),
            Outcome::SoldAtOnce => add(&counts.sold, 1),
            Outcome::Sold(amount) => {
                add(&counts.sold, 1);
                add(&counts.charged, u64::try_from(amount.get()).unwrap_or(u64::MAX));
            }
            Outcome::Refused(reason) => {
                if let Some(place) = Reason::ALL.iter().position(|other| *other == reason) {
                    add(&counts.refused[place], 1);
                }
            }
        }
    }

    /// All counts in Prometheus's text format.
    pub fn to_prometheus(&self) -> String {
        let mut text = String::from(
            "# HELP tollway_requests_total Requests answered, by rule and outcome.\n# TYPE tollway_requests_total counter\n",
        );
        for counts in &self.rules {
            for (outcome, counter) in counts.outcomes() {
                let value = counter.load(Ordering::Relaxed);
                if value > 0 {
                    line(&mut text, "tollway_requests_total", &counts.rule, Some(outcome), value);
                }
            }
        }
        text.push_str(
            "# HELP tollway_charged_atomic_total Charged since the start, in atomic units; the books are the record.\n\
             # TYPE tollway_charged_atomic_total counter\n",
        );
        for counts in &self.rules[1..] {
            line(&mut text, "tollway_charged_atomic_total", &counts.rule, None, counts.charged.load(Ordering::Relaxed));
        }
        text
    }
}

impl RuleCounts {
    fn new(rule: &str) -> Self {
        Self {
            rule: rule.to_owned(),
            passed: AtomicU64::new(0),
            sold: AtomicU64::new(0),
            charged: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            released: AtomicU64::new(0),
            refused: Reason::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn outcomes(&self) -> impl Iterator<Item = (&'static str, &AtomicU64)> {
        let own = [
            ("passed", &self.passed),
            ("sold", &self.sold),
            ("replayed", &self.replayed),
            ("released", &self.released),
        ];
        own.into_iter().chain(Reason::ALL.iter().map(|reason| reason.code()).zip(&self.refused))
    }
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Rule ids are letters, digits, `-`, `_` and `.`: nothing to escape.
fn line(text: &mut String, name: &str, rule: &str, outcome: Option<&str>, value: u64) {
    let outcome = outcome.map_or_else(String::new, |outcome| format!(",outcome=\"{outcome}\""));
    writeln!(text, "{name}{{rule=\"{rule}\"{outcome}}} {value}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_93_counts_are_fixed_in_number() {
        let counters = Counters::new(&RuleSet::new(vec![], vec![]));
        for n in 0..10_000 {
            counters.count(Some(&format!("invented-{n}")), Outcome::Refused(Reason::PaymentRequired));
        }
        assert_eq!(counters.rules.len(), 1);
        let text = counters.to_prometheus();
        assert!(text.contains("tollway_requests_total{rule=\"\",outcome=\"payment_required\"} 10000"), "{text}");
    }
}
