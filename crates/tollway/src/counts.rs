//! What a gateway has answered, minute by minute: beside the books, in a file that a restart goes on
//! from. Minutes are folded into hours and hours into one sum, so that it never grows beyond a bound.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tollway_http::gate::{Count, GateLayer};

use crate::commands::now;
use crate::compose::Gateway;

/// Minutes kept one by one.
const MINUTES: usize = 120;
/// Hours kept one by one: two weeks.
const HOURS: usize = 14 * 24;
/// Most counts kept altogether; beyond it the oldest are folded earlier.
const CELLS_MAX: usize = 100_000;
/// Longest file that is read, in bytes.
const FILE_MAX: u64 = 32 << 20;
/// How often counts are taken.
const EVERY: Duration = Duration::from_secs(60);

/// How often, by `rule|class|outcome`.
type Cells = BTreeMap<String, u64>;

/// Counts over time.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    /// By Unix minute.
    minutes: BTreeMap<u64, Cells>,
    /// By Unix hour, without those minutes.
    hours: BTreeMap<u64, Cells>,
    /// Everything before.
    before: Cells,
}

impl History {
    /// Adds what happened in the minute of `now`.
    fn add(&mut self, now: u64, cells: Cells) {
        if !cells.is_empty() {
            join(self.minutes.entry(now / 60).or_default(), cells);
        }
        while self.minutes.len() > MINUTES || (self.cells() > CELLS_MAX && self.minutes.len() > 1) {
            let Some((minute, oldest)) = self.minutes.pop_first() else { break };
            join(self.hours.entry(minute / 60).or_default(), oldest);
        }
        while self.hours.len() > HOURS || (self.cells() > CELLS_MAX && !self.hours.is_empty()) {
            let Some((_, oldest)) = self.hours.pop_first() else { break };
            join(&mut self.before, oldest);
        }
    }

    fn cells(&self) -> usize {
        let all = self.minutes.values().chain(self.hours.values()).map(BTreeMap::len);
        all.sum::<usize>() + self.before.len()
    }

    /// Reads a file; without one, or with one that is no history, it begins anew.
    fn read(path: &Path) -> Self {
        let read = || -> anyhow::Result<Self> {
            anyhow::ensure!(std::fs::metadata(path)?.len() <= FILE_MAX, "it is too long");
            Ok(serde_json::from_slice(&std::fs::read(path)?)?)
        };
        if !path.exists() {
            return Self::default();
        }
        read().unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "the counts begin anew");
            Self::default()
        })
    }

    /// Writes the whole file beside itself, and then in its place.
    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let beside = path.with_extension("counts.new");
        let text = serde_json::to_vec(self)?;
        std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path)).context("writing the counts")
    }
}

fn join(into: &mut Cells, more: Cells) {
    for (key, value) in more {
        let sum = into.entry(key).or_default();
        *sum = sum.saturating_add(value);
    }
}

/// Takes the counts of the gates as they come and go with the rules.
pub(crate) struct Counts {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    history: History,
    /// Gates that may still answer, each with what was taken of it already.
    gates: Vec<(GateLayer, Cells)>,
}

impl Counts {
    /// The counts beside these books.
    pub(crate) fn beside(books: &Path) -> Self {
        let path = books.with_extension("counts");
        let history = History::read(&path);
        Self { path, state: Mutex::new(State { history, gates: Vec::new() }) }
    }

    /// Takes what is new, and writes it.
    pub(crate) fn take(&self, current: &GateLayer, now: u64) -> anyhow::Result<()> {
        let mut state = self.state.lock();
        let State { history, gates } = &mut *state;
        if !gates.iter().any(|(gate, _)| std::ptr::eq(gate.counters(), current.counters())) {
            gates.push((current.clone(), Cells::new()));
        }
        for (gate, taken) in gates.iter_mut() {
            let fresh: Cells = gate.counters().counts().filter_map(|count| difference(count, taken)).collect();
            join(taken, fresh.clone());
            history.add(now, fresh);
        }
        // A gate that was replaced answers what it has begun, and is looked at once more.
        let surplus = gates.len().saturating_sub(2);
        gates.drain(..surplus);
        history.write(&self.path)
    }

    /// Everything there is, by `rule|class|outcome`.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        let State { history, .. } = &*self.state.lock();
        let mut sums = history.before.clone();
        for cells in history.minutes.values().chain(history.hours.values()) {
            join(&mut sums, cells.clone());
        }
        sums
    }

    /// Everything, as JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.state.lock().history).unwrap_or_default()
    }
}

fn difference(count: Count<'_>, taken: &Cells) -> Option<(String, u64)> {
    let key = format!("{}|{}|{}", count.rule, count.class.as_str(), count.outcome);
    let fresh = count.value.saturating_sub(taken.get(&key).copied().unwrap_or_default());
    (fresh > 0).then_some((key, fresh))
}

/// Takes the counts once a minute, for ever.
pub(crate) async fn keep(gateway: Arc<Gateway>) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        flush(&gateway).await;
    }
}

/// Takes the counts now.
pub(crate) async fn flush(gateway: &Arc<Gateway>) {
    let gateway = Arc::clone(gateway);
    let taken = tokio::task::spawn_blocking(move || gateway.counts.take(&gateway.current().gate, now())).await;
    if let Ok(Err(error)) = taken {
        tracing::warn!(error = format!("{error:#}"), "the counts were not written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(key: &str, value: u64) -> Cells {
        Cells::from([(key.to_owned(), value)])
    }

    fn sum(history: &History) -> u64 {
        let all = history.minutes.values().chain(history.hours.values()).chain([&history.before]);
        all.flat_map(BTreeMap::values).sum()
    }

    #[test]
    fn threat_93_minutes_are_folded_and_nothing_is_lost() {
        let mut history = History::default();
        for minute in 0..60_000_u64 {
            history.add(minute * 60, cells("pages|open|passed", 2));
        }
        assert_eq!((history.minutes.len(), history.hours.len()), (MINUTES, HOURS));
        assert_eq!((history.before.len(), sum(&history)), (1, 120_000));
    }

    #[test]
    fn threat_93_many_different_counts_are_folded_earlier() {
        let mut history = History::default();
        for minute in 0..20_u64 {
            history.add(minute * 60, (0..10_000).map(|n| (format!("{minute}-{n}"), 1)).collect());
        }
        assert!(history.minutes.len() < 20, "{}", history.minutes.len());
        assert_eq!(sum(&history), 200_000);
    }

    #[test]
    fn a_file_reads_back_and_a_broken_one_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("books.counts");
        let mut history = History::default();
        history.add(60, cells("a|open|passed", 1));
        history.write(&path).unwrap();
        assert_eq!(History::read(&path), history);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(History::read(&path), History::default());
    }
}
