//! What a facilitator has answered so far: a fixed set of counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use parking_lot::Mutex;

/// Reasons told apart; further ones are counted together.
const REASONS_MAX: usize = 128;
/// What reasons above the bound are counted under.
const OTHER: &str = "other";

/// Counts by what was asked and what was answered.
#[derive(Default)]
pub struct FacilitatorCounters {
    answers: Mutex<BTreeMap<(&'static str, String), u64>>,
}

impl FacilitatorCounters {
    /// Counts one answer: `asked` is the endpoint, `outcome` a reason or `ok`.
    pub(super) fn count(&self, asked: &'static str, outcome: &str) {
        let mut answers = self.answers.lock();
        let known = answers.contains_key(&(asked, outcome.to_owned()));
        let outcome = if known || answers.len() < REASONS_MAX { outcome } else { OTHER };
        *answers.entry((asked, outcome.to_owned())).or_default() += 1;
    }

    /// The counts in Prometheus' text form.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let name = "tollway_facilitator_answers_total";
        let mut text = format!("# HELP {name} Answers by endpoint and outcome.\n# TYPE {name} counter\n");
        for ((asked, outcome), count) in self.answers.lock().iter() {
            let outcome: String = outcome.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}{{endpoint=\"{asked}\",outcome=\"{outcome}\"}} {count}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_bounded_and_their_labels_safe() {
        let counters = FacilitatorCounters::default();
        for number in 0..1_000 {
            counters.count("verify", &format!("reason_{number}"));
        }
        counters.count("settle", "\"} 1\nevil");
        let text = counters.to_prometheus();
        assert!(text.lines().count() <= REASONS_MAX + 4, "{}", text.lines().count());
        let sum: u64 = text.lines().filter_map(|line| line.rsplit_once("} ")?.1.parse::<u64>().ok()).sum();
        assert_eq!(sum, 1_001);
        assert!(!text.contains("evil\""));
    }
}
