//! The record of a crawl beside its pages: one JSON object a line for every address and what became of it, in
//! `~pages.jsonl`. Says which file holds which page, and by which commitment it was paid.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use super::page::{Outcome, PageEvent, Skip};

/// The record's name; no host and no page has one that starts like this.
pub(crate) const LOG_NAME: &str = "~pages.jsonl";

/// An open record. Crawls into one directory add to one record.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charged: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commitment: Option<&'a str>,
}

impl Log {
    /// Opens the record in a directory that is there.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(directory.join(LOG_NAME))?;
        Ok(Self { file })
    }

    /// Adds one line, in one write.
    pub(crate) fn write(&mut self, event: &PageEvent) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line::of(event))?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

impl<'a> Line<'a> {
    fn of(event: &'a PageEvent) -> Self {
        let mut line = Self { url: event.url.as_str(), ..Self::default() };
        if let Some(charged) = &event.charged {
            line.charged = Some(charged.amount.to_string());
            line.commitment = Some(&charged.id);
        }
        line.outcome = match &event.outcome {
            Outcome::Page { bytes, saved } => {
                (line.bytes, line.file) = (Some(*bytes), saved.as_deref());
                "page"
            }
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
    use url::Url;

    use super::*;
    use crate::crawl::Charged;

    fn event(outcome: Outcome, amount: Option<u128>) -> PageEvent {
        let charged = amount.map(|amount| Charged { id: "c1".into(), amount });
        PageEvent { url: Url::parse("https://a.example/x").unwrap(), outcome, charged }
    }

    #[test]
    fn lines() {
        let to = Url::parse("https://a.example/y").unwrap();
        for (outcome, charged, expected) in [
            (
                Outcome::Page { bytes: 7, saved: Some("a.example/x".into()) },
                Some(1000),
                r#""outcome":"page","file":"a.example/x","bytes":7,"charged":"1000","commitment":"c1""#,
            ),
            (Outcome::Page { bytes: 0, saved: None }, None, r#""outcome":"page","bytes":0"#),
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
            (Outcome::NotSaved("full".into()), None, r#""outcome":"not_saved","reason":"full""#),
            (Outcome::Unknown { id: "c2".into() }, None, r#""outcome":"unknown","commitment":"c2""#),
        ] {
            let line = serde_json::to_string(&Line::of(&event(outcome, charged))).unwrap();
            assert_eq!(line, format!(r#"{{"url":"https://a.example/x",{expected}}}"#));
        }
    }

    #[test]
    fn a_second_crawl_adds_to_the_record() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            Log::open(directory.path()).unwrap().write(&event(Outcome::Skipped(Skip::QueueFull), None)).unwrap();
        }
        let text = std::fs::read_to_string(directory.path().join(LOG_NAME)).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("\"reason\":\"queue_full\"}\n"));
    }
}
