//! One JSON-RPC message of MCP (base protocol, "Messages"): read only as far as a relay has to, its bytes kept.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::{Fields, quoted};

/// Longest text of an id or a method name.
const NAME_MAX: usize = 1_024;
/// Messages in one batch (revision 2025-03-26), at most.
const BATCH_MAX: usize = 128;

/// What names a request among those of its sender.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A number, as it was written.
    Number(String),
    /// A text.
    Text(String),
    /// What an answer names that could not read the request.
    Null,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Asks for an answer.
    Request {
        /// Its name.
        id: Id,
        /// What is asked.
        method: String,
    },
    /// Wants no answer.
    Notification {
        /// What is told.
        method: String,
    },
    /// Answers a request.
    Response {
        /// The request's name.
        id: Id,
    },
}

/// A message and the bytes it came in.
#[derive(Debug, Clone)]
pub struct Message {
    raw: Arc<str>,
    kind: Kind,
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No JSON text.
    #[error("not JSON: {0}")]
    Json(String),
    /// JSON, but no message of JSON-RPC 2.0.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Shape(&'static str),
}

impl Unreadable {
    /// The code that JSON-RPC has for it.
    pub fn code(&self) -> i64 {
        match self {
            Self::Json(_) => -32_700,
            Self::Shape(_) => -32_600,
        }
    }

    /// The answer to what could not be read.
    pub fn answer(&self) -> Message {
        Message::error(&Id::Null, self.code(), &self.to_string(), None)
    }
}

impl Id {
    fn read(raw: &RawValue) -> Result<Self, Unreadable> {
        let text = raw.get();
        if text.len() > NAME_MAX {
            return Err(Unreadable::Shape("an `id` is too long"));
        }
        match text.as_bytes().first() {
            Some(b'"') => {
                serde_json::from_str(text).map(Self::Text).map_err(|error| Unreadable::Json(error.to_string()))
            }
            Some(b'-' | b'0'..=b'9') => Ok(Self::Number(text.to_owned())),
            Some(b'n') => Ok(Self::Null),
            _ => Err(Unreadable::Shape("an `id` is a text or a number")),
        }
    }

    /// As a value.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.json()).unwrap_or_default()
    }

    /// As JSON writes it.
    pub fn json(&self) -> String {
        match self {
            Self::Number(text) => text.clone(),
            Self::Text(text) => quoted(text),
            Self::Null => "null".to_owned(),
        }
    }
}

impl Message {
    /// Reads one message, or the several of a batch.
    ///
    /// # Errors
    /// What is no JSON, or no message of JSON-RPC 2.0.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Unreadable> {
        let text = text(bytes)?;
        if !text.trim_start().starts_with('[') {
            return Self::read_text(text).map(|message| vec![message]);
        }
        let batch: Vec<Box<RawValue>> =
            serde_json::from_str(text).map_err(|error| Unreadable::Json(error.to_string()))?;
        if batch.is_empty() || batch.len() > BATCH_MAX {
            return Err(Unreadable::Shape("a batch has 1 to 128 messages"));
        }
        batch.iter().map(|raw| Self::read_text(raw.get())).collect()
    }

    /// Reads one message.
    ///
    /// # Errors
    /// What is no JSON, or no message of JSON-RPC 2.0.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        Self::read_text(text(bytes)?)
    }

    fn read_text(text: &str) -> Result<Self, Unreadable> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if !text.starts_with('{') {
            // What is JSON, but no object, is told apart from what is no JSON.
            let other = serde_json::from_str::<&RawValue>(text);
            return Err(other.map_or_else(
                |error| Unreadable::Json(error.to_string()),
                |_| Unreadable::Shape("a message is an object"),
            ));
        }
        let fields = Fields::read(text).map_err(|error| Unreadable::Json(error.to_string()))?;
        let kind = kind(&fields)?;
        // A line break in JSON is only ever space between its words, and ends a frame on some transports.
        let raw = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text.into() };
        Ok(Self { raw, kind })
    }

    /// A request of one's own.
    pub fn request(id: &Id, method: &str, params: &Value) -> Self {
        let raw = format!(r#"{{"jsonrpc":"2.0","id":{},"method":{},"params":{params}}}"#, id.json(), quoted(method));
        Self { raw: raw.into(), kind: Kind::Request { id: id.clone(), method: method.to_owned() } }
    }

    /// A notification of one's own.
    pub fn notification(method: &str, params: &Value) -> Self {
        let raw = format!(r#"{{"jsonrpc":"2.0","method":{},"params":{params}}}"#, quoted(method));
        Self { raw: raw.into(), kind: Kind::Notification { method: method.to_owned() } }
    }

    /// The answer to a request.
    pub fn result(id: &Id, result: &Value) -> Self {
        let raw = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.json());
        Self { raw: raw.into(), kind: Kind::Response { id: id.clone() } }
    }

    /// The answer to a request that failed.
    pub fn error(id: &Id, code: i64, message: &str, data: Option<&Value>) -> Self {
        let mut error = serde_json::json!({ "code": code, "message": message });
        if let Some(data) = data {
            error["data"] = data.clone();
        }
        Self::error_object(id, &error)
    }

    /// The answer to a request that failed, with the whole of its error.
    pub fn error_object(id: &Id, error: &Value) -> Self {
        let raw = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.json());
        Self { raw: raw.into(), kind: Kind::Response { id: id.clone() } }
    }

    /// What it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Its bytes, without a line break.
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// What is asked or told.
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// The name of the request that it is, or answers.
    pub fn id(&self) -> Option<&Id> {
        match &self.kind {
            Kind::Request { id, .. } | Kind::Response { id } => Some(id),
            Kind::Notification { .. } => None,
        }
    }

    /// Its members.
    pub fn fields(&self) -> Fields {
        Fields::read(&self.raw).expect("it was read as an object before")
    }

    /// `params`, where they are an object.
    pub fn params(&self) -> Option<Fields> {
        self.fields().object("params")
    }

    /// `result`, where it is an object.
    pub fn result_fields(&self) -> Option<Fields> {
        self.fields().object("result")
    }

    /// `params`, `result` or `error` as a value; `None` where there is none or it is nested too deeply to be read.
    pub fn value(&self, member: &str) -> Option<Value> {
        serde_json::from_str(self.fields().get(member)?.get()).ok()
    }

    /// The same with another member (`params`, `result`), everything else as it was.
    #[must_use]
    pub fn with(&self, member: &str, value: Box<RawValue>) -> Self {
        let mut fields = self.fields();
        fields.set(member, value);
        Self { raw: fields.write().into(), kind: self.kind.clone() }
    }

    /// The same answer to a request of another name.
    #[must_use]
    pub fn answering(&self, id: &Id) -> Self {
        let raw = RawValue::from_string(id.json()).expect("an id is JSON");
        Self { raw: self.with("id", raw).raw, kind: Kind::Response { id: id.clone() } }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(bytes).map_err(|error| Unreadable::Json(error.to_string()))
}

fn kind(fields: &Fields) -> Result<Kind, Unreadable> {
    if fields.text("jsonrpc").as_deref() != Some("2.0") {
        return Err(Unreadable::Shape("`jsonrpc` is not \"2.0\""));
    }
    let id = fields.get("id").map(Id::read).transpose()?;
    let Some(method) = fields.get("method") else {
        return match (fields.get("result"), fields.get("error")) {
            (Some(_), Some(_)) => Err(Unreadable::Shape("an answer has a `result` or an `error`")),
            (None, None) => Err(Unreadable::Shape("neither `method`, `result` nor `error`")),
            // An error that could not tell what it answers may have no id at all.
            _ => Ok(Kind::Response { id: id.unwrap_or(Id::Null) }),
        };
    };
    let method: String = serde_json::from_str(method.get()).map_err(|_| Unreadable::Shape("`method` is not a text"))?;
    if method.len() > NAME_MAX {
        return Err(Unreadable::Shape("`method` is too long"));
    }
    match id {
        None => Ok(Kind::Notification { method }),
        Some(Id::Null) => Err(Unreadable::Shape("a request's `id` is not null")),
        Some(id) => Ok(Kind::Request { id, method }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_told_apart_and_keeps_its_bytes() {
        let text = r#"{"method":"x/unknown","extra":{"a":1.50},"id":7.0,"jsonrpc":"2.0","params":[1e400]}"#;
        let message = Message::read(text.as_bytes()).unwrap();
        assert_eq!(*message.kind(), Kind::Request { id: Id::Number("7.0".into()), method: "x/unknown".into() });
        assert_eq!(message.as_str(), text);
        let pretty = Message::read(b"{\n \"jsonrpc\":\"2.0\",\r\n\"method\":\"a\\nb\"}\n").unwrap();
        assert_eq!(pretty.as_str(), "{  \"jsonrpc\":\"2.0\",  \"method\":\"a\\nb\"}");
        assert_eq!(*pretty.kind(), Kind::Notification { method: "a\nb".into() });
    }

    #[test]
    fn what_is_no_message_has_its_reason() {
        let code = |text: &str| Message::read(text.as_bytes()).unwrap_err().code();
        for text in ["", "{", "nonsense", "{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\",\"method\":\"a\"}"] {
            assert_eq!(code(text), -32_700, "{text}");
        }
        let wrong = [
            "3",
            r#"{"jsonrpc":"1.0","method":"a"}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":[1],"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
        ];
        for text in wrong {
            assert_eq!(code(text), -32_600, "{text}");
        }
        assert_eq!(Message::read(&[0xff]).unwrap_err().code(), -32_700);
    }

    #[test]
    fn a_batch_is_its_messages() {
        let batch = br#"[{"jsonrpc":"2.0","method":"a"}, {"jsonrpc":"2.0","id":1,"result":{}}]"#;
        assert_eq!(Message::read_all(batch).unwrap().len(), 2);
        assert_eq!(Message::read_all(b"[]").unwrap_err().code(), -32_600);
    }

    #[test]
    fn an_answer_can_be_given_another_name() {
        let id = Id::Text("a\"b".into());
        let given = Message::read(br#"{"result":{"x":1.0},"jsonrpc":"2.0","id":3}"#).unwrap().answering(&id);
        assert_eq!(given.as_str(), r#"{"result":{"x":1.0},"jsonrpc":"2.0","id":"a\"b"}"#);
        assert_eq!(given.id(), Some(&id));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(messages) = Message::read_all(&bytes) {
                for message in messages {
                    let again = Message::read(message.as_str().as_bytes()).unwrap();
                    prop_assert_eq!(again.kind(), message.kind());
                }
            }
        }

        #[test]
        fn what_is_written_is_read_the_same(id in "\\PC{0,20}", method in "\\PC{1,20}", text in "\\PC{0,40}") {
            let message = Message::request(&Id::Text(id), &method, &serde_json::json!({ "a": text }));
            let read = Message::read(message.as_str().as_bytes()).unwrap();
            prop_assert_eq!(read.kind(), message.kind());
            prop_assert_eq!(read.value("params"), message.value("params"));
        }
    }
}
