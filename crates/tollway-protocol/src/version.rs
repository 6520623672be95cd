//! The version number inside every x402 v2 message.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use crate::reason::{Reason, Refusal};

const NUMBER: u64 = 2;

/// `x402Version` of a v2 message: the number 2, and nothing else reads as it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Version2;

impl Serialize for Version2 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(NUMBER)
    }
}

impl<'de> Deserialize<'de> for Version2 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            NUMBER => Ok(Self),
            other => Err(D::Error::custom(format_args!("x402Version is {other}, not 2"))),
        }
    }
}

/// Tells a message of another version from a malformed one, before its fields are judged.
pub(crate) fn check(message: &Value) -> Result<(), Refusal> {
    match message.get("x402Version").and_then(Value::as_u64) {
        Some(other) if other != NUMBER => {
            Err(Refusal::new(Reason::UnsupportedVersion, format!("x402Version is {other}, not 2")))
        }
        _ => Ok(()),
    }
}
