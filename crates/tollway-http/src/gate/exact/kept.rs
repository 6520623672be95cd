//! What is kept for a buyer whose payment has settled, or may have: the answer itself, or the right to
//! have the handler run. On disk: one line of JSON, then the body.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use tollway_ledger::{Delivery, Hash};
use tollway_signatures::digest;

use crate::gate::answers::Answer;
use crate::gate::sell::validator;

/// Longest first line.
const HEAD_MAX: usize = 128 << 10;

/// What a paying buyer may still get.
#[derive(Clone)]
pub(super) enum Kept {
    /// These bytes.
    Answer(Answer),
    /// So many runs of the handler.
    Runs(u8),
    /// Nothing that we know of: a handler with effects was begun and never seen to end.
    Begun,
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    version: u8,
    handings: u8,
    put_at: u64,
    kept: Kind,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Answer { status: u16, fields: Vec<(String, String)> },
    Runs(u8),
    Begun,
}

/// A file, read.
pub(super) struct Filed {
    pub(super) handings: u8,
    pub(super) put_at: u64,
    pub(super) kept: Kept,
}

impl Kept {
    /// What the books are told of the answer.
    pub(super) fn delivery(&self) -> Delivery {
        match self {
            Self::Answer(answer) => Delivery {
                status: answer.status.as_u16(),
                validator: Some(validator(&answer.headers).unwrap_or_else(|| digest::make(&answer.body))),
                digest: Some(Hash::of(&answer.body)),
                bytes: u64::try_from(answer.body.len()).ok(),
            },
            Self::Runs(_) | Self::Begun => Delivery::default(),
        }
    }

    /// Bytes it takes, about.
    pub(super) fn size(&self) -> u64 {
        let body = match self {
            Self::Answer(answer) => answer.body.len(),
            Self::Runs(_) | Self::Begun => 0,
        };
        u64::try_from(body).unwrap_or(u64::MAX).saturating_add(1_024)
    }
}

impl Filed {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, body) = match &self.kept {
            Kept::Answer(answer) => {
                let text = |value: &HeaderValue| BASE64_STANDARD.encode(value.as_bytes());
                let fields = answer.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
                (Kind::Answer { status: answer.status.as_u16(), fields: fields.collect() }, answer.body.clone())
            }
            Kept::Runs(runs) => (Kind::Runs(*runs), Bytes::new()),
            Kept::Begun => (Kind::Begun, Bytes::new()),
        };
        let line = Line { version: 1, handings: self.handings, put_at: self.put_at, kept: kind };
        let mut bytes = serde_json::to_vec(&line).expect("a line is plain data");
        bytes.push(b'\n');
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads a file; `None` for one that is none of ours, or was not written to its end.
    pub(super) fn decode(bytes: Bytes) -> Option<Self> {
        let end = bytes.iter().take(HEAD_MAX).position(|byte| *byte == b'\n')?;
        let line: Line = serde_json::from_slice(&bytes[..end]).ok()?;
        if line.version != 1 {
            return None;
        }
        let kept = match line.kept {
            Kind::Runs(runs) => Kept::Runs(runs),
            Kind::Begun => Kept::Begun,
            Kind::Answer { status, fields } => {
                let mut headers = HeaderMap::new();
                for (name, value) in fields {
                    let value = BASE64_STANDARD.decode(value).ok()?;
                    headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(&value).ok()?);
                }
                let status = StatusCode::from_u16(status).ok()?;
                Kept::Answer(Answer { status, headers, body: bytes.slice(end + 1..) })
            }
        };
        Some(Self { handings: line.handings, put_at: line.put_at, kept })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(body: &[u8]) -> Kept {
        let mut headers = HeaderMap::new();
        headers.append("etag", HeaderValue::from_static("\"v\""));
        headers.append("x-odd", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        Kept::Answer(Answer { status: StatusCode::CREATED, headers, body: Bytes::copy_from_slice(body) })
    }

    proptest! {
        #[test]
        fn what_is_kept_reads_back(body in proptest::collection::vec(any::<u8>(), 0..300), handings: u8, put_at: u32) {
            let filed = Filed { handings, put_at: put_at.into(), kept: answer(&body) };
            let read = Filed::decode(filed.encode().into()).unwrap();
            prop_assert_eq!((read.handings, read.put_at), (handings, u64::from(put_at)));
            let Kept::Answer(read) = read.kept else { panic!("an answer") };
            prop_assert_eq!(&read.body[..], &body[..]);
            prop_assert_eq!(read.status, StatusCode::CREATED);
            prop_assert_eq!(read.headers.get("x-odd").unwrap().as_bytes(), b"caf\xe9");
        }

        #[test]
        fn a_foreign_file_is_refused_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Filed::decode(bytes.into()).is_none());
        }
    }

    #[test]
    fn rights_read_back() {
        for kept in [Kept::Runs(2), Kept::Begun] {
            let read = Filed::decode(Filed { handings: 1, put_at: 7, kept }.encode().into()).unwrap();
            assert!(matches!(read.kept, Kept::Runs(2) | Kept::Begun));
        }
    }
}
