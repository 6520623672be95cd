//! What a certificate says, for whoever looks after it: from when until when, for which names, and
//! whether the public web trusts it. Nothing here decides about a connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError as Wrong, RootCertStore};

use crate::tls::CertificateError;

/// A certificate chain, looked at.
#[derive(Debug)]
pub struct Inspected {
    chain: Vec<CertificateDer<'static>>,
    not_before: u64,
    not_after: u64,
}

/// What a client of the public web would say of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It would trust it.
    Trusted,
    /// It knows no authority that vouches for it.
    UnknownIssuer,
    /// It is for other names.
    OtherName,
    /// It would refuse it for another reason.
    Refused,
}

impl Inspected {
    /// Reads a chain from a PEM file.
    ///
    /// # Errors
    /// When it is no PEM, holds no certificate, or one that cannot be read.
    pub fn read(path: &Path) -> Result<Self, CertificateError> {
        let wrong = |error| CertificateError::Pem { path: path.to_owned(), error };
        let chain: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(wrong)?;
        let encoding = || CertificateError::Tls(Wrong::BadEncoding.into());
        let leaf = chain.first().ok_or_else(encoding)?;
        let (not_before, not_after) = validity(leaf).ok_or_else(encoding)?;
        Ok(Self { chain, not_before, not_after })
    }

    /// First second at which it holds.
    pub fn not_before(&self) -> u64 {
        self.not_before
    }

    /// Last second at which it holds.
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// What a client of the public web would say of it, asking for `host` at `now`.
    pub fn standing(&self, host: &str, now: u64) -> Standing {
        let Ok(name) = ServerName::try_from(host.to_owned()) else { return Standing::OtherName };
        let roots = Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::new(ring::default_provider()));
        let (Ok(verifier), Some((leaf, rest))) = (builder.build(), self.chain.split_first()) else {
            return Standing::Refused;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        match verifier.verify_server_cert(leaf, rest, &name, &[], now) {
            Ok(_) => Standing::Trusted,
            Err(rustls::Error::InvalidCertificate(Wrong::UnknownIssuer)) => Standing::UnknownIssuer,
            Err(rustls::Error::InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. })) => {
                Standing::OtherName
            }
            Err(_) => Standing::Refused,
        }
    }

    /// Whether the leaf names `host`.
    pub fn names(&self, host: &str) -> bool {
        let name = ServerName::try_from(host.to_owned()).ok();
        let leaf = self.chain.first().and_then(|leaf| rustls::server::ParsedCertificate::try_from(leaf).ok());
        matches!((name, leaf), (Some(name), Some(leaf)) if rustls::client::verify_server_name(&leaf, &name).is_ok())
    }
}

/// The two times of a certificate's validity (RFC 5280 section 4.1), as Unix seconds.
fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut signed, _) = element(certificate)?;
    // An explicit version, where there is one; then serial number, algorithm, issuer.
    if signed.first() == Some(&0xa0) {
        signed = element(signed)?.2;
    }
    for _ in 0..3 {
        signed = element(signed)?.2;
    }
    let (_, times, _) = element(signed)?;
    let (from_kind, from, rest) = element(times)?;
    let (until_kind, until, _) = element(rest)?;
    Some((time(from_kind, from)?, time(until_kind, until)?))
}

/// One element of DER: its tag, what it holds, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `UTCTime` (two digits of the year) or `GeneralizedTime`, both to the second and in UTC.
fn time(kind: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let digits: Vec<u64> = text.chars().map(|c| c.to_digit(10).map(u64::from)).collect::<Option<_>>()?;
    let number = |part: &[u64]| part.iter().fold(0, |number, digit| number * 10 + digit);
    let (year, rest) = match (kind, digits.len()) {
        (0x17, 12) => {
            let year = number(&digits[..2]);
            (if year < 50 { 2_000 + year } else { 1_900 + year }, &digits[2..])
        }
        (0x18, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return None,
    };
    let [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(|at| number(&rest[at..at + 2]));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970 in the calendar that begins its year in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = (year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day).checked_sub(719_469)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_certificate_tells_its_times_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert.pem");
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["shop.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 2, 28);
        params.not_after = rcgen::date_time_ymd(2056, 3, 1);
        std::fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        let seen = Inspected::read(&path).unwrap();
        assert_eq!((seen.not_before(), seen.not_after()), (1_772_236_800, 2_719_094_400));
        assert!(seen.names("shop.example") && !seen.names("other.example"));
        assert_eq!(seen.standing("shop.example", 1_800_000_000), Standing::UnknownIssuer);
        std::fs::write(&path, "no certificate").unwrap();
        assert!(Inspected::read(&path).is_err());
    }

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(time(0x17, b"700101000000Z"), Some(0));
        assert_eq!(time(0x17, b"261122120000Z"), Some(1_795_348_800));
        assert_eq!(time(0x18, b"20000229235959Z"), Some(951_868_799));
        for text in [&b"261122120000"[..], b"261322120000Z", b"2611221200Z", b"26112212000aZ", b""] {
            assert_eq!(time(0x17, text), None);
        }
    }

    proptest! {
        #[test]
        fn threat_70_any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = validity(&bytes);
        }
    }
}
