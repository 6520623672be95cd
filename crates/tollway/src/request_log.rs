//! A sample of requests as JSON lines, off unless configured: who, what and how it was answered, never
//! a query, a signature or a payment. The file is bounded and rotated; a full queue drops lines.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use anyhow::Context as _;
use http::Request;
use serde_json::{Value, json};
use tollway_http::body::Body;
use tollway_http::endpoint::{Answering, Endpoint};
use tollway_http::gate::{Class, requester};
use tollway_http::origin::Client;

use crate::commands::now;

/// Lines that may wait for the disk.
const QUEUE: usize = 1_024;
/// Longest path and `User-Agent` written, in bytes.
const TEXT_MAX: usize = 500;

/// What is written, and where.
#[derive(Debug, Clone)]
pub(crate) struct LogOptions {
    pub(crate) path: PathBuf,
    /// Of a million requests, so many.
    pub(crate) per_million: u64,
    /// Longest file, in bytes.
    pub(crate) max_bytes: u64,
    /// Older files kept.
    pub(crate) files: u32,
}

/// Stands before a gate and writes down a sample.
#[derive(Clone)]
pub(crate) struct RequestLog {
    lines: SyncSender<String>,
    per_million: u64,
    seen: Arc<AtomicU64>,
    inner: Arc<dyn Endpoint>,
}

impl RequestLog {
    /// Before `inner`; its file is written by a thread of its own, which ends with it.
    pub(crate) fn new(options: &LogOptions, inner: Arc<dyn Endpoint>) -> anyhow::Result<Self> {
        let file = Rotated::open(options).with_context(|| format!("[request_log] {}", options.path.display()))?;
        let (lines, waiting) = sync_channel(QUEUE);
        std::thread::Builder::new().name("request-log".to_owned()).spawn(move || write(file, &waiting))?;
        Ok(Self { lines, per_million: options.per_million, seen: Arc::default(), inner })
    }

    /// Evenly spread: the n-th request is written when the sample's count reaches a further whole.
    fn is_sampled(&self) -> bool {
        let before = self.seen.fetch_add(1, Ordering::Relaxed) % 1_000_000;
        (before + 1) * self.per_million / 1_000_000 > before * self.per_million / 1_000_000
    }
}

impl Endpoint for RequestLog {
    fn answer(&self, request: Request<Body>) -> Answering {
        if !self.is_sampled() {
            return self.inner.answer(request);
        }
        let mut line = described(&request);
        let lines = self.lines.clone();
        let begun = Instant::now();
        let answering = self.inner.answer(request);
        Box::pin(async move {
            let response = answering.await;
            line["status"] = response.status().as_u16().into();
            line["ms"] = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).into();
            // A full queue drops the line: nobody waits for a log.
            drop(lines.try_send(line.to_string()));
            response
        })
    }
}

fn described(request: &Request<Body>) -> Value {
    let headers = request.headers();
    let text = |name: http::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(shortened);
    json!({
        "at": now(),
        "client": request.extensions().get::<Client>().map(|client| client.address.to_string()),
        "method": request.method().as_str(),
        "host": text(http::header::HOST),
        "path": shortened(request.uri().path()),
        "class": Class::of(requester(headers)).as_str(),
        "user_agent": text(http::header::USER_AGENT),
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

fn write(mut file: Rotated, lines: &Receiver<String>) {
    for line in lines {
        if let Err(error) = file.append(&line) {
            tracing::warn!(%error, "a line of the request log was not written");
        }
    }
}

/// A file that makes room for the next one when it is full.
struct Rotated {
    path: PathBuf,
    max_bytes: u64,
    files: u32,
    file: File,
    length: u64,
}

impl Rotated {
    fn open(options: &LogOptions) -> std::io::Result<Self> {
        let file = append_to(&options.path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: options.path.clone(), max_bytes: options.max_bytes, files: options.files, file, length })
    }

    fn append(&mut self, line: &str) -> std::io::Result<()> {
        let bytes = u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(1);
        if self.length > 0 && self.length.saturating_add(bytes) > self.max_bytes {
            self.rotate()?;
        }
        writeln!(self.file, "{line}")?;
        self.length += bytes;
        Ok(())
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        for number in (1..self.files).rev() {
            let from = self.numbered(number);
            if from.exists() {
                std::fs::rename(from, self.numbered(number + 1))?;
            }
        }
        if self.files == 0 {
            std::fs::remove_file(&self.path)?;
        } else {
            std::fs::rename(&self.path, self.numbered(1))?;
        }
        self.file = append_to(&self.path)?;
        self.length = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Readable by its owner only: it holds who read what.
fn append_to(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use tollway_http::body::empty;

    fn options(folder: &Path, per_million: u64) -> LogOptions {
        LogOptions { path: folder.join("requests.jsonl"), per_million, max_bytes: 200, files: 2 }
    }

    fn log(per_million: u64) -> (tempfile::TempDir, RequestLog) {
        let folder = tempfile::tempdir().unwrap();
        let inner: Arc<dyn Endpoint> = Arc::new(tower::service_fn(|_| async { Ok(Response::new(empty())) }));
        let log = RequestLog::new(&options(folder.path(), per_million), inner).unwrap();
        (folder, log)
    }

    #[test]
    fn a_sample_is_evenly_spread() {
        for (per_million, of_a_thousand) in [(0, 0), (1_000, 1), (10_000, 10), (500_000, 500), (1_000_000, 1_000)] {
            let (_folder, log) = log(per_million);
            let sampled = (0..1_000).filter(|_| log.is_sampled()).count();
            assert_eq!(sampled, of_a_thousand, "{per_million}");
        }
    }

    #[test]
    fn threat_66_a_line_holds_no_query_and_no_payment() {
        let request = Request::get("/a?token=sekrit").header("signature", "sig1=:c2Vrcml0:");
        let request = request.header("payment-signature", "sekrit").header("cookie", "sekrit").body(empty()).unwrap();
        let line = described(&request).to_string();
        assert!(line.contains("\"/a\"") && !line.contains("sekrit") && !line.contains("c2Vrcml0"), "{line}");
    }

    #[test]
    fn threat_93_the_files_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotated::open(&options(folder.path(), 1)).unwrap();
        for number in 0..100 {
            file.append(&format!("{{\"line\":{number}}}")).unwrap();
        }
        let sizes: Vec<u64> =
            std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), 3);
        assert!(sizes.iter().all(|size| *size <= 200), "{sizes:?}");
        let newest = std::fs::read_to_string(folder.path().join("requests.jsonl")).unwrap();
        assert!(newest.ends_with("{\"line\":99}\n"));
    }
}
