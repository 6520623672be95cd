//! The parameters of a request, read one by one.

use alloy_eips::{BlockId, BlockNumberOrTag};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::RpcError;

/// The parameters of a request, by place.
pub(super) struct Params(Vec<Value>);

impl Params {
    /// From the member `params`, which may be absent.
    pub(super) fn new(params: Option<Value>) -> Result<Self, RpcError> {
        match params {
            None | Some(Value::Null) => Ok(Self(Vec::new())),
            Some(Value::Array(params)) => Ok(Self(params)),
            Some(_) => Err(RpcError::params("non-array args")),
        }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, at: usize) -> Result<T, RpcError> {
        self.optional(at)?.ok_or_else(|| RpcError::params(format!("missing value for required argument {at}")))
    }

    pub(super) fn optional<T: DeserializeOwned>(&self, at: usize) -> Result<Option<T>, RpcError> {
        match self.0.get(at) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| RpcError::params(format!("invalid argument {at}: {error}"))),
        }
    }

    /// A block; the newest where none is named.
    pub(super) fn block(&self, at: usize) -> Result<BlockId, RpcError> {
        Ok(self.optional(at)?.unwrap_or(BlockId::Number(BlockNumberOrTag::Latest)))
    }

    /// A count, as a number or in hexadecimal; some clients send one, some the other.
    pub(super) fn count(&self, at: usize) -> Result<u64, RpcError> {
        self.optional_count(at)?.ok_or_else(|| RpcError::params(format!("missing value for required argument {at}")))
    }

    pub(super) fn optional_count(&self, at: usize) -> Result<Option<u64>, RpcError> {
        let wrong = || RpcError::params(format!("invalid argument {at}: not a count"));
        match self.0.get(at) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => number.as_u64().map(Some).ok_or_else(wrong),
            Some(Value::String(text)) => {
                let read =
                    text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16));
                read.map(Some).map_err(|_| wrong())
            }
            Some(_) => Err(wrong()),
        }
    }
}
