//! What a paid call gave, under the id of its payment: kept from before the settlement until its buyer has had it as
//! often as it may. In memory, or in a folder that survives a crash. Bounded in number, in bytes and in time.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tollway_ledger::{CommitmentId, PaymentId};
use tollway_protocol::{Reason, Refusal};

/// Results kept at most.
const ENTRIES_MAX: usize = 16_384;
/// Bytes kept in memory at most, where there is no folder.
const MEMORY_MAX: usize = 64 << 20;
/// Bytes kept on disk at most.
const DISK_MAX: usize = 512 << 20;
/// Largest result that is kept, in bytes of JSON.
pub(crate) const RESULT_MAX: usize = 4 << 20;
/// Seconds for which a result waits for its buyer.
const KEPT: u64 = 21_600;
/// How the files end.
const SUFFIX: &str = ".result";
/// And while they are written.
const HALF: &str = ".half";

/// The sale that a result belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SaleId {
    /// Owed on a bill.
    Promise(CommitmentId),
    /// Paid at once.
    Payment(PaymentId),
}

impl fmt::Display for SaleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promise(id) => write!(f, "promise-{id}"),
            Self::Payment(id) => write!(f, "payment-{id}"),
        }
    }
}

impl SaleId {
    fn parse(text: &str) -> Option<Self> {
        let (word, id) = text.split_once('-')?;
        match word {
            "promise" => id.parse().ok().map(Self::Promise),
            "payment" => id.parse().ok().map(Self::Payment),
            _ => None,
        }
    }
}

/// The folder could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder of results {folder}: {source}")]
pub struct ResultsError {
    folder: String,
    source: std::io::Error,
}

/// Where results wait. All clones are one store.
#[derive(Clone)]
pub struct Results {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Option<PathBuf>,
    bytes_max: usize,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    entries: HashMap<SaleId, Entry>,
    bytes: usize,
}

struct Entry {
    bytes: usize,
    until: u64,
    /// How often it may still be handed out.
    left: u8,
    /// Its payment has settled: it may make room for others.
    settled: bool,
    /// The JSON itself, where there is no folder; `None` in a folder.
    json: Option<Arc<Vec<u8>>>,
}

/// A file: one line of JSON, then the result as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    version: u8,
    handings: u8,
    until: u64,
}

impl Results {
    /// A store that a restart forgets.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { inner: Arc::new(Inner { folder: None, bytes_max: MEMORY_MAX, index: Mutex::default() }) }
    }

    /// A store in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, ResultsError> {
        let failed = |source| ResultsError { folder: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        owner_only(folder).map_err(failed)?;
        let mut index = Index::default();
        for file in std::fs::read_dir(folder).map_err(failed)?.take(2 * ENTRIES_MAX) {
            let path = file.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = name.strip_suffix(SUFFIX).and_then(SaleId::parse);
            match id.zip(std::fs::read(&path).ok().as_deref().and_then(decode)) {
                Some((id, (line, json))) => {
                    let (bytes, until, left) = (json.len(), line.until, line.handings);
                    index.insert(id, Entry { bytes, until, left, settled: false, json: None });
                }
                // Not written to its end: nobody was promised it.
                None if name.ends_with(HALF) || name.ends_with(SUFFIX) => drop(std::fs::remove_file(&path)),
                None => {}
            }
        }
        let inner = Inner { folder: Some(folder.to_owned()), bytes_max: DISK_MAX, index: Mutex::new(index) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keeps the result of a sale, to be handed out at most `handings` times.
    ///
    /// # Errors
    /// `books_full` where there is no room, `body_too_large` for a result that is never kept, `books_disk_full` when it
    /// cannot be written.
    pub async fn keep(&self, id: SaleId, result: &Map<String, Value>, handings: u8, now: u64) -> Result<(), Refusal> {
        let json = serde_json::to_vec(result).expect("a JSON object has text keys");
        if json.len() > RESULT_MAX {
            return Err(Refusal::new(Reason::BodyTooLarge, "the result is larger than is kept for its buyer"));
        }
        let (bytes, until) = (json.len(), now.saturating_add(KEPT));
        let dropped = self.inner.index.lock().make_room(bytes, self.inner.bytes_max, now);
        let dropped =
            dropped.ok_or_else(|| Refusal::new(Reason::BooksFull, "too many results wait for their buyers"))?;
        self.remove_files(dropped).await;
        let json = match self.path(&id) {
            None => Some(Arc::new(json)),
            Some(path) => {
                let line = Line { version: 1, handings, until };
                blocking(move || write(&path, &line, &json))
                    .await
                    .ok_or_else(|| Refusal::new(Reason::BooksDiskFull, "the result cannot be written for its buyer"))?;
                None
            }
        };
        self.inner.index.lock().insert(id, Entry { bytes, until, left: handings, settled: false, json });
        Ok(())
    }

    /// The result of a settled sale, if it is kept and may still be handed out; counts one handing.
    pub async fn hand(&self, id: SaleId, now: u64) -> Option<Map<String, Value>> {
        let (json, last) = {
            let mut index = self.inner.index.lock();
            let entry = index.entries.get_mut(&id).filter(|entry| entry.left > 0 && entry.until > now)?;
            entry.left -= 1;
            entry.settled = true;
            (entry.json.clone(), entry.left == 0)
        };
        let json = match (json, self.path(&id)) {
            (Some(json), _) => json,
            (None, Some(path)) => {
                let json = blocking(move || decode(&std::fs::read(path).ok()?).map(|(_, json)| json.to_vec())).await?;
                Arc::new(json)
            }
            (None, None) => return None,
        };
        if last {
            self.forget(id).await;
        }
        serde_json::from_slice(&json).ok()
    }

    /// Its payment has settled, and its buyer has just been given the result: one handing less is left.
    pub async fn handed(&self, id: SaleId) {
        let last = {
            let mut index = self.inner.index.lock();
            let Some(entry) = index.entries.get_mut(&id) else { return };
            entry.left = entry.left.saturating_sub(1);
            entry.settled = true;
            entry.left == 0
        };
        if last {
            self.forget(id).await;
        }
    }

    /// Whether anything is kept for this sale.
    #[must_use]
    pub fn has(&self, id: SaleId) -> bool {
        self.inner.index.lock().entries.contains_key(&id)
    }

    /// Drops what is kept for a sale that was not paid, or has had its result.
    pub async fn forget(&self, id: SaleId) {
        if self.inner.index.lock().remove(&id) {
            self.remove_files(vec![id]).await;
        }
    }

    fn path(&self, id: &SaleId) -> Option<PathBuf> {
        self.inner.folder.as_ref().map(|folder| folder.join(format!("{id}{SUFFIX}")))
    }

    async fn remove_files(&self, ids: Vec<SaleId>) {
        let paths: Vec<PathBuf> = ids.iter().filter_map(|id| self.path(id)).collect();
        if !paths.is_empty() {
            blocking(move || {
                for path in paths {
                    // A file that is gone already is as good as removed.
                    drop(std::fs::remove_file(path));
                }
                Some(())
            })
            .await;
        }
    }
}

impl Index {
    fn insert(&mut self, id: SaleId, entry: Entry) {
        self.remove(&id);
        self.bytes += entry.bytes;
        self.entries.insert(id, entry);
    }

    fn remove(&mut self, id: &SaleId) -> bool {
        let removed = self.entries.remove(id);
        self.bytes -= removed.as_ref().map_or(0, |entry| entry.bytes);
        removed.is_some()
    }

    /// Makes room by dropping what has waited its time, then settled results, those that end first. What is not settled
    /// stays: `None` where that leaves no room.
    fn make_room(&mut self, bytes: usize, bytes_max: usize, now: u64) -> Option<Vec<SaleId>> {
        let full = |index: &Self| index.entries.len() >= ENTRIES_MAX || index.bytes + bytes > bytes_max;
        let mut dropped = Vec::new();
        if full(self) {
            let mut going: Vec<_> = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.settled || entry.until <= now)
                .map(|(id, entry)| (entry.until, *id))
                .collect();
            going.sort_by_key(|(until, _)| *until);
            for (_, id) in going {
                // More than is needed at once, so that the next sale does not look through everything again.
                if !full(self) && dropped.len() >= ENTRIES_MAX / 16 {
                    break;
                }
                self.remove(&id);
                dropped.push(id);
            }
        }
        (!full(self)).then_some(dropped)
    }
}

fn decode(bytes: &[u8]) -> Option<(Line, &[u8])> {
    let end = bytes.iter().take(256).position(|byte| *byte == b'\n')?;
    let line: Line = serde_json::from_slice(&bytes[..end]).ok()?;
    (line.version == 1 && bytes.len() <= RESULT_MAX + 256).then_some((line, &bytes[end + 1..]))
}

/// Written beside, synced, then moved: a file is whole or is not there.
fn write(path: &Path, line: &Line, json: &[u8]) -> Option<()> {
    use std::io::Write as _;
    let half = path.with_extension(HALF.trim_start_matches('.'));
    let written = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&half)?;
        file.write_all(&serde_json::to_vec(line)?)?;
        file.write_all(b"\n")?;
        file.write_all(json)?;
        file.sync_all()?;
        std::fs::rename(&half, path)
    };
    match written() {
        Ok(()) => Some(()),
        Err(error) => {
            tracing::error!(%error, "a result could not be written for its buyer");
            drop(std::fs::remove_file(&half));
            None
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok().flatten()
}

#[cfg(unix)]
fn owner_only(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn owner_only(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn id(n: u8) -> SaleId {
        SaleId::Payment(PaymentId::from_bytes([n; 32]))
    }

    fn result(text: &str) -> Map<String, Value> {
        Map::from_iter([("content".to_owned(), text.into())])
    }

    #[tokio::test]
    async fn a_result_is_handed_out_so_many_times_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        for results in [Results::in_memory(), Results::open(folder.path()).unwrap()] {
            results.keep(id(1), &result("a"), 2, NOW).await.unwrap();
            assert_eq!(results.hand(id(2), NOW).await, None);
            assert_eq!(results.hand(id(1), NOW).await, Some(result("a")));
            assert_eq!(results.hand(id(1), NOW).await, Some(result("a")));
            assert_eq!(results.hand(id(1), NOW).await, None);
            assert!(!results.has(id(1)));
            results.keep(id(1), &result("b"), 1, NOW).await.unwrap();
            assert_eq!(results.hand(id(1), NOW + KEPT).await, None, "it has waited its time");
        }
    }

    #[tokio::test]
    async fn a_folder_survives_a_restart_and_half_a_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::open(folder.path()).unwrap();
        results.keep(id(1), &result("a"), 1, NOW).await.unwrap();
        results.keep(id(2), &result("b"), 1, NOW).await.unwrap();
        results.forget(id(2)).await;
        std::fs::write(folder.path().join(format!("{}.half", id(3))), b"{").unwrap();
        std::fs::write(folder.path().join(format!("{}.result", id(4))), b"foreign").unwrap();
        drop(results);
        let results = Results::open(folder.path()).unwrap();
        assert!(results.has(id(1)) && !results.has(id(2)) && !results.has(id(4)));
        assert_eq!(results.hand(id(1), NOW).await, Some(result("a")));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn threat_93_settled_results_make_room_and_unsettled_ones_stay() {
        let mut index = Index::default();
        let entry = |settled| Entry { bytes: 40, until: NOW + 1, left: 1, settled, json: None };
        index.insert(id(1), entry(false));
        index.insert(id(2), entry(true));
        assert_eq!(index.make_room(50, 100, NOW), Some(vec![id(2)]));
        index.insert(id(2), entry(false));
        assert_eq!(index.make_room(50, 100, NOW), None);
        assert_eq!(index.make_room(50, 100, NOW + 1).map(|dropped| dropped.len()), Some(2), "their time is over");
        assert_eq!(index.bytes, 0);
        let large = result(&"x".repeat(RESULT_MAX));
        let refused = Results::in_memory().keep(id(1), &large, 1, NOW).await.unwrap_err();
        assert_eq!(refused.reason, Reason::BodyTooLarge);
    }

    proptest! {
        #[test]
        fn a_foreign_file_is_refused_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), name in ".{0,60}") {
            prop_assert!(decode(&bytes).is_none());
            let _ = SaleId::parse(&name);
        }
    }
}
