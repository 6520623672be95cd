//! Inputs from seeds: bytes changed, pieces moved between seeds, and the same inside JSON and inside base64.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

/// Longest input, in bytes.
const LENGTH_MAX: usize = 32 << 10;

/// What senders get wrong, and attackers right.
const PIECES: [&str; 40] = [
    "",
    "0",
    "-1",
    "1",
    "01",
    "9007199254740993",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "1e999",
    "1.5",
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "\"",
    "\\",
    "\\u0000",
    "\u{0}",
    "\u{7f}",
    "\u{e9}",
    "\u{1f600}",
    ",",
    ";",
    ":",
    "=",
    "?1",
    "?0",
    "(",
    ")",
    " ",
    "\t",
    "\r\n",
    "%2f",
    "%25",
    "..",
    "//",
    "@",
    "*",
    ":AAAA:",
];

/// Makes one input after the other, the same for the same seed.
pub(crate) struct Mutator {
    state: u64,
    seeds: Vec<Vec<u8>>,
    input: Vec<u8>,
}

impl Mutator {
    pub(crate) fn new(seed: u64, seeds: Vec<Vec<u8>>) -> Self {
        Self { state: seed, seeds, input: Vec::new() }
    }

    /// The next input: now and then a seed as it stands.
    pub(crate) fn next(&mut self) -> &[u8] {
        let at = self.below(self.seeds.len());
        let mut input = self.seeds[at].clone();
        input = match self.below(16) {
            0 => input,
            1..=4 => self.inside_json(&input).unwrap_or(input),
            5..=9 => self.inside_base64(&input).unwrap_or_else(|| self.changed(input.clone())),
            _ => self.changed(input),
        };
        input.truncate(LENGTH_MAX);
        self.input = input;
        &self.input
    }

    fn changed(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(4) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (from, to) = self.range(bytes.len());
        match self.below(8) {
            0 | 1 if !bytes.is_empty() => {
                let at = from.min(bytes.len() - 1);
                bytes[at] ^= 1 << self.below(8);
            }
            2 => drop(bytes.drain(from..to)),
            3 => {
                let copy = bytes[from..to].to_vec();
                let at = self.below(bytes.len() + 1);
                bytes.splice(at..at, copy);
            }
            4 | 5 => {
                let piece = PIECES[self.below(PIECES.len())];
                bytes.splice(from..to.min(from + 2), piece.bytes());
            }
            6 => {
                let other = self.below(self.seeds.len());
                let (a, b) = self.range(self.seeds[other].len());
                let piece = self.seeds[other][a..b].to_vec();
                bytes.splice(from..to, piece);
            }
            _ => bytes.truncate(to),
        }
    }

    /// The same message with one value, key or place in it changed.
    fn inside_json(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        let mut value: Value = serde_json::from_slice(input).ok()?;
        let mut left = self.below(64);
        let piece = PIECES[self.below(PIECES.len())];
        let with = serde_json::from_str(piece).unwrap_or_else(|_| Value::from(piece));
        alter(&mut value, &mut left, &with, self.roll());
        Some(value.to_string().into_bytes())
    }

    /// The same inside base64, of either alphabet, wherever the whole or a part between dots is that.
    fn inside_base64(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(input).ok()?;
        let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        let at = self.below(parts.len());
        let plain = BASE64_STANDARD.decode(&parts[at]);
        let standard = plain.is_ok();
        let bytes =
            plain.or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(&parts[at])).ok().filter(|bytes| bytes.len() > 2)?;
        let bytes = self.inside_json(&bytes).unwrap_or_else(|| self.changed(bytes));
        parts[at] = if standard { BASE64_STANDARD.encode(bytes) } else { BASE64_URL_SAFE_NO_PAD.encode(bytes) };
        Some(parts.join(".").into_bytes())
    }

    fn range(&mut self, length: usize) -> (usize, usize) {
        let (a, b) = (self.below(length + 1), self.below(length + 1));
        // Short ranges more often than long ones.
        let (from, to) = (a.min(b), a.max(b));
        if self.below(4) > 0 { (from, to.min(from + 8)) } else { (from, to) }
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % most.max(1) as u64).unwrap_or(0)
    }

    /// splitmix64.
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Walks to the value that is `left` steps away and changes it.
fn alter(value: &mut Value, left: &mut usize, with: &Value, roll: u64) {
    if *left == 0 {
        *value = match roll % 4 {
            0 => Value::Array(vec![value.take(); 2]),
            1 => serde_json::json!({"value": value.take()}),
            2 => Value::from(value.to_string()),
            _ => with.clone(),
        };
        *left = usize::MAX;
        return;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| step(item, left, with, roll)),
        Value::Object(members) => {
            if roll % 8 == 7
                && let Some(key) = members.keys().nth(*left % members.len().max(1)).cloned()
            {
                let moved = members.remove(&key).unwrap_or_default();
                members.insert(if roll % 16 == 7 { format!("{key}x") } else { "extra".to_owned() }, moved);
                *left = usize::MAX;
            }
            members.values_mut().for_each(|member| step(member, left, with, roll));
        }
        _ => {}
    }
}

fn step(value: &mut Value, left: &mut usize, with: &Value, roll: u64) {
    if *left != usize::MAX {
        alter(value, left, with, roll);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_another_one_others() {
        let seeds = || vec![br#"{"a":[1,"b"]}"#.to_vec(), b"eyJhIjpbMSwiYiJdfQ==".to_vec(), b"x=1;y".to_vec()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed, seeds());
            (0..500).map(|_| mutator.next().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let different: std::collections::HashSet<_> = inputs(1).into_iter().collect();
        assert!(different.len() > 200, "{}", different.len());
    }
}
