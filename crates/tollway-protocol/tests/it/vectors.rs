//! The vectors of `vectors/protocol`: accepted rows read and write, refused rows name their reason.

use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::wires::{KINDS, read, write};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) wire: String,
    pub(crate) decoded: Value,
    /// What is written back where the wire text was not in this crate's own form.
    pub(crate) canonical: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    kind: String,
    wire: String,
    reason: String,
}

pub(crate) fn load<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/protocol");
    let text = std::fs::read(folder.join(file)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

pub(crate) fn accepted() -> &'static [Accepted] {
    static ROWS: LazyLock<Vec<Accepted>> = LazyLock::new(|| {
        let mut rows: Vec<Accepted> = load("messages.json");
        rows.extend(load::<Accepted>("headers.json"));
        rows.extend(load::<Accepted>("v1.json"));
        rows
    });
    &ROWS
}

fn refused() -> Vec<Refused> {
    let mut rows: Vec<Refused> = load("refused.json");
    rows.extend(load::<Refused>("v1_refused.json"));
    rows
}

#[test]
fn accepted_rows_decode_to_what_they_say() {
    for row in accepted() {
        let reading = read(&row.kind, &row.wire).unwrap_or_else(|e| panic!("{}: {e:?}", row.name));
        assert_eq!(reading.decoded, row.decoded, "{}", row.name);
        assert_eq!(&reading.encoded, row.canonical.as_ref().unwrap_or(&row.wire), "{}", row.name);
    }
}

#[test]
fn accepted_rows_encode_from_what_they_say() {
    for row in accepted() {
        let wire = write(&row.kind, &row.decoded);
        assert_eq!(&wire, row.canonical.as_ref().unwrap_or(&row.wire), "{}", row.name);
    }
}

#[test]
fn threat_70_refused_rows_name_their_reason() {
    for row in refused() {
        let refusal = match read(&row.kind, &row.wire) {
            Ok(reading) => panic!("{} was read as {}", row.name, reading.decoded),
            Err(refusal) => refusal.unwrap_or_else(|| panic!("{}: untyped", row.name)),
        };
        assert_eq!(refusal.reason.code(), row.reason, "{}: {refusal}", row.name);
        let fit_to_send = |c: char| c == ' ' || c.is_ascii_graphic();
        assert!(refusal.detail.chars().all(fit_to_send) && refusal.detail.len() < 400, "{}", row.name);
    }
}

#[test]
fn every_kind_has_vectors_and_every_sized_kind_has_refusals() {
    let accepted: HashSet<_> = accepted().iter().map(|row| row.kind.as_str()).collect();
    let refused: HashSet<_> = refused().into_iter().map(|row| row.kind).collect();
    for &kind in KINDS {
        assert!(accepted.contains(kind), "{kind}");
        let is_word = matches!(kind, "crawler_error" | "v1_network" | "network" | "dress" | "asset" | "amount");
        assert!(is_word || refused.contains(kind), "{kind}");
    }
}
