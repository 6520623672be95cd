//! Holds the list of targets against the sources: no decoder of the libraries is forgotten.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::targets::TARGETS;

/// Libraries whose decoders are fed.
const CRATES: [&str; 6] = ["protocol", "signatures", "ledger", "core", "http", "mcp"];

/// What looks like a decoder and reads nothing that comes from outside, or is fed by the tests of its own crate.
const ELSEWHERE: [(&str, &str); 19] = [
    ("core/offer/press.rs: of", "rules of this program"),
    ("core/seller/bills/attempt.rs: Attempt", "a name that the books gave, and a property test beside it"),
    ("core/scheme/deferred/cloudflare.rs: from_cents", "a number"),
    ("http/certificate.rs: read", "fed any bytes by a property test beside it"),
    ("http/gate/page/look.rs: Colour", "a setting of one's own"),
    ("http/gate/counters.rs: of", "what was read already"),
    ("http/key_file.rs: read", "a file of one's own; the key in it is a JWK, which is fed"),
    ("http/payer/journal.rs: read", "a file of one's own, read line by line by its crate's tests"),
    ("http/tls.rs: read", "a file of one's own"),
    ("ledger/id.rs: from_bytes", "bytes of a known number"),
    ("ledger/id.rs: of", "a hash"),
    ("ledger/statement.rs: of", "a sum"),
    ("mcp/seller/prices.rs: of", "a price list of one's own"),
    ("protocol/price.rs: of", "a table"),
    ("protocol/price.rs: parse_decimal", "the grammar under every price, fed by those"),
    ("protocol/v1.rs: of", "what was read already"),
    ("signatures/card.rs: parse", "fed any bytes by a property test beside it"),
    ("signatures/ed25519.rs: from_seed", "bytes of a known number"),
    ("signatures/thumbprint.rs: from_bytes", "bytes of a known number"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The name of the decoder that a line begins, if it begins one.
fn decoder(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some((head, name)) = line.split_once("FromStr for ")
        && head.starts_with("impl")
    {
        return Some(name.split([' ', '<', '{']).next()?.to_owned());
    }
    let line = line.strip_prefix("pub ")?;
    let line = line.strip_prefix("const ").unwrap_or(line).strip_prefix("fn ")?;
    let name = line.split(['(', '<']).next()?;
    let reads = ["decode", "parse", "from_", "verify"].iter().any(|verb| name.starts_with(verb));
    (reads || matches!(name, "read" | "read_receipt" | "of")).then(|| name.to_owned())
}

#[test]
fn every_decoder_is_fed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut decoders = BTreeSet::new();
    for library in CRATES {
        let folder = root.join(format!("tollway-{library}/src"));
        let mut files = Vec::new();
        sources(&folder, &mut files);
        for file in files {
            let short = format!("{library}/{}", file.strip_prefix(&folder).unwrap().to_str().unwrap());
            let text = std::fs::read_to_string(&file).unwrap();
            let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap();
            decoders.extend(shipped.lines().filter_map(decoder).map(|name| format!("{short}: {name}")));
        }
    }
    let fed: BTreeSet<String> =
        TARGETS.iter().flat_map(|target| target.covers).map(|name| (*name).to_owned()).collect();
    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let listed: BTreeSet<String> = fed.union(&elsewhere).cloned().collect();
    let forgotten: Vec<_> = decoders.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&decoders).collect();
    assert!(forgotten.is_empty() && gone.is_empty(), "forgotten: {forgotten:#?}, no longer there: {gone:#?}");
}
