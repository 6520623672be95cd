//! Counts of what the gate answered, by rule, class of requester and outcome. Their number is fixed
//! when the gate is made: no request can make them grow. They are counts, not the books: revenue is
//! what the ledger says.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use tollway_core::rules::{Requester, RuleSet};
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
    /// It was within a pass, and cost nothing.
    Within,
    /// It was paid for and cost nothing: the upstream did not answer with success.
    Released,
    /// A rule on trial would have charged or blocked it.
    Trial,
    /// It was refused.
    Refused(Reason),
}

/// Who asked, as far as field names tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody.
    Open,
    /// A crawler by its `User-Agent`.
    Bot,
    /// One that names an agent, or pays.
    Signed,
}

impl Class {
    const ALL: [Self; 3] = [Self::Open, Self::Bot, Self::Signed];

    /// The class of a requester.
    pub fn of(who: Requester) -> Self {
        match who {
            Requester { signed: true, .. } => Self::Signed,
            Requester { bot: true, .. } => Self::Bot,
            _ => Self::Open,
        }
    }

    /// The word in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Bot => "bot",
            Self::Signed => "signed",
        }
    }
}

/// One count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<'a> {
    /// The rule's id; empty for what no rule speaks of.
    pub rule: &'a str,
    /// Who asked.
    pub class: Class,
    /// What became of it: `passed`, `sold`, `replayed`, `released`, `dry_run`, `within_pass`, or a reason's code.
    pub outcome: &'static str,
    /// How often.
    pub value: u64,
}

/// Counts for each rule, and for what no rule speaks of.
pub struct Counters {
    rules: Vec<RuleCounts>,
}

struct RuleCounts {
    rule: String,
    charged: AtomicU64,
    /// Each class's outcomes, one class after the other.
    outcomes: Vec<AtomicU64>,
}

/// Stands for "no rule".
const NO_RULE: &str = "";
/// Outcomes that are no refusals, in the order of their counts.
const SERVED: [&str; 6] = ["passed", "sold", "replayed", "released", "dry_run", "within_pass"];

impl Counters {
    /// Counters for these rules.
    pub fn new(rules: &RuleSet) -> Self {
        let names = std::iter::once(NO_RULE).chain(rules.all().map(|rule| rule.id.as_str()));
        Self { rules: names.map(RuleCounts::new).collect() }
    }

    /// Counts one answer to somebody who pays.
    pub fn count(&self, rule: Option<&str>, outcome: Outcome) {
        self.count_for(Class::Signed, rule, outcome);
    }

    /// Counts one answer.
    pub fn count_for(&self, class: Class, rule: Option<&str>, outcome: Outcome) {
        let name = rule.unwrap_or(NO_RULE);
        let counts = self.rules.iter().find(|counts| counts.rule == name).unwrap_or(&self.rules[0]);
        let place = match outcome {
            Outcome::Passed => 0,
            Outcome::SoldAtOnce => 1,
            Outcome::Sold(amount) => {
                add(&counts.charged, u64::try_from(amount.get()).unwrap_or(u64::MAX));
                1
            }
            Outcome::Replayed => 2,
            Outcome::Released => 3,
            Outcome::Trial => 4,
            Outcome::Within => 5,
            Outcome::Refused(reason) => {
                let known = Reason::ALL.iter().position(|other| *other == reason);
                SERVED.len() + known.unwrap_or_default()
            }
        };
        add(&counts.outcomes[counts.place(class, place)], 1);
    }

    /// All counts that are not zero.
    pub fn counts(&self) -> impl Iterator<Item = Count<'_>> {
        self.rules.iter().flat_map(RuleCounts::counts).filter(|count| count.value > 0)
    }

    /// All counts in Prometheus's text format.
    pub fn to_prometheus(&self) -> String {
        let mut text = String::from(
            "# HELP tollway_requests_total Requests answered, by rule, class of requester and outcome.\n\
             # TYPE tollway_requests_total counter\n",
        );
        for Count { rule, class, outcome, value } in self.counts() {
            let class = class.as_str();
            line(
                &mut text,
                "tollway_requests_total",
                rule,
                &format!(",class=\"{class}\",outcome=\"{outcome}\""),
                value,
            );
        }
        text.push_str(
            "# HELP tollway_charged_atomic_total Charged since the start, in atomic units; the books are the record.\n\
             # TYPE tollway_charged_atomic_total counter\n",
        );
        for counts in &self.rules[1..] {
            line(&mut text, "tollway_charged_atomic_total", &counts.rule, "", counts.charged.load(Ordering::Relaxed));
        }
        text
    }
}

impl RuleCounts {
    fn new(rule: &str) -> Self {
        let places = Class::ALL.len() * (SERVED.len() + Reason::ALL.len());
        Self {
            rule: rule.to_owned(),
            charged: AtomicU64::new(0),
            outcomes: (0..places).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn place(&self, class: Class, outcome: usize) -> usize {
        class as usize * (self.outcomes.len() / Class::ALL.len()) + outcome
    }

    fn counts(&self) -> impl Iterator<Item = Count<'_>> {
        let outcomes = || SERVED.into_iter().chain(Reason::ALL.iter().map(|reason| reason.code())).enumerate();
        Class::ALL.into_iter().flat_map(move |class| {
            outcomes().map(move |(place, outcome)| {
                let value = self.outcomes[self.place(class, place)].load(Ordering::Relaxed);
                Count { rule: &self.rule, class, outcome, value }
            })
        })
    }
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Rule ids are letters, digits, `-`, `_`, `.` and `:`: nothing to escape.
fn line(text: &mut String, name: &str, rule: &str, more: &str, value: u64) {
    writeln!(text, "{name}{{rule=\"{rule}\"{more}}} {value}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_93_counts_are_fixed_in_number() {
        let counters = Counters::new(&RuleSet::new(vec![], vec![]));
        let size = counters.rules[0].outcomes.len();
        for n in 0..10_000 {
            counters.count_for(Class::Open, Some(&format!("invented-{n}")), Outcome::Refused(Reason::PaymentRequired));
        }
        assert_eq!((counters.rules.len(), counters.rules[0].outcomes.len()), (1, size));
        let text = counters.to_prometheus();
        let line = "tollway_requests_total{rule=\"\",class=\"open\",outcome=\"payment_required\"} 10000";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn each_class_and_outcome_has_a_count_of_its_own() {
        let counters = Counters::new(&RuleSet::new(vec![], vec![]));
        for class in Class::ALL {
            counters.count_for(class, None, Outcome::Trial);
            for reason in Reason::ALL {
                counters.count_for(class, None, Outcome::Refused(*reason));
            }
        }
        assert_eq!(counters.counts().count(), Class::ALL.len() * (1 + Reason::ALL.len()));
        assert!(counters.counts().all(|count| count.value == 1));
    }
}
