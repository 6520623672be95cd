//! Small files kept in memory, as they were answered, for as long as nothing changes about them on disk. Each use asks
//! the file system whether that is so; what it remembers of a file just read, it answers without a disk.

use std::collections::{HashMap, VecDeque};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Response, header as names};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use parking_lot::RwLock;

use crate::body::{Body, full};

/// Largest file kept.
pub(super) const FILE_MAX: u64 = 256 << 10;
/// Bytes kept, each file counted with what is remembered beside it.
const BYTES_MAX: usize = 32 << 20;
const BESIDE: usize = 1 << 10;
/// A file that changed this recently may change again without looking so: time stamps have a grain.
const SETTLED: Duration = Duration::from_secs(2);

/// Files by the path they were asked by.
#[derive(Default)]
pub(super) struct Memory {
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    files: HashMap<String, Arc<File>>,
    order: VecDeque<String>,
    bytes: usize,
}

struct File {
    path: PathBuf,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
}

/// By what a file is told from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    length: u64,
    changed: SystemTime,
    inode: u64,
}

impl Version {
    /// That of a file worth keeping; `None` for folders, large files and those that have just changed.
    pub(super) fn of(path: &Path, now: SystemTime) -> Option<Self> {
        let version = Self::read(&std::fs::metadata(path).ok()?)?;
        let settled = now.duration_since(version.changed).is_ok_and(|age| age >= SETTLED);
        (settled && version.length <= FILE_MAX).then_some(version)
    }

    fn read(metadata: &Metadata) -> Option<Self> {
        let changed = metadata.modified().ok().filter(|_| metadata.is_file())?;
        Some(Self { length: metadata.len(), changed, inode: inode(metadata) })
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

impl Memory {
    /// The answer for a path, if its file is still what it was.
    pub(super) fn answer(&self, asked: &str) -> Option<Response<Body>> {
        let file = self.kept.read().files.get(asked).map(Arc::clone)?;
        let now = std::fs::metadata(&file.path).ok().and_then(|metadata| Version::read(&metadata));
        if now != Some(file.version) {
            self.kept.write().forget(asked);
            return None;
        }
        let mut response = Response::new(full(file.body.clone()));
        *response.headers_mut() = file.headers.clone();
        Some(response)
    }

    /// Keeps an answer that was made while the file at `path` had this version, and hands it on.
    pub(super) async fn keep(
        &self,
        asked: &str,
        path: PathBuf,
        version: Version,
        answer: Response<Body>,
    ) -> Response<Body> {
        let told = answer.headers().get(names::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = answer.body().size_hint().exact().or(told);
        if answer.status() != http::StatusCode::OK || length != Some(version.length) {
            return answer;
        }
        let (parts, body) = answer.into_parts();
        let Ok(body) = body.collect().await else {
            // Cut: what has come of it is not passed on as the whole.
            return cut(parts);
        };
        let body = Bytes::from(body.to_bytes().to_vec());
        if body.len() as u64 == version.length && Version::of(&path, SystemTime::now()) == Some(version) {
            let file = File { path, version, headers: parts.headers.clone(), body: body.clone() };
            self.kept.write().insert(asked.to_owned(), file);
        }
        Response::from_parts(parts, full(body))
    }
}

fn cut(mut parts: http::response::Parts) -> Response<Body> {
    parts.status = http::StatusCode::INTERNAL_SERVER_ERROR;
    parts.headers = HeaderMap::new();
    Response::from_parts(parts, crate::body::empty())
}

impl Kept {
    fn insert(&mut self, asked: String, file: File) {
        self.forget(&asked);
        self.bytes += file.weight(&asked);
        self.order.push_back(asked.clone());
        self.files.insert(asked, Arc::new(file));
        while self.bytes > BYTES_MAX {
            let Some(oldest) = self.order.front().cloned() else { break };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, asked: &str) {
        if let Some(file) = self.files.remove(asked) {
            self.bytes -= file.weight(asked);
            self.order.retain(|other| other != asked);
        }
    }
}

impl File {
    fn weight(&self, asked: &str) -> usize {
        self.body.len() + 2 * asked.len() + BESIDE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(length: usize) -> File {
        let version = Version { length: length as u64, changed: SystemTime::UNIX_EPOCH, inode: 0 };
        File { path: PathBuf::new(), version, headers: HeaderMap::new(), body: vec![0; length].into() }
    }

    #[test]
    fn threat_93_files_in_memory_are_bounded_in_bytes() {
        let mut kept = Kept::default();
        for n in 0..2_000 {
            kept.insert(format!("/{n}"), file(100_000));
            kept.insert(format!("/{n}"), file(10));
            kept.insert(format!("/{n}/b"), file(100_000));
        }
        let counted: usize = kept.files.iter().map(|(asked, file)| file.weight(asked)).sum();
        assert_eq!(kept.bytes, counted);
        assert!(kept.bytes <= BYTES_MAX && kept.order.len() == kept.files.len());
    }
}
