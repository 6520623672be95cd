//! Answers under the claim of their payment: kept on disk from before the settlement until they are
//! delivered, and never for ever. What was paid for can be collected by sending the payment again; it
//! is handed out once, unless the buyer named its purchase, because a payment that has settled is
//! public on its network.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tollway_ledger::PaymentId;
use tollway_protocol::{Reason, Refusal};

use super::kept::{Filed, Kept};

/// Bytes kept on disk at most.
const DISK_MAX: u64 = 256 << 20;
/// Bytes kept in memory at most, where there is no folder.
const MEMORY_MAX: u64 = 32 << 20;
/// Answers kept at most.
const ENTRIES_MAX: usize = 16_384;
/// Largest file that is read.
const FILE_MAX: u64 = 2 << 20;
/// How the files are called.
const SUFFIX: &str = ".answer";
/// And while they are written.
const HALF: &str = ".half";

/// The folder could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the spool {folder}: {source}")]
pub struct SpoolError {
    folder: String,
    source: std::io::Error,
}

/// Where answers wait for their settlement and their buyer. All clones are one spool.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Option<PathBuf>,
    bytes_max: u64,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    entries: HashMap<PaymentId, Entry>,
    bytes: u64,
}

struct Entry {
    bytes: u64,
    put_at: u64,
    /// How often it may still be handed out.
    left: u8,
    /// How many hold it now.
    lent: u8,
    begun: bool,
    /// An answer may be in several hands; the right to run a handler never is.
    shared: bool,
    /// The thing itself, where there is no folder.
    kept: Option<Kept>,
}

/// Something kept, in somebody's hands. Unless it is said to be delivered it goes back.
pub(super) struct Lent {
    spool: Spool,
    id: PaymentId,
    put_at: u64,
    handings: u8,
    done: bool,
}

impl Spool {
    /// A spool that a restart forgets, smaller than one on disk.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { inner: Arc::new(Inner { folder: None, bytes_max: MEMORY_MAX, index: Mutex::default() }) }
    }

    /// A spool in a folder, which is made where it is missing and which only its owner may read.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self, SpoolError> {
        let failed = |source| SpoolError { folder: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        owner_only(folder).map_err(failed)?;
        let mut index = Index::default();
        for file in std::fs::read_dir(folder).map_err(failed)?.take(ENTRIES_MAX) {
            let path = file.map_err(failed)?.path();
            match id_of(&path).zip(read(&path)) {
                Some((id, filed)) => index.insert(id, Entry::of(&filed, false)),
                // Not written to its end: nobody was promised it.
                None if is_ours(&path) => drop(std::fs::remove_file(&path)),
                None => {}
            }
        }
        let inner = Inner { folder: Some(folder.to_owned()), bytes_max: DISK_MAX, index: Mutex::new(index) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keeps something for the buyer of this payment, and lends it to the caller at once.
    ///
    /// # Errors
    /// `books_full` when there is no room, `books_disk_full` when it cannot be written.
    pub(super) async fn put(&self, id: PaymentId, kept: Kept, handings: u8, now: u64) -> Result<Lent, Refusal> {
        let filed = Filed { handings, put_at: now, kept };
        let mut entry = Entry::of(&filed, self.inner.folder.is_none());
        entry.lent = 1;
        self.make_room(&id, entry.bytes)?;
        self.write(id, filed).await?;
        let mut index = self.inner.index.lock();
        index.remove(&id);
        index.insert(id, entry);
        Ok(Lent { spool: self.clone(), id, put_at: now, handings, done: false })
    }

    /// Lends what is kept for this payment, if anything is and nobody else has it.
    pub(super) async fn borrow(&self, id: PaymentId) -> Option<(Kept, Lent)> {
        let (kept, put_at, handings) = {
            let mut index = self.inner.index.lock();
            let entry = index.entries.get_mut(&id).filter(|entry| entry.may_be_lent())?;
            entry.lent += 1;
            (entry.kept.clone(), entry.put_at, entry.left)
        };
        let lent = Lent { spool: self.clone(), id, put_at, handings, done: false };
        let kept = match (kept, self.path(&id)) {
            (Some(kept), _) => kept,
            (None, Some(path)) => blocking(move || read(&path)).await?.kept,
            (None, None) => return None,
        };
        Some((kept, lent))
    }

    /// Whether what is kept for this payment is in somebody's hands.
    pub(super) fn is_lent(&self, id: &PaymentId) -> bool {
        self.inner.index.lock().entries.get(id).is_some_and(|entry| entry.lent > 0)
    }

    /// Nobody is owed this any more.
    pub(super) fn forget(&self, id: &PaymentId) {
        self.inner.index.lock().remove(id);
        if let Some(path) = self.path(id) {
            // What cannot be removed now is removed when the folder is opened again.
            drop(std::fs::remove_file(path));
        }
    }

    /// What nobody holds and was put before `before`, or whose handler was begun and never seen to end.
    pub(super) fn stale(&self, before: u64) -> Vec<(PaymentId, bool)> {
        let index = self.inner.index.lock();
        let stale = index.entries.iter().filter(|(_, entry)| entry.lent == 0 && (entry.begun || entry.put_at < before));
        stale.map(|(id, entry)| (*id, entry.begun)).collect()
    }

    fn make_room(&self, id: &PaymentId, bytes: u64) -> Result<(), Refusal> {
        let index = self.inner.index.lock();
        let old = index.entries.get(id).map_or(0, |entry| entry.bytes);
        if index.entries.len() >= ENTRIES_MAX || (index.bytes - old).saturating_add(bytes) > self.inner.bytes_max {
            return Err(Refusal::new(Reason::BooksFull, "as many paid answers wait for their buyers as may"));
        }
        Ok(())
    }

    async fn write(&self, id: PaymentId, filed: Filed) -> Result<(), Refusal> {
        let Some(path) = self.path(&id) else { return Ok(()) };
        let written = blocking(move || write(&path, &filed.encode())).await;
        written.map_err(|error| {
            tracing::error!(%id, %error, "a paid answer was not kept");
            Refusal::new(Reason::BooksDiskFull, "the answer cannot be kept for its buyer")
        })
    }

    fn path(&self, id: &PaymentId) -> Option<PathBuf> {
        Some(self.inner.folder.as_ref()?.join(format!("{id}{SUFFIX}")))
    }

    fn give_back(&self, id: &PaymentId) {
        if let Some(entry) = self.inner.index.lock().entries.get_mut(id) {
            entry.lent = entry.lent.saturating_sub(1);
        }
    }

    fn delivered(&self, id: &PaymentId) {
        let gone = {
            let mut index = self.inner.index.lock();
            let Some(entry) = index.entries.get_mut(id) else { return };
            entry.lent = entry.lent.saturating_sub(1);
            entry.left = entry.left.saturating_sub(1);
            entry.left == 0
        };
        if gone {
            self.forget(id);
        }
    }
}

impl Lent {
    /// Keeps something else under the same payment, still lent.
    ///
    /// # Errors
    /// Those of [`Spool::put`].
    pub(super) async fn replace(mut self, kept: Kept) -> Result<Self, Refusal> {
        let new = self.spool.put(self.id, kept, self.handings, self.put_at).await?;
        self.done = true;
        Ok(new)
    }

    /// The buyer has it.
    pub(super) fn delivered(mut self) {
        self.done = true;
        self.spool.delivered(&self.id);
    }

    /// Nobody is owed it.
    pub(super) fn discard(mut self) {
        self.done = true;
        self.spool.forget(&self.id);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.done {
            self.spool.give_back(&self.id);
        }
    }
}

impl Index {
    fn insert(&mut self, id: PaymentId, entry: Entry) {
        self.bytes += entry.bytes;
        self.entries.insert(id, entry);
    }

    fn remove(&mut self, id: &PaymentId) {
        if let Some(old) = self.entries.remove(id) {
            self.bytes -= old.bytes;
        }
    }
}

impl Entry {
    fn of(filed: &Filed, in_memory: bool) -> Self {
        Self {
            bytes: filed.kept.size(),
            put_at: filed.put_at,
            left: filed.handings,
            lent: 0,
            begun: matches!(filed.kept, Kept::Begun),
            shared: matches!(filed.kept, Kept::Answer(_)),
            kept: in_memory.then(|| filed.kept.clone()),
        }
    }
}

impl Entry {
    fn may_be_lent(&self) -> bool {
        self.lent < if self.shared { self.left } else { self.left.min(1) }
    }
}

fn id_of(path: &Path) -> Option<PaymentId> {
    path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.parse().ok()
}

/// Whether a file has a name of ours; what else lies in the folder is left alone.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let id = name.strip_suffix(SUFFIX).or_else(|| name.strip_suffix(HALF));
    id.is_some_and(|id| id.parse::<PaymentId>().is_ok())
}

fn read(path: &Path) -> Option<Filed> {
    if std::fs::metadata(path).ok()?.len() > FILE_MAX {
        return None;
    }
    Filed::decode(std::fs::read(path).ok()?.into())
}

/// Whole or not at all: a reader never sees half a file.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let half = path.with_extension(&HALF[1..]);
    std::fs::write(&half, bytes)?;
    std::fs::rename(&half, path)
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

/// File work off the workers of the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use tollway_protocol::{Asset, Network};

    use super::*;

    fn id(n: u8) -> PaymentId {
        PaymentId::derive(&Network::tollway(), &Asset::usd(), "ann", &[n; 32])
    }

    fn both() -> (tempfile::TempDir, [Spool; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Spool::open(folder.path()).unwrap();
        (folder, [disk, Spool::in_memory()])
    }

    #[tokio::test]
    async fn what_is_kept_is_lent_to_one_and_gone_when_delivered() {
        let (_folder, spools) = both();
        for spool in spools {
            let lent = spool.put(id(1), Kept::Runs(1), 1, 100).await.unwrap();
            assert!(spool.borrow(id(1)).await.is_none(), "it is in somebody's hands");
            drop(lent);
            let (_, again) = spool.borrow(id(1)).await.expect("it came back");
            again.delivered();
            assert!(spool.borrow(id(1)).await.is_none());
            assert_eq!(spool.inner.index.lock().bytes, 0);
        }
    }

    #[tokio::test]
    async fn the_right_to_run_a_handler_is_in_one_hand() {
        let (_folder, spools) = both();
        for spool in spools {
            let lent = spool.put(id(1), Kept::Runs(2), 4, 100).await.unwrap();
            assert!(spool.borrow(id(1)).await.is_none());
            let (status, headers) = (http::StatusCode::OK, http::HeaderMap::new());
            let answer = crate::gate::answers::Answer { status, headers, body: bytes::Bytes::from_static(b"x") };
            let _lent = lent.replace(Kept::Answer(answer)).await.unwrap();
            let mut hands = Vec::new();
            while let Some((_, more)) = spool.borrow(id(1)).await {
                hands.push(more);
            }
            assert_eq!(hands.len(), 3, "an answer to a named purchase is in as many as it may be handed out");
        }
    }

    #[tokio::test]
    async fn a_restart_finds_what_was_kept_and_drops_what_was_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        drop(spool.put(id(1), Kept::Runs(2), 3, 100).await.unwrap());
        std::fs::write(folder.path().join(format!("{}.half", id(2))), "{").unwrap();
        std::fs::write(folder.path().join(format!("{}{SUFFIX}", id(3))), "{").unwrap();
        std::fs::write(folder.path().join("somebody-elses.answer"), "{").unwrap();
        let again = Spool::open(folder.path()).unwrap();
        assert!(matches!(again.borrow(id(1)).await, Some((Kept::Runs(2), _))));
        assert!(again.borrow(id(3)).await.is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "one of ours, one of somebody else's");
    }

    #[tokio::test]
    async fn threat_93_the_spool_is_bounded_and_refuses_when_full() {
        let spool = Spool::in_memory();
        let body = bytes::Bytes::from(vec![0; 1 << 20]);
        let answer = || {
            let (status, headers) = (http::StatusCode::OK, http::HeaderMap::new());
            Kept::Answer(crate::gate::answers::Answer { status, headers, body: body.clone() })
        };
        for n in 0..31 {
            drop(spool.put(id(n), answer(), 1, 100).await.unwrap());
        }
        let refused = spool.put(id(40), answer(), 1, 100).await.err().unwrap();
        assert_eq!(refused.reason, Reason::BooksFull);
        assert!(spool.put(id(1), answer(), 1, 100).await.is_ok(), "its own place is free for it");
    }
}
