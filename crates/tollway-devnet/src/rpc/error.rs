//! Errors as JSON-RPC carries them, with geth's codes and words.

use alloy_primitives::hex;
use serde::Serialize;

use crate::chain::{Failed, LogsRefused, Unfit, revert_reason};

/// The code of an error whose cause lies with what was asked of the chain.
const SERVER: i64 = -32_000;
/// The code of a call that reverted.
const REVERTED: i64 = 3;
/// The code of a query beyond a bound.
const LIMIT: i64 = -32_005;

/// An error.
#[derive(Debug, Serialize)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<String>,
}

impl RpcError {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(super) fn server(message: impl Into<String>) -> Self {
        Self::new(SERVER, message)
    }

    pub(super) fn parse() -> Self {
        Self::new(-32_700, "parse error")
    }

    pub(super) fn request(message: impl Into<String>) -> Self {
        Self::new(-32_600, message)
    }

    pub(super) fn no_method(method: &str) -> Self {
        let name: String = method.chars().take(64).collect();
        Self::new(-32_601, format!("the method {name} does not exist/is not available"))
    }

    pub(super) fn params(message: impl Into<String>) -> Self {
        Self::new(-32_602, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(-32_603, message)
    }
}

impl From<Failed> for RpcError {
    fn from(failed: Failed) -> Self {
        let Failed::Reverted(data) = &failed else { return Self::server(failed.to_string()) };
        let reason = revert_reason(data).map(|reason| format!(": {reason}")).unwrap_or_default();
        Self { code: REVERTED, message: format!("{failed}{reason}"), data: Some(hex::encode_prefixed(data)) }
    }
}

impl From<Unfit> for RpcError {
    fn from(unfit: Unfit) -> Self {
        Self::server(unfit.to_string())
    }
}

impl From<LogsRefused> for RpcError {
    fn from(refused: LogsRefused) -> Self {
        let code = match refused {
            LogsRefused::Blocks | LogsRefused::Logs => LIMIT,
            LogsRefused::Range | LogsRefused::UnknownBlock => SERVER,
        };
        Self::new(code, refused.to_string())
    }
}
