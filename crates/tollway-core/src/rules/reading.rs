//! How a request path may be read. The gate and whatever stands behind it must agree on the
//! resource, so a path that some server could decode, fold or normalise into another one is
//! looked up under every such reading (RFC 3986 section 6; RFC 9110 section 4.2.3).

use tollway_protocol::{Reason, Refusal};

/// Longest path that is looked at, in bytes.
pub const PATH_MAX: usize = 8 * 1024;

/// A request path, with every reading of it that a server could plausibly take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readings {
    /// The path decoded once: what the gate itself matches.
    plain: String,
    /// Other readings, all different from `plain`.
    others: Vec<String>,
}

impl Readings {
    /// Reads the path of a request target, before any decoding and without its query.
    ///
    /// # Errors
    /// `malformed_target` for a path that is no absolute path, is too long, has a broken percent
    /// escape, or decodes to control characters or to something that is not UTF-8.
    pub fn of(raw: &str) -> Result<Self, Refusal> {
        if !raw.starts_with('/') {
            return Err(malformed("the request target must be an absolute path"));
        }
        if raw.len() > PATH_MAX {
            return Err(malformed("the path is longer than 8 KiB"));
        }
        let mut others = Vec::new();
        if is_plain(raw) {
            let plain = raw.to_owned();
            if plain.len() > 1 && plain.ends_with('/') {
                push(&mut others, &plain, plain.trim_end_matches('/').to_owned());
            }
            return Ok(Self { plain, others });
        }
        let plain = decode(raw)?;
        let mut decoded = plain.clone();
        // Three more decodings cover every chain of proxies that was ever reported.
        for _ in 0..3 {
            for folded in foldings(&decoded) {
                push(&mut others, &plain, folded);
            }
            let next = decode_leniently(&decoded, |_| true);
            if next == decoded {
                break;
            }
            push(&mut others, &plain, next.clone());
            decoded = next;
        }
        // A server that decodes nothing but what a URL cannot spell otherwise.
        for folded in foldings(&decode_leniently(raw, |byte| !is_speakable(byte))) {
            push(&mut others, &plain, folded);
        }
        Ok(Self { plain, others })
    }

    /// The path decoded once.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// All readings, the plain one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.plain.as_str()).chain(self.others.iter().map(String::as_str))
    }

    /// Whether there is only one way to read the path.
    pub fn is_plain(&self) -> bool {
        self.others.is_empty()
    }
}

/// A path of unreserved characters and single slashes, where no name begins or ends with a dot,
/// reads one way.
fn is_plain(raw: &str) -> bool {
    let mut previous = 0;
    for byte in raw.bytes() {
        let fine = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'/' | b'.' | b',' | b'@');
        let joint = matches!((previous, byte), (b'/', b'/' | b'.') | (b'.', b'/'));
        if !fine || joint {
            return false;
        }
        previous = byte;
    }
    previous != b'.'
}

fn push(others: &mut Vec<String>, plain: &str, reading: String) {
    if reading != plain && !others.contains(&reading) {
        others.push(reading);
    }
}

/// The forms into which servers fold one decoded path. To most a backslash is a letter like others.
fn foldings(path: &str) -> Vec<String> {
    let slashed = path.contains('\\').then(|| path.replace('\\', "/"));
    std::iter::once(path).chain(slashed.as_deref()).flat_map(slashed_foldings).collect()
}

fn slashed_foldings(path: &str) -> impl Iterator<Item = String> {
    let without_parameters =
        path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/");
    let until_query = path.split(['?', '#', '\0']).next().unwrap_or_default().to_owned();
    // A form's decoder takes a plus for a space, and Windows no name that ends in a dot or a space.
    let spaced = path.replace('+', " ");
    let named = normalised(&spaced).split('/').map(trimmed_name).collect::<Vec<_>>().join("/");
    [path.to_owned(), without_parameters, until_query, spaced, named].into_iter().flat_map(|form| {
        let normal = normalised(&form);
        let trimmed = trimmed_end(&normal);
        [form, normal, trimmed]
    })
}

/// Dot segments removed and runs of slashes merged.
fn normalised(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let mut normal = String::with_capacity(path.len());
    for segment in &kept {
        normal.push('/');
        normal.push_str(segment);
    }
    if normal.is_empty() || path.ends_with('/') {
        normal.push('/');
    }
    normal
}

fn trimmed_name(name: &str) -> &str {
    match name.trim_end_matches(' ') {
        dots @ ("." | "..") => dots,
        _ => name.trim_end_matches([' ', '.']),
    }
}

fn trimmed_end(path: &str) -> String {
    let trimmed = path.trim_end_matches(['/', ' ', '.']);
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// Percent-decodes once.
fn decode(text: &str) -> Result<String, Refusal> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = bytes.get(at + 1..at + 3).and_then(|pair| {
                let high = char::from(pair[0]).to_digit(16)?;
                let low = char::from(pair[1]).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()
            });
            decoded.push(digits.ok_or_else(|| malformed("the path has a broken percent escape"))?);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    let decoded = String::from_utf8(decoded).map_err(|_| malformed("the path does not decode to UTF-8"))?;
    if decoded.chars().any(char::is_control) {
        return Err(malformed("the path holds control characters"));
    }
    Ok(decoded)
}

/// Whether a byte stands in paths as it is (RFC 3986 section 3.3): no space, nothing beyond ASCII.
fn is_speakable(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{'..=b'}')
}

/// Percent-decodes the bytes that are `wanted`, and keeps everything else as it stands, broken
/// escapes too: what a careless server does.
fn decode_leniently(text: &str, wanted: impl Fn(u8) -> bool) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match byte {
            Some(byte) if first == b'%' && wanted(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Reason::MalformedTarget, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(raw: &str) -> Vec<String> {
        Readings::of(raw).unwrap().iter().map(str::to_owned).collect()
    }

    #[test]
    fn an_ordinary_path_reads_one_way() {
        assert_eq!(readings("/articles/a-b_c.html"), ["/articles/a-b_c.html"]);
        assert!(Readings::of("/articles/x").unwrap().is_plain());
    }

    #[test]
    fn threat_06_every_known_folding_is_a_reading() {
        for raw in [
            "//articles/x",
            "/./articles/x",
            "/a/../articles/x",
            "/articles%2fx",
            "/%61rticles/x",
            "/articles%2Fx",
            "/articles\\x",
            "/articles%5cx",
            "/articles;v=1/x",
            "/x/%2e%2e/articles/x",
            "/articles/x;jsessionid=1",
            "/articles/x%3fy",
            "/articles/x%23y",
            "/articles//x",
            "/articles./x",
            "/articles%20/x",
            "/articles/x.",
            "/articles/x%20.%20",
            "/a\\b/../articles/x",
        ] {
            assert!(readings(raw).iter().any(|reading| reading == "/articles/x"), "{raw}: {:?}", readings(raw));
        }
    }

    #[test]
    fn what_a_url_cannot_spell_otherwise_reads_one_way() {
        for (raw, plain) in [("/my%20files/a", "/my files/a"), ("/caf%C3%A9/a", "/caf\u{e9}/a"), ("/a%7Cb", "/a|b")] {
            assert_eq!(readings(raw), [plain]);
        }
        assert!(readings("/my+files/a").contains(&"/my files/a".to_owned()));
    }

    #[test]
    fn threat_07_double_and_triple_encodings_are_readings() {
        for raw in ["/articles%252fx", "/%2561rticles/x", "/articles%25252fx", "/articles%25%2532fx"] {
            assert!(readings(raw).iter().any(|reading| reading == "/articles/x"), "{raw}: {:?}", readings(raw));
        }
    }

    #[test]
    fn threat_08_broken_escapes_are_refused_and_never_passed() {
        for raw in ["/a%", "/a%2", "/a%zz", "/a%00b", "/a%0d%0ab", "/%c0%ae", "/%ff", "relative", "*", ""] {
            assert_eq!(Readings::of(raw).unwrap_err().reason, Reason::MalformedTarget, "{raw}");
        }
    }

    #[test]
    fn the_number_of_readings_is_bounded() {
        let hostile = "/%252525252e%252f;\\..//.".repeat(300);
        assert!(Readings::of(&hostile[..hostile.len().min(PATH_MAX)]).map_or(0, |found| found.iter().count()) < 64);
    }
}
