//! `@query-param` (RFC 9421, section 2.2.8): one query parameter by name, decoded and encoded again in one way.

/// The encoded value of the parameter whose encoded name is `name`; `None` if it is absent or there more than once.
pub(crate) fn single(query: &str, name: &str) -> Option<String> {
    let mut found = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if recode(key) == name && found.replace(recode(value)).is_some() {
            return None;
        }
    }
    found
}

/// Form-decodes, then percent-encodes everything but letters, digits and `*-._`.
fn recode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, tail) = match (first, tail) {
            (b'+', tail) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, after),
                _ => (b'%', tail),
            },
            (other, tail) => (other, tail),
        };
        if byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
        rest = tail;
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        let query =
            "var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something";
        assert_eq!(single(query, "var").as_deref(), Some("this%20is%20a%20big%0Amultiline%20value"));
        assert_eq!(single(query, "bar").as_deref(), Some("with%20plus%20whitespace"));
        assert_eq!(single(query, "fa%C3%A7ade%22%3A%20").as_deref(), Some("something"));
        assert_eq!(single("param=value&foo=bar&baz=batman&qux=", "qux").as_deref(), Some(""));
    }

    #[test]
    fn a_parameter_sent_twice_has_no_value() {
        assert_eq!(single("a=1&b=2&%61=3", "a"), None);
        assert_eq!(single("a=1", "b"), None);
    }
}
