//! The record of a crawl beside its pages: one JSON object a line for every address and what became of it, in
//! `~pages.jsonl`. Says which file holds which page, and by which commitment it was paid; a later crawl into the same
//! directory goes on from it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use url::Url;

use super::fetch::Charged;
use super::page::{Outcome, PageEvent, Skip};

/// The record's name; no host and no page has one that starts like this.
pub(crate) const LOG_NAME: &str = "~pages.jsonl";

/// Marks a line that a crash cut short.
pub(crate) const CUT: &str = "#cut";

/// Longest content type that is written down, in bytes.
const KIND_BYTES_MAX: usize = 200;

/// An open record, held against other crawls. Crawls into one directory add to one record.
#[derive(Debug)]
pub(crate) struct Log {
    file: Mutex<File>,
}

/// A page about to be put in its place.
pub(crate) struct Saved<'a> {
    pub(crate) url: &'a Url,
    pub(crate) file: &'a Path,
    pub(crate) bytes: u64,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) charged: Option<&'a Charged>,
}

/// One line. Amounts are micro-USD, as strings.
#[derive(Default, Serialize)]
struct Line<'a> {
    url: &'a str,
    outcome: &'static str,
    /// Below the directory of the record. Where a directory took that place later, its `~index.html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Its content type, as sent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// Bytes that were read at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charged: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commitment: Option<&'a str>,
}

impl Log {
    /// Opens the record in a directory that is there. A line that a crash cut short is ended and marked.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(LOG_NAME);
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "another crawl is at work there"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(format!("{CUT}\n").as_bytes())?;
            }
        }
        Ok(Self { file: Mutex::new(file) })
    }

    /// Adds what became of an address. A page that is saved has its line by [`Self::saved`] already.
    pub(crate) fn write(&self, event: &PageEvent) -> io::Result<()> {
        match event.outcome {
            Outcome::Page { .. } | Outcome::Kept { .. } | Outcome::Sitemap { .. } => Ok(()),
            _ => self.add(&Line::of(event)),
        }
    }

    /// Adds a page, before it is put in its place: a line whose file is not there says that the page did not arrive.
    pub(crate) fn saved(&self, saved: &Saved<'_>) -> io::Result<()> {
        let kind = saved.content_type.filter(|kind| kind.len() <= KIND_BYTES_MAX);
        let line = Line { outcome: "page", file: Some(saved.file), bytes: Some(saved.bytes), kind, ..Line::default() };
        self.add(&Line { url: saved.url.as_str(), ..line.paid(saved.charged) })
    }

    /// Adds one line, in one write.
    fn add(&self, line: &Line<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }
}

impl<'a> Line<'a> {
    fn paid(mut self, charged: Option<&'a Charged>) -> Self {
        if let Some(charged) = charged {
            self.charged = Some(charged.amount.to_string());
            self.commitment = Some(&charged.id);
        }
        self
    }

    fn of(event: &'a PageEvent) -> Self {
        let mut line = Self { url: event.url.as_str(), ..Self::default() }.paid(event.charged.as_ref());
        line.outcome = match &event.outcome {
            Outcome::Page { .. } | Outcome::Kept { .. } => "page",
            Outcome::Sitemap { .. } => "sitemap",
            Outcome::Redirect { to } => {
                line.to = Some(to.as_str());
                "redirect"
            }
            Outcome::Skipped(skip) => {
                line.reason = Some(skip.code());
                if let Skip::OverMaxPrice { asked } = skip {
                    line.asked = Some(asked.to_string());
                }
                "skipped"
            }
            Outcome::TooLarge { max } => {
                line.max = Some(*max);
                "too_large"
            }
            Outcome::Failed(why) => {
                line.reason = Some(why);
                "failed"
            }
            Outcome::NotSaved(why) => {
                line.reason = Some(why);
                "not_saved"
            }
            Outcome::Unknown { id } => {
                line.commitment = Some(id);
                "unknown"
            }
        };
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(outcome: Outcome, amount: Option<u128>) -> PageEvent {
        let charged = amount.map(|amount| Charged { id: "c1".into(), amount });
        PageEvent { url: url(), outcome, charged }
    }

    fn url() -> Url {
        Url::parse("https://a.example/x").unwrap()
    }

    #[test]
    fn lines() {
        let to = Url::parse("https://a.example/y").unwrap();
        for (outcome, charged, expected) in [
            (Outcome::Redirect { to }, None, r#""outcome":"redirect","to":"https://a.example/y""#),
            (Outcome::Skipped(Skip::Robots), None, r#""outcome":"skipped","reason":"robots""#),
            (
                Outcome::Skipped(Skip::OverMaxPrice { asked: 5 }),
                None,
                r#""outcome":"skipped","reason":"over_max_price","asked":"5""#,
            ),
            (
                Outcome::Failed("line\nbreak".into()),
                Some(9),
                r#""outcome":"failed","reason":"line\nbreak","charged":"9","commitment":"c1""#,
            ),
            (Outcome::TooLarge { max: 7 }, Some(9), r#""outcome":"too_large","max":7,"charged":"9","commitment":"c1""#),
            (Outcome::NotSaved("full".into()), None, r#""outcome":"not_saved","reason":"full""#),
            (Outcome::Unknown { id: "c2".into() }, None, r#""outcome":"unknown","commitment":"c2""#),
        ] {
            let line = serde_json::to_string(&Line::of(&event(outcome, charged))).unwrap();
            assert_eq!(line, format!(r#"{{"url":"https://a.example/x",{expected}}}"#));
        }
    }

    fn text(directory: &Path) -> String {
        std::fs::read_to_string(directory.join(LOG_NAME)).unwrap()
    }

    #[test]
    fn a_page_is_written_down_with_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path()).unwrap();
        let charged = Charged { id: "c1".into(), amount: 1000 };
        let (url, file) = (url(), Path::new("a.example/x"));
        let free = Saved { url: &url, file, bytes: 0, content_type: None, charged: None };
        log.saved(&free).unwrap();
        log.saved(&Saved { bytes: 7, content_type: Some("text/html"), charged: Some(&charged), ..free }).unwrap();
        log.write(&event(Outcome::Page { bytes: 7, saved: Some(file.to_owned()) }, Some(1000))).unwrap();
        let expected = concat!(
            r#"{"url":"https://a.example/x","outcome":"page","file":"a.example/x","bytes":0}"#,
            "\n",
            r#"{"url":"https://a.example/x","outcome":"page","file":"a.example/x","bytes":7,"type":"text/html","#,
            r#""charged":"1000","commitment":"c1"}"#,
            "\n"
        );
        assert_eq!(text(directory.path()), expected);
    }

    #[test]
    fn a_second_crawl_adds_to_the_record_when_the_first_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let log = Log::open(directory.path()).unwrap();
            log.write(&event(Outcome::Skipped(Skip::QueueFull), None)).unwrap();
            assert!(Log::open(directory.path()).unwrap_err().to_string().contains("another crawl"));
        }
        let text = text(directory.path());
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("\"reason\":\"queue_full\"}\n"));
    }

    #[test]
    fn a_line_cut_by_a_crash_does_not_spoil_the_next() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(LOG_NAME), r#"{"url":"ht"#).unwrap();
        Log::open(directory.path()).unwrap().write(&event(Outcome::Skipped(Skip::Robots), None)).unwrap();
        assert!(text(directory.path()).starts_with("{\"url\":\"ht#cut\n{\"url\":\"https"));
    }
}
