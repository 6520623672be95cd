//! What earlier crawls into a directory have of a site: pages in their files, redirects, and pages that were longer than
//! is read. None of it is asked for again, or paid again.
//!
//! A crawl that goes on walks the site from its start once more, with these in place of the network: so the queue, the
//! order and every bound are what they were, whenever the earlier crawl ended.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::{Deserialize, Deserializer};
use url::Url;

use super::frontier::{Mark, mark};
use super::links::is_html;
use super::log::{CUT, LOG_NAME};
use super::save::Saver;

/// Longest line of a record that is read, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What is had of an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Had {
    /// The page, in its file.
    Page {
        /// Its size.
        bytes: u64,
        /// Whether its content type says that it has links; the page itself tells where it had none.
        html: Option<bool>,
    },
    /// It leads elsewhere.
    Redirect {
        /// There.
        to: String,
    },
    /// It is longer than so many bytes.
    TooLarge {
        /// So many.
        max: u64,
    },
}

/// Everything that earlier crawls have.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    had: HashMap<Mark, Had>,
    charged: u128,
}

/// A line of the record, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    #[serde(deserialize_with = "address")]
    url: Url,
    outcome: String,
    bytes: Option<u64>,
    #[serde(rename = "type")]
    kind: Option<String>,
    to: Option<String>,
    max: Option<u64>,
    charged: Option<String>,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    Url::parse(&text).map_err(serde::de::Error::custom)
}

impl Kept {
    /// Reads the record of the directory. A page counts only while its whole file is there.
    ///
    /// # Errors
    /// When the record cannot be read, or a whole line of it is none; the message names it.
    pub(crate) fn read(directory: &Path, saver: &Saver) -> io::Result<Self> {
        let path = directory.join(LOG_NAME);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let length = file.metadata()?.len();
        let mut reader = BufReader::new(file.take(length));
        let mut kept = Self::default();
        let mut text = Vec::new();
        for number in 1_u64.. {
            text.clear();
            if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)? == 0 || text.last() != Some(&b'\n') {
                break;
            }
            match serde_json::from_slice(&text) {
                Ok(line) => kept.add(&line, saver),
                Err(_) if text.trim_ascii_end().ends_with(CUT.as_bytes()) => {}
                Err(error) => {
                    let detail = format!("{}, line {number}: {error}", path.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
                }
            }
        }
        Ok(kept)
    }

    fn add(&mut self, line: &Line, saver: &Saver) {
        let charged = line.charged.as_ref().and_then(|amount| amount.parse().ok()).unwrap_or(0);
        self.charged = self.charged.saturating_add(charged);
        let had = match (line.outcome.as_str(), &line.to, line.bytes, line.max) {
            ("page", _, Some(bytes), _) if saver.find(&line.url, bytes).is_some() => {
                let html = line.kind.as_deref().map(|kind| is_html(Some(kind), b""));
                Had::Page { bytes, html }
            }
            ("redirect", Some(to), ..) => Had::Redirect { to: to.clone() },
            ("too_large", _, _, Some(max)) => Had::TooLarge { max },
            _ => return,
        };
        self.had.insert(mark(&line.url), had);
    }

    /// What is had of an address, where no more than `page_bytes_max` of a page are read.
    pub(crate) fn get(&self, url: &Url, page_bytes_max: u64) -> Option<&Had> {
        let had = self.had.get(&mark(url))?;
        let may_fit_now = matches!(had, Had::TooLarge { max } if *max < page_bytes_max);
        (!may_fit_now).then_some(had)
    }

    /// What the record says was charged, in micro-USD.
    pub(crate) fn charged(&self) -> u128 {
        self.charged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        Url::parse("https://a.example").unwrap().join(path).unwrap()
    }

    fn read(directory: &Path, record: &str) -> io::Result<Kept> {
        std::fs::write(directory.join(LOG_NAME), record).unwrap();
        Kept::read(directory, &Saver::open(directory.to_owned()).unwrap())
    }

    #[test]
    fn a_page_is_had_while_its_whole_file_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let saver = Saver::open(directory.path().to_owned()).unwrap();
        for path in ["/whole", "/short", "/dir"] {
            saver.save(&url(path), b"12345", |_| Ok(())).unwrap();
        }
        saver.save(&url("/dir/below"), b"12345", |_| Ok(())).unwrap();
        let page = |path: &str, bytes: u64| {
            format!(
                "{{\"url\":\"https://a.example{path}\",\"outcome\":\"page\",\"bytes\":{bytes},\"charged\":\"7\"}}\n"
            )
        };
        let record = page("/whole", 5) + &page("/short", 6) + &page("/gone", 5) + &page("/dir", 5);
        let kept = read(directory.path(), &record).unwrap();
        let has = |path: &str| kept.get(&url(path), 100).is_some();
        assert!(has("/whole") && has("/dir") && !has("/short") && !has("/gone") && !has("/dir/below"));
        assert_eq!(kept.charged(), 28);
    }

    #[test]
    fn redirects_and_pages_too_large_are_had_and_all_else_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let record = r#"{"url":"https://a.example/r","outcome":"redirect","to":"https://a.example/x"}
{"url":"https://a.example/big","outcome":"too_large","max":100}
{"url":"https://a.example/f","outcome":"failed","reason":"answered 500"}
{"url":"https://a.example/s","outcome":"skipped","reason":"robots"}
{"url":"https://a#cut
{"url":"https://a.example/half"#;
        let kept = read(directory.path(), record).unwrap();
        assert_eq!(kept.get(&url("/r"), 1), Some(&Had::Redirect { to: "https://a.example/x".into() }));
        assert_eq!(kept.get(&url("/big"), 100), Some(&Had::TooLarge { max: 100 }));
        assert_eq!(kept.get(&url("/big"), 101), None);
        assert_eq!(kept.had.len(), 2);
        let error = read(directory.path(), "{}\n").unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains(LOG_NAME), "{error}");
        assert!(Kept::read(&directory.path().join("none"), &Saver::open(directory.path().to_owned()).unwrap()).is_ok());
    }
}
