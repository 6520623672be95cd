//! `Content-Digest` (RFC 9530): made with sha-256; sha-256 and sha-512 are checked, always against the bytes themselves.

use std::convert::Infallible;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sfv::visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};
use sha2::{Digest as _, Sha256, Sha512};
use tollway_protocol::{Reason, Refusal};

/// Longest `Content-Digest` that is read, in bytes.
pub const MAX_DIGEST_FIELD: usize = 1024;

/// The field's value for `body`.
#[must_use]
pub fn make(body: &[u8]) -> String {
    of_sha256(&Sha256::digest(body).into())
}

/// The field's value for a body that has this SHA-256.
#[must_use]
pub fn of_sha256(hash: &[u8; 32]) -> String {
    format!("sha-256=:{}:", BASE64_STANDARD.encode(hash))
}

/// Recomputes every digest in `header` that has a known algorithm; there has to be one.
///
/// # Errors
/// `digest_missing` if there is no digest with a known algorithm, `digest_mismatch` if one is malformed, repeated, or
/// not that of `body`.
pub fn verify(header: &[u8], body: &[u8]) -> Result<(), Refusal> {
    let mismatch = |detail| Refusal::new(Reason::DigestMismatch, detail);
    if header.len() > MAX_DIGEST_FIELD {
        return Err(mismatch("longer than 1 KiB"));
    }
    let digests = Parser::new(header)
        .parse_dictionary_with_visitor(Digests::default())
        .map_err(|_| mismatch("not a dictionary"))?;
    if digests.malformed {
        return Err(mismatch("a digest is repeated or not a byte sequence"));
    }
    if digests.sha256.is_none() && digests.sha512.is_none() {
        return Err(Refusal::new(Reason::DigestMissing, "neither sha-256 nor sha-512"));
    }
    let fits_256 = digests.sha256.is_none_or(|sent| sent == Sha256::digest(body).as_slice());
    let fits_512 = digests.sha512.is_none_or(|sent| sent == Sha512::digest(body).as_slice());
    if fits_256 && fits_512 { Ok(()) } else { Err(mismatch("the body is another one")) }
}

#[derive(Default)]
struct Digests {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
    malformed: bool,
}

impl<'de> DictionaryVisitor<'de> for Digests {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok(match key.as_str() {
            "sha-256" => Some(Entry { slot: &mut self.sha256, malformed: &mut self.malformed }),
            "sha-512" => Some(Entry { slot: &mut self.sha512, malformed: &mut self.malformed }),
            _ => None,
        })
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

struct Entry<'a> {
    slot: &'a mut Option<Vec<u8>>,
    malformed: &'a mut bool,
}

impl<'de> EntryVisitor<'de> for Entry<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        *self.malformed = true;
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for Entry<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        match item {
            BareItemFromInput::ByteSequence(bytes) if self.slot.is_none() => *self.slot = Some(bytes),
            _ => *self.malformed = true,
        }
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"hello": "world"}"#;
    const SHA512: &str =
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

    #[test]
    fn made_digests_verify() {
        verify(make(BODY).as_bytes(), BODY).unwrap();
        verify(SHA512.as_bytes(), BODY).unwrap();
        verify(format!("md5=:AA==:, {}, {SHA512}", make(BODY)).as_bytes(), BODY).unwrap();
    }

    #[test]
    fn one_wrong_digest_beside_a_right_one_is_refused() {
        let header = format!("{}, {SHA512}", make(b"another body"));
        assert_eq!(verify(header.as_bytes(), BODY).unwrap_err().reason, Reason::DigestMismatch);
        let twice = format!("{}, {}", make(b"another body"), make(BODY));
        assert_eq!(verify(twice.as_bytes(), BODY).unwrap_err().reason, Reason::DigestMismatch);
    }

    #[test]
    fn no_known_digest_is_refused() {
        for header in ["", "md5=:AA==:", "id-sha-256=:AA==:"] {
            assert_eq!(verify(header.as_bytes(), BODY).unwrap_err().reason, Reason::DigestMissing, "{header}");
        }
        for header in ["sha-256", "sha-256=abc", "sha-256=(:AA==:)", "sha-256=::", ",", "\u{fc}"] {
            assert_eq!(verify(header.as_bytes(), BODY).unwrap_err().reason, Reason::DigestMismatch, "{header}");
        }
    }

    #[test]
    fn threat_75_every_flipped_byte_of_a_body_is_refused() {
        let header = make(BODY);
        for index in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[index] ^= 1;
            assert_eq!(verify(header.as_bytes(), &body).unwrap_err().reason, Reason::DigestMismatch);
        }
    }
}
