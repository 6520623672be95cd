//! JSON of bounded size from values that somebody else has parsed.

use std::io::{self, Write};

use serde::Serialize;

/// The minified JSON of a value, or `None` where it is longer than `cap` bytes. Nothing longer is ever built.
pub(super) fn text_within<T: Serialize>(value: &T, cap: usize) -> Option<Vec<u8>> {
    let mut capped = Capped { bytes: Vec::new(), cap };
    serde_json::to_writer(&mut capped, value).ok()?;
    Some(capped.bytes)
}

struct Capped {
    bytes: Vec<u8>,
    cap: usize,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.cap {
            return Err(io::Error::other("longer than is read"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn threat_71_what_is_too_long_is_not_built() {
        let value = json!({"a": "x".repeat(100)});
        assert_eq!(text_within(&value, 108).unwrap().len(), 108);
        assert!(text_within(&value, 107).is_none());
    }
}
