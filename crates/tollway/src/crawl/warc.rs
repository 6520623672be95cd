//! An archive of a crawl in one file: WARC/1.1 (ISO 28500:2017), uncompressed.
//!
//! Each answer makes a `response` record with its `request` beside it, and where it was paid for a `metadata` record
//! with the commitment, the amount and the receipt. Bodies are as they were received after transfer coding, so
//! `Transfer-Encoding` is left out and `Content-Length` counts the body.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tollway_core::clock::Clock;
use url::Url;

use super::fetch::Fetched;

const VERSION: &str = "WARC/1.1";

/// Longest head of a record that is read, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The field of a receipt.
const RECEIPT: &str = tollway_protocol::header::PAYMENT_RESPONSE;

/// An open archive; crawls add to it.
pub(crate) struct Warc {
    file: Mutex<Place>,
    clock: Arc<dyn Clock>,
    user_agent: String,
}

struct Place {
    file: File,
    /// Its length: what a record's id is made from.
    end: u64,
}

/// One record before it is written.
struct Record<'a> {
    kind: &'static str,
    content_type: &'static str,
    /// Named header lines of its own.
    fields: Vec<(&'static str, String)>,
    head: &'a [u8],
    body: &'a [u8],
}

impl Warc {
    /// Opens an archive, or begins one. A last record that a crash cut short is taken off.
    ///
    /// # Errors
    /// When the file cannot be read and written, or holds something else than records.
    pub(crate) fn open(path: &Path, clock: Arc<dyn Clock>, user_agent: String) -> anyhow::Result<Self> {
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let archive = (|| -> anyhow::Result<Self> {
            let mut file = opened?;
            file.try_lock().context("another crawl writes into it")?;
            let end = whole_records(&mut file)?;
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
            Ok(Self { file: Mutex::new(Place { file, end }), clock, user_agent })
        })()
        .with_context(|| format!("the archive {}", path.display()))?;
        if archive.place().end == 0 {
            archive.begin().with_context(|| format!("the archive {}", path.display()))?;
        }
        Ok(archive)
    }

    /// Adds an answer and the request that it answers.
    pub(crate) fn add(&self, url: &Url, fetched: &Fetched) -> io::Result<()> {
        let date = self.date();
        let target = ("WARC-Target-URI", url.to_string());
        let response_head = response_head(fetched);
        let digest = ("WARC-Payload-Digest", digest(&[&fetched.body]));
        let response = Record {
            kind: "response",
            content_type: "application/http;msgtype=response",
            fields: vec![target.clone(), digest],
            head: response_head.as_bytes(),
            body: &fetched.body,
        };
        let mut place = self.place();
        let id = place.write(&response, &date)?;
        let beside = ("WARC-Concurrent-To", format!("<{id}>"));
        let request_head = self.request_head(url, &fetched.exchange.sent);
        let request = Record {
            kind: "request",
            content_type: "application/http;msgtype=request",
            fields: vec![target.clone(), beside.clone()],
            head: request_head.as_bytes(),
            body: b"",
        };
        place.write(&request, &date)?;
        let Some(payment) = payment(fetched) else { return Ok(()) };
        let metadata = Record {
            kind: "metadata",
            content_type: "application/warc-fields",
            fields: vec![target, beside],
            head: payment.as_bytes(),
            body: b"",
        };
        place.write(&metadata, &date).map(drop)
    }

    fn begin(&self) -> io::Result<()> {
        let text = format!(
            "software: {}\r\nformat: WARC File Format 1.1\r\n\
             conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n\
             http-header-user-agent: {}\r\n",
            self.user_agent, self.user_agent
        );
        let (head, fields) = (text.as_bytes(), Vec::new());
        let record = Record { kind: "warcinfo", content_type: "application/warc-fields", fields, head, body: b"" };
        self.place().write(&record, &self.date()).map(drop)
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Place> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn date(&self) -> String {
        let seconds = i64::try_from(self.clock.now()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
    }

    fn request_head(&self, url: &Url, sent: &HeaderMap) -> String {
        let mut head = format!("GET {} HTTP/1.1\r\n", &url[url::Position::BeforePath..url::Position::AfterQuery]);
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let own = [("host", authority), ("user-agent", &self.user_agent), ("accept", "*/*")];
        for (name, value) in own.into_iter().filter(|(name, _)| !sent.contains_key(*name)) {
            push_field(&mut head, name, value.as_bytes());
        }
        sent.iter().for_each(|(name, value)| push_field(&mut head, name.as_str(), value.as_bytes()));
        head.push_str("\r\n");
        head
    }
}

impl Place {
    /// Writes a record and gives its id.
    fn write(&mut self, record: &Record<'_>, date: &str) -> io::Result<String> {
        let block = digest(&[record.head, record.body]);
        let id = record_id(&format!("{} {} {date} {block} {:?}", self.end, record.kind, record.fields));
        let mut head = format!("{VERSION}\r\nWARC-Type: {}\r\nWARC-Record-ID: <{id}>\r\n", record.kind);
        push_field(&mut head, "WARC-Date", date.as_bytes());
        for (name, value) in &record.fields {
            push_field(&mut head, name, value.as_bytes());
        }
        push_field(&mut head, "WARC-Block-Digest", block.as_bytes());
        push_field(&mut head, "Content-Type", record.content_type.as_bytes());
        let length = record.head.len() + record.body.len();
        push_field(&mut head, "Content-Length", length.to_string().as_bytes());
        head.push_str("\r\n");
        for part in [head.as_bytes(), record.head, record.body, b"\r\n\r\n"] {
            self.file.write_all(part)?;
            self.end += u64::try_from(part.len()).unwrap_or(u64::MAX);
        }
        Ok(id)
    }
}

fn response_head(fetched: &Fetched) -> String {
    let reason = StatusCode::from_u16(fetched.status).ok().and_then(|status| status.canonical_reason());
    let mut head = format!("HTTP/1.1 {} {}\r\n", fetched.status, reason.unwrap_or_default());
    let framing = [header::TRANSFER_ENCODING, header::CONTENT_LENGTH];
    for (name, value) in fetched.exchange.received.iter().filter(|(name, _)| !framing.contains(name)) {
        push_field(&mut head, name.as_str(), value.as_bytes());
    }
    push_field(&mut head, "content-length", fetched.body.len().to_string().as_bytes());
    head.push_str("\r\n");
    head
}

/// What was paid, as lines of `application/warc-fields`.
fn payment(fetched: &Fetched) -> Option<String> {
    let charged = fetched.charged.as_ref()?;
    let mut text = String::new();
    push_field(&mut text, "payment-commitment", charged.id.as_bytes());
    push_field(&mut text, "payment-amount", charged.amount.to_string().as_bytes());
    push_field(&mut text, "payment-asset", b"micro-USD");
    if let Some(receipt) = fetched.exchange.received.get(RECEIPT) {
        push_field(&mut text, "payment-receipt", receipt.as_bytes());
    }
    Some(text)
}

/// Field values are a site's own words: bytes beyond ASCII stand as the characters of their number, line ends are gone.
fn push_field(head: &mut String, name: &str, value: &[u8]) {
    head.push_str(name);
    head.push_str(": ");
    head.extend(value.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).map(|byte| char::from(*byte)));
    head.push_str("\r\n");
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    format!("sha256:{}", hex(&hash.finalize()))
}

/// A UUID (RFC 9562, version 8) from what makes the record the only one of its kind.
fn record_id(of: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(of)[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    format!("urn:uuid:{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Where the last whole record of a file ends.
fn whole_records(file: &mut File) -> anyhow::Result<u64> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let mut end = 0;
    while end < length {
        let Some(block) = read_head(&mut reader, end)? else { return Ok(end) };
        let after = reader.stream_position()?.checked_add(block).and_then(|at| at.checked_add(4));
        let Some(after) = after.filter(|after| *after <= length) else { return Ok(end) };
        reader.seek(SeekFrom::Start(after))?;
        end = after;
    }
    Ok(end)
}

/// The length of the block under the head at `at`; `None` where the file ends before the head does.
fn read_head(reader: &mut BufReader<&mut File>, at: u64) -> anyhow::Result<Option<u64>> {
    let (mut line, mut read, mut length) = (Vec::new(), 0, None);
    for number in 0.. {
        line.clear();
        read += reader.by_ref_take(HEAD_BYTES_MAX - read).read_until(b'\n', &mut line)?;
        ensure!(read < HEAD_BYTES_MAX, "it holds something else than WARC records at byte {at}");
        let begins = line.starts_with(VERSION.as_bytes()) || VERSION.as_bytes().starts_with(&line);
        ensure!(number > 0 || begins, "it holds something else than WARC records at byte {at}");
        if line.last() != Some(&b'\n') {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(line.trim_ascii());
        if text.is_empty() {
            break;
        }
        let field = text.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        length = field.map_or(Ok(length), |(_, value)| value.trim().parse().map(Some))?;
    }
    length.map(Some).with_context(|| format!("a record without a length at byte {at}"))
}

/// Reading no more than so much.
trait TakeSome {
    fn by_ref_take(&mut self, bytes: usize) -> io::Take<&mut Self>;
}

impl TakeSome for BufReader<&mut File> {
    fn by_ref_take(&mut self, bytes: usize) -> io::Take<&mut Self> {
        io::Read::take(self, u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Debug for Warc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Warc").field("file", &self.file).field("user_agent", &self.user_agent).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("end", &self.end).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use tollway_core::clock::ManualClock;

    use super::*;
    use crate::crawl::fetch::{Charged, Exchange};

    struct Read {
        head: HashMap<String, String>,
        block: Vec<u8>,
    }

    /// A reader of its own, after section 4 of the standard.
    fn parse(mut file: &[u8]) -> Vec<Read> {
        let mut records = Vec::new();
        while !file.is_empty() {
            let end = file.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
            let head = std::str::from_utf8(&file[..end]).unwrap();
            let mut lines = head.split("\r\n");
            assert_eq!(lines.next(), Some("WARC/1.1"));
            let fields = lines.map(|line| line.split_once(": ").unwrap());
            let head: HashMap<_, _> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let length: usize = head["Content-Length"].parse().unwrap();
            let block = file[end + 4..end + 4 + length].to_vec();
            assert_eq!(&file[end + 4 + length..end + 8 + length], b"\r\n\r\n");
            assert_eq!(head["WARC-Block-Digest"], digest(&[&block]));
            file = &file[end + 8 + length..];
            records.push(Read { head, block });
        }
        let ids: HashSet<_> = records.iter().map(|record| record.head["WARC-Record-ID"].clone()).collect();
        assert_eq!(ids.len(), records.len());
        records
    }

    fn fetched(charged: Option<Charged>) -> Fetched {
        let mut exchange = Exchange::default();
        exchange.sent.insert("signature-agent", "sig1=\"https://c.example\"".parse().unwrap());
        for (name, value) in [("content-type", "text/html"), ("transfer-encoding", "chunked"), (RECEIPT, "ey==")] {
            exchange.received.insert(name, value.parse().unwrap());
        }
        exchange.received.insert("x-odd", http::HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let body = bytes::Bytes::from_static(b"<p>\r\n\r\nWARC/1.1\r\n");
        let (content_type, location, retry_after) = (None, None, None);
        Fetched { status: 200, content_type, location, body, charged, retry_after, exchange }
    }

    fn open(path: &Path) -> anyhow::Result<Warc> {
        Warc::open(path, Arc::new(ManualClock::at(1_795_392_000)), "tollway/0.1".into())
    }

    #[test]
    fn request_answer_and_payment_stand_beside_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.warc");
        let url = Url::parse("https://a.example:8443/x?y=1").unwrap();
        open(&path).unwrap().add(&url, &fetched(Some(Charged { id: "c1".into(), amount: 2000 }))).unwrap();
        open(&path).unwrap().add(&url, &fetched(None)).unwrap();
        let records = parse(&std::fs::read(&path).unwrap());
        let kinds: Vec<_> = records.iter().map(|record| record.head["WARC-Type"].as_str()).collect();
        assert_eq!(kinds, ["warcinfo", "response", "request", "metadata", "response", "request"]);
        let block = |n: usize| String::from_utf8(records[n].block.clone()).unwrap();
        assert!(block(0).starts_with("software: tollway/0.1\r\nformat: WARC File Format 1.1\r\n"));
        assert_eq!(
            block(1),
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\npayment-response: ey==\r\nx-odd: caf\u{e9}\r\n\
             content-length: 17\r\n\r\n<p>\r\n\r\nWARC/1.1\r\n"
        );
        assert_eq!(
            block(2),
            "GET /x?y=1 HTTP/1.1\r\nhost: a.example:8443\r\nuser-agent: tollway/0.1\r\naccept: */*\r\n\
             signature-agent: sig1=\"https://c.example\"\r\n\r\n"
        );
        let payment = "payment-commitment: c1\r\npayment-amount: 2000\r\npayment-asset: micro-USD\r\n\
                       payment-receipt: ey==\r\n";
        assert_eq!(block(3), payment);
        for record in &records[1..] {
            assert_eq!(record.head["WARC-Target-URI"], url.as_str());
            assert_eq!(record.head["WARC-Date"], "2026-11-23T00:00:00Z");
        }
        let response = &records[1].head;
        assert_eq!(response["WARC-Payload-Digest"], digest(&[b"<p>\r\n\r\nWARC/1.1\r\n"]));
        assert_eq!(records[2].head["WARC-Concurrent-To"], response["WARC-Record-ID"]);
        assert_eq!(records[3].head["WARC-Concurrent-To"], response["WARC-Record-ID"]);
    }

    #[test]
    fn a_record_cut_by_a_crash_is_taken_off_at_any_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.warc");
        let url = Url::parse("https://a.example/").unwrap();
        open(&path).unwrap().add(&url, &fetched(None)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let first = parse(&whole)[0].block.len();
        for cut in (first..whole.len()).step_by(7).chain([0, 1, 9, whole.len() - 1]) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            open(&path).unwrap().add(&url, &fetched(None)).unwrap();
            assert!(parse(&std::fs::read(&path).unwrap()).len() >= 3, "{cut}");
        }
    }

    #[test]
    fn other_files_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.warc");
        for other in [
            "years of work\n",
            "WARC/1.1\r\nWARC-Type: response\r\n\r\nno length",
            "WARC/1.1\r\nContent-Length: x\r\n\r\n",
        ] {
            std::fs::write(&path, other).unwrap();
            let error = format!("{:#}", open(&path).unwrap_err());
            assert!(error.starts_with(&format!("the archive {}", path.display())), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }
}
