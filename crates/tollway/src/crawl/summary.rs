//! What a crawl came to: for people as text, for programs as JSON.

use std::fmt;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use serde::{Serialize, Serializer};
use tollway_protocol::Amount;

use super::page::{Outcome, PageEvent, Skip};
use crate::money::dollars;

/// The figures of one crawl. Amounts are micro-USD, written in JSON as strings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Pages that arrived and, where asked for, were saved.
    pub(crate) pages_ok: u64,
    /// Of those, the ones that cost money.
    pub(crate) pages_paid: u64,
    /// Of those, the ones that did not.
    pub(crate) pages_free: u64,
    /// Pages that an earlier crawl into the same directory has; none of them was asked for again.
    pub(crate) pages_kept: u64,
    /// Pages that were not taken.
    pub(crate) pages_skipped: Skipped,
    /// Redirects that stayed inside the crawl.
    pub(crate) redirects: u64,
    /// Sitemaps that listed anything inside the crawl.
    pub(crate) sitemaps: u64,
    /// Pages that failed: no answer, an error status, too large, not to be saved or recorded.
    pub(crate) errors: u64,
    /// Pages whose commitment went out without its outcome coming back; the payer's journal names them.
    pub(crate) unknown: u64,
    /// Everything that was charged, also for answers that were of no use.
    #[serde(serialize_with = "as_string")]
    pub(crate) charged: u128,
    /// What earlier runs of the same crawl were charged.
    #[serde(serialize_with = "as_string")]
    pub(crate) charged_before: u128,
    /// Bytes of the pages that arrived.
    pub(crate) bytes: u64,
    /// How long it took, to the millisecond.
    pub(crate) seconds: f64,
    /// Pages that arrived per second.
    pub(crate) pages_per_second: f64,
    /// Why it ended.
    pub(crate) stopped: Stopped,
    /// More about why, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// Pages known but not taken, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Skipped {
    /// `robots.txt` says no, or could not be had.
    pub(crate) robots: u64,
    /// Costs more than one page may.
    pub(crate) over_max_price: u64,
    /// The budget could not carry it.
    pub(crate) budget_exhausted: u64,
    /// A redirect led outside the scope.
    pub(crate) out_of_scope: u64,
    /// No room in the queue.
    pub(crate) queue_full: u64,
    /// The host asked to be left alone for longer than a crawl waits.
    pub(crate) host_busy: u64,
}

/// Why a crawl ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stopped {
    /// Nothing is left to visit.
    #[default]
    Done,
    /// The number of pages asked for is reached.
    MaxPages,
    /// The payer's budget cannot carry a further page.
    BudgetExhausted,
    /// The caller asked to stop.
    Cancelled,
    /// A page could not be written; paying for more would be a waste.
    SaveFailed,
}

impl Summary {
    /// Counts one page.
    pub(crate) fn count(&mut self, event: &PageEvent) {
        if let Some(charged) = &event.charged {
            self.charged = self.charged.saturating_add(charged.amount);
        }
        match &event.outcome {
            Outcome::Page { bytes, .. } => {
                self.pages_ok += 1;
                self.bytes += bytes;
                let paid = event.charged.as_ref().is_some_and(|charged| charged.amount > 0);
                *(if paid { &mut self.pages_paid } else { &mut self.pages_free }) += 1;
            }
            Outcome::Kept { bytes } => self.pages_kept += u64::from(bytes.is_some()),
            Outcome::Sitemap { urls } => self.sitemaps += u64::from(*urls > 0),
            Outcome::Redirect { .. } => self.redirects += 1,
            Outcome::Skipped(skip) => *self.pages_skipped.of(skip) += 1,
            Outcome::TooLarge { .. } | Outcome::Failed(_) | Outcome::NotSaved(_) => self.errors += 1,
            Outcome::Unknown { .. } => self.unknown += 1,
        }
    }

    /// Sets how long it all took.
    pub(crate) fn took(&mut self, elapsed: Duration) {
        self.seconds = round(elapsed.as_secs_f64(), 1000.0);
        if !elapsed.is_zero() {
            self.pages_per_second = round(self.pages_ok as f64 / elapsed.as_secs_f64(), 10.0);
        }
    }
}

impl Skipped {
    fn of(&mut self, skip: &Skip) -> &mut u64 {
        match skip {
            Skip::Robots => &mut self.robots,
            Skip::OverMaxPrice { .. } => &mut self.over_max_price,
            Skip::BudgetExhausted => &mut self.budget_exhausted,
            Skip::OutOfScope => &mut self.out_of_scope,
            Skip::QueueFull => &mut self.queue_full,
            Skip::HostBusy => &mut self.host_busy,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: u64| HumanCount(n).to_string();
        let mut line = |name: &str, value: &str| writeln!(f, "{name:<10} {value}");
        line(
            "Pages",
            &format!("{} ({} paid, {} free)", count(self.pages_ok), count(self.pages_paid), count(self.pages_free)),
        )?;
        if self.pages_kept > 0 {
            line("Kept", &format!("{} from earlier runs, not asked for again", count(self.pages_kept)))?;
        }
        let before = match self.charged_before {
            0 => String::new(),
            before => format!(", and {} in earlier runs", usd(before)),
        };
        line("Charged", &format!("{}{before}", usd(self.charged)))?;
        line("Skipped", &self.pages_skipped.to_string())?;
        line("Redirects", &count(self.redirects))?;
        line("Errors", &count(self.errors))?;
        if self.unknown > 0 {
            line("Unknown", &format!("{}, paid or not is in the payer's journal", count(self.unknown)))?;
        }
        line("Size", &HumanBytes(self.bytes).to_string())?;
        line("Time", &format!("{:.1} s ({:.1} pages/s)", self.seconds, self.pages_per_second))?;
        let stopped = match &self.detail {
            Some(detail) => format!("{}: {detail}", self.stopped),
            None => self.stopped.to_string(),
        };
        write!(f, "{:<10} {stopped}", "Stopped")
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = [
            (self.robots, "by robots.txt"),
            (self.over_max_price, "over the price limit"),
            (self.budget_exhausted, "over the budget"),
            (self.out_of_scope, "out of scope"),
            (self.queue_full, "for a full queue"),
            (self.host_busy, "of busy hosts"),
        ];
        let said: Vec<_> = reasons
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, reason)| format!("{} {reason}", HumanCount(*count)))
            .collect();
        f.write_str(if said.is_empty() { "0" } else { "" })?;
        f.write_str(&said.join(", "))
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "everything is visited",
            Self::MaxPages => "page limit reached",
            Self::BudgetExhausted => "budget exhausted",
            Self::Cancelled => "cancelled",
            Self::SaveFailed => "a page could not be saved",
        })
    }
}

/// Micro-USD as people read them: 12300 is `$0.0123`.
pub(crate) fn usd(micro: u128) -> String {
    dollars(Amount::new(micro))
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

fn as_string<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::crawl::Charged;

    fn sample() -> Summary {
        let mut summary = Summary {
            pages_ok: 1234,
            pages_paid: 1200,
            pages_free: 34,
            pages_skipped: Skipped { robots: 3, over_max_price: 2, ..Skipped::default() },
            redirects: 5,
            errors: 1,
            unknown: 1,
            charged: 12_300,
            bytes: 5 << 20,
            stopped: Stopped::BudgetExhausted,
            ..Summary::default()
        };
        summary.took(Duration::from_millis(12_345));
        summary
    }

    #[test]
    fn json() {
        let expected = r#"{
  "pages_ok": 1234,
  "pages_paid": 1200,
  "pages_free": 34,
  "pages_kept": 0,
  "pages_skipped": {
    "robots": 3,
    "over_max_price": 2,
    "budget_exhausted": 0,
    "out_of_scope": 0,
    "queue_full": 0,
    "host_busy": 0
  },
  "redirects": 5,
  "sitemaps": 0,
  "errors": 1,
  "unknown": 1,
  "charged": "12300",
  "charged_before": "0",
  "bytes": 5242880,
  "seconds": 12.345,
  "pages_per_second": 100.0,
  "stopped": "budget_exhausted"
}"#;
        assert_eq!(serde_json::to_string_pretty(&sample()).unwrap(), expected);
        let huge = Summary { charged: u128::MAX, detail: Some("disk full".into()), ..Summary::default() };
        let json = serde_json::to_value(&huge).unwrap();
        assert_eq!(json["charged"], u128::MAX.to_string());
        assert_eq!(json["detail"], "disk full");
        assert_eq!(json["stopped"], "done");
    }

    #[test]
    fn text() {
        let expected = "\
Pages      1,234 (1,200 paid, 34 free)
Charged    $0.0123
Skipped    3 by robots.txt, 2 over the price limit
Redirects  5
Errors     1
Unknown    1, paid or not is in the payer's journal
Size       5.00 MiB
Time       12.3 s (100.0 pages/s)
Stopped    budget exhausted";
        assert_eq!(sample().to_string(), expected);
        let empty = Summary { detail: Some("why".into()), ..Summary::default() }.to_string();
        assert!(
            empty.contains("Skipped    0\n") && empty.ends_with("Stopped    everything is visited: why"),
            "{empty}"
        );
        assert!(!empty.contains("Unknown") && !empty.contains("Kept"));
        let resumed = Summary { pages_kept: 1_000, charged_before: 7_000, ..sample() }.to_string();
        assert!(resumed.contains("Kept       1,000 from earlier runs, not asked for again\n"), "{resumed}");
        assert!(resumed.contains("Charged    $0.0123, and $0.007 in earlier runs\n"), "{resumed}");
    }

    #[test]
    fn a_charge_of_nothing_makes_no_paid_page_and_a_failed_page_can_be_charged() {
        let mut summary = Summary::default();
        let page = Outcome::Page { bytes: 3, saved: None };
        for (outcome, amount) in
            [(page.clone(), Some(0)), (page, Some(7)), (Outcome::Failed("answered 500".into()), Some(2))]
        {
            let charged = amount.map(|amount| Charged { id: "c1".into(), amount });
            let url = Url::parse("https://a.example/").unwrap();
            summary.count(&PageEvent { url, outcome, charged });
        }
        assert_eq!((summary.pages_ok, summary.pages_paid, summary.pages_free), (2, 1, 1));
        assert_eq!((summary.errors, summary.charged, summary.bytes), (1, 9, 6));
    }

    #[test]
    fn dollars() {
        for (micro, text) in [
            (0, "$0.00"),
            (1, "$0.000001"),
            (10_000, "$0.01"),
            (12_300, "$0.0123"),
            (1_500_000, "$1.50"),
            (u128::MAX, "$340282366920938463463374607431768.211455"),
        ] {
            assert_eq!(usd(micro), text);
        }
    }
}
