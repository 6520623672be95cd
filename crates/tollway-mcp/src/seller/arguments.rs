//! Conditions on the arguments of a call: a place in them (JSON pointer, RFC 6901) and what stands there.

use serde_json::{Map, Value};

/// What is asked of one argument.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgumentTest {
    /// Where it stands, such as `/depth` or `/options/size`.
    pub pointer: String,
    /// What has to stand there.
    pub test: Test,
}

/// What has to stand at a place of the arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Anything but nothing.
    Present,
    /// Nothing.
    Absent,
    /// This value; numbers are compared as numbers.
    Is(Value),
    /// A text that fits this pattern, in which `*` is any run of characters.
    Like(String),
    /// A number of at least this; a text, list or object of at least this length.
    AtLeast(i64),
    /// A number of at most this; a text, list or object of at most this length.
    AtMost(i64),
}

impl ArgumentTest {
    /// Whether the arguments pass.
    #[must_use]
    pub fn fits(&self, arguments: &Map<String, Value>) -> bool {
        let found = self.find(arguments);
        match (&self.test, found) {
            (Test::Absent, found) => found.is_none(),
            (_, None) => false,
            (Test::Present, Some(_)) => true,
            (Test::Is(value), Some(found)) => found == value || same_number(found, value),
            (Test::Like(pattern), Some(found)) => found.as_str().is_some_and(|text| is_like(pattern, text)),
            (Test::AtLeast(least), Some(found)) => {
                // What compares with nothing is taken for the most: nobody pays less for an odd argument.
                measure(found).is_none_or(|size| size.at_least(*least))
            }
            (Test::AtMost(most), Some(found)) => measure(found).is_some_and(|size| size.at_most(*most)),
        }
    }

    fn find<'a>(&self, arguments: &'a Map<String, Value>) -> Option<&'a Value> {
        let path = self.pointer.strip_prefix('/')?;
        let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let first = first.replace("~1", "/").replace("~0", "~");
        let value = arguments.get(&first)?;
        rest.map_or(Some(value), |rest| value.pointer(&format!("/{rest}")))
    }
}

/// How large an argument is: whole, or between two whole numbers.
#[derive(Clone, Copy)]
enum Size {
    Whole(i128),
    Float(f64),
}

impl Size {
    fn at_least(self, least: i64) -> bool {
        match self {
            Self::Whole(size) => size >= i128::from(least),
            Self::Float(size) => size >= as_float(least),
        }
    }

    fn at_most(self, most: i64) -> bool {
        match self {
            Self::Whole(size) => size <= i128::from(most),
            Self::Float(size) => size <= as_float(most),
        }
    }
}

fn measure(value: &Value) -> Option<Size> {
    let length = |length: usize| i128::try_from(length).ok().map(Size::Whole);
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Some(Size::Whole(whole.into())),
            (None, Some(whole)) => Some(Size::Whole(whole.into())),
            _ => number.as_f64().map(Size::Float),
        },
        // A number in quotes is measured as the number: what runs the tool may read it so.
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Some(Size::Float(number)),
            _ => length(text.chars().count()),
        },
        Value::Array(items) => length(items.len()),
        Value::Object(members) => length(members.len()),
        Value::Null | Value::Bool(_) => None,
    }
}

#[allow(clippy::cast_precision_loss, reason = "bounds of prices are small; this is no money")]
fn as_float(whole: i64) -> f64 {
    whole as f64
}

fn same_number(one: &Value, other: &Value) -> bool {
    matches!((one.as_f64(), other.as_f64()), (Some(one), Some(other)) if one.total_cmp(&other).is_eq())
}

/// Greedy match with one point of return: linear for one star, never exponential.
fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            p = after_star;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fits(pointer: &str, test: Test, arguments: &Value) -> bool {
        ArgumentTest { pointer: pointer.into(), test }.fits(arguments.as_object().unwrap())
    }

    #[test]
    fn each_test_reads_its_place() {
        let arguments =
            json!({"n": 10, "text": "hello world", "list": [1, 2], "deep": {"a/b": {"c": true}}, "q": "12"});
        assert!(fits("/n", Test::AtLeast(10), &arguments) && !fits("/n", Test::AtLeast(11), &arguments));
        assert!(fits("/n", Test::AtMost(10), &arguments) && !fits("/n", Test::AtMost(9), &arguments));
        assert!(fits("/text", Test::AtLeast(11), &arguments) && !fits("/text", Test::AtLeast(12), &arguments));
        assert!(fits("/list", Test::AtMost(2), &arguments));
        assert!(fits("/text", Test::Like("hello*".into()), &arguments));
        assert!(!fits("/text", Test::Like("hello".into()), &arguments));
        assert!(fits("/deep/a~1b/c", Test::Is(json!(true)), &arguments));
        assert!(fits("/n", Test::Is(json!(10.0)), &arguments));
        assert!(fits("/q", Test::AtLeast(12), &arguments), "a number in quotes is a number");
        assert!(fits("/none", Test::Absent, &arguments) && !fits("/n", Test::Absent, &arguments));
        assert!(fits("/n", Test::Present, &arguments) && !fits("/none", Test::Present, &arguments));
        assert!(!fits("/none", Test::AtMost(5), &arguments));
    }

    #[test]
    fn an_odd_argument_never_costs_less() {
        assert!(fits("/n", Test::AtLeast(10), &json!({"n": null})));
        assert!(!fits("/n", Test::AtMost(10), &json!({"n": true})));
    }

    proptest! {
        #[test]
        fn no_argument_makes_a_test_panic(pointer in "[/~a-c01]{0,8}", pattern in "[ab*]{0,6}", text in "[ab]{0,12}") {
            let arguments = json!({"a": {"b": [text.clone(), 1]}, "b": text});
            for test in [Test::Present, Test::Like(pattern.clone()), Test::AtLeast(3), Test::AtMost(3)] {
                let _ = fits(&pointer, test, &arguments);
            }
        }
    }
}
