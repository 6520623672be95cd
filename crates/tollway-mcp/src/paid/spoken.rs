//! Results and errors of `rmcp` as the members of a message, and back.

use rmcp::model::{CallToolResponse, ErrorCode, ErrorData, GetPromptResponse, ReadResourceResponse, ServerResult};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A result that a priced call may have.
pub(super) trait Spoken: Sized + Send {
    fn into_members(self) -> Result<Map<String, Value>, ErrorData>;
    fn of_members(members: Map<String, Value>) -> Result<Self, ErrorData>;
}

impl Spoken for CallToolResponse {
    fn into_members(self) -> Result<Map<String, Value>, ErrorData> {
        members(&ServerResult::from(self))
    }

    fn of_members(members: Map<String, Value>) -> Result<Self, ErrorData> {
        match kind(&members) {
            Some("input_required") => read(members).map(Self::InputRequired),
            Some("task") => read(members).map(Self::Task),
            _ => read(members).map(Self::Complete),
        }
    }
}

impl Spoken for ReadResourceResponse {
    fn into_members(self) -> Result<Map<String, Value>, ErrorData> {
        members(&ServerResult::from(self))
    }

    fn of_members(members: Map<String, Value>) -> Result<Self, ErrorData> {
        match kind(&members) {
            Some("input_required") => read(members).map(Self::InputRequired),
            _ => read(members).map(Self::Complete),
        }
    }
}

impl Spoken for GetPromptResponse {
    fn into_members(self) -> Result<Map<String, Value>, ErrorData> {
        members(&ServerResult::from(self))
    }

    fn of_members(members: Map<String, Value>) -> Result<Self, ErrorData> {
        match kind(&members) {
            Some("input_required") => read(members).map(Self::InputRequired),
            _ => read(members).map(Self::Complete),
        }
    }
}

pub(super) fn read<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T, ErrorData> {
    serde_json::from_value(Value::Object(members)).map_err(|error| unspeakable(&error))
}

pub(super) fn error_of(error: &ErrorData) -> Map<String, Value> {
    members(error).unwrap_or_else(|_| Map::from_iter([("code".to_owned(), ErrorCode::INTERNAL_ERROR.0.into())]))
}

pub(super) fn error_to(mut error: Map<String, Value>) -> ErrorData {
    let code = error.get("code").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
    let message = error.get("message").and_then(Value::as_str).unwrap_or("the call failed").to_owned();
    ErrorData::new(code.map_or(ErrorCode::INTERNAL_ERROR, ErrorCode), message, error.remove("data"))
}

fn members<T: serde::Serialize>(spoken: &T) -> Result<Map<String, Value>, ErrorData> {
    match serde_json::to_value(spoken) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ErrorData::internal_error("the result is no object", None)),
        Err(error) => Err(unspeakable(&error)),
    }
}

fn kind(members: &Map<String, Value>) -> Option<&str> {
    members.get("resultType").and_then(Value::as_str)
}

fn unspeakable(error: &serde_json::Error) -> ErrorData {
    tracing::error!(%error, "a result could not be put into words");
    ErrorData::internal_error("the result could not be put into words", None)
}
