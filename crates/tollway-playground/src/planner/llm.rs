//! A language model as planner: any endpoint that speaks the chat completions of OpenAI with tool calls. Its words go to
//! the chat and its calls become wishes; neither reaches the decision to pay, which sees amounts and budgets only.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Toolbox, Wish};

/// Longest answer read, in bytes.
const ANSWER_MAX: usize = 256 << 10;
/// Most calls taken of one answer.
const CALLS_MAX: usize = 8;
/// Most messages that a conversation keeps.
const MESSAGES_MAX: usize = 40;
/// Longest text kept of a tool's answer, in characters.
const RESULT_MAX: usize = 4_000;

/// Where the model is.
#[derive(Clone)]
pub struct LlmOptions {
    /// Base URL, such as `http://127.0.0.1:11434/v1`; `chat/completions` is added.
    pub url: Url,
    /// The model's name.
    pub model: String,
    /// Sent as a bearer token, never shown.
    pub key: Option<String>,
    /// How long one answer may take.
    pub wait: Duration,
}

/// A model with a conversation.
pub struct Llm {
    client: reqwest::Client,
    options: LlmOptions,
    messages: Vec<Value>,
}

/// Why the model said nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// It cannot be asked.
    #[error("the language model cannot be asked: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// It answered with an error.
    #[error("the language model answers {0}")]
    Status(u16),
    /// Its answer is too long or is no chat completion.
    #[error("the language model's answer cannot be read: {0}")]
    Unreadable(&'static str),
}

/// What the model wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// It has said all.
    Say(String),
    /// Tools are to be called: the call's id, and the wish, or the name of a tool that is none.
    Call(Vec<(String, Result<Wish, String>)>),
}

impl Llm {
    /// A new conversation.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(options: LlmOptions) -> Result<Self, LlmError> {
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(options.wait).build()?;
        let system = "You are an agent in a playground of paid resources. Use the tools; each payment is confirmed by \
                      the person, not by you. Be brief.";
        Ok(Self { client, options, messages: vec![json!({"role": "system", "content": system})] })
    }

    /// A person says something.
    pub fn hear(&mut self, text: &str) {
        self.add(json!({"role": "user", "content": text}));
    }

    /// A tool was called.
    pub fn result(&mut self, call: &str, text: &str) {
        let text: String = text.chars().take(RESULT_MAX).collect();
        self.add(json!({"role": "tool", "tool_call_id": call, "content": text}));
    }

    /// Asks what is next.
    ///
    /// # Errors
    /// [`LlmError`].
    pub async fn next(&mut self, toolbox: &Toolbox) -> Result<Next, LlmError> {
        let body = json!({"model": self.options.model, "messages": self.messages, "tools": toolbox.to_json()});
        let mut url = self.options.url.clone();
        let path = format!("{}/chat/completions", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let mut asking = self.client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string());
        if let Some(key) = &self.options.key {
            asking = asking.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let mut answer = asking.send().await?;
        if !answer.status().is_success() {
            return Err(LlmError::Status(answer.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if bytes.len() + chunk.len() > ANSWER_MAX {
                return Err(LlmError::Unreadable("it is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&bytes).map_err(|_| LlmError::Unreadable("it is no JSON"))?;
        let message = answer.pointer("/choices/0/message").filter(|message| message.is_object());
        let message = message.ok_or(LlmError::Unreadable("it has no message"))?;
        let next = read(message, toolbox);
        self.add(kept(message, &next));
        Ok(next)
    }

    fn add(&mut self, message: Value) {
        self.messages.push(message);
        // The first message says what this is about; after it the oldest goes, and with it the answers to its calls.
        while self.messages.len() > MESSAGES_MAX {
            self.messages.remove(1);
            while self.messages.get(1).is_some_and(|message| message["role"] == "tool") {
                self.messages.remove(1);
            }
        }
    }
}

/// What a message says.
fn read(message: &Value, toolbox: &Toolbox) -> Next {
    let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    if calls.is_empty() {
        return Next::Say(message["content"].as_str().unwrap_or_default().to_owned());
    }
    let read = |call: &Value| {
        let id = call["id"].as_str().unwrap_or_default().to_owned();
        let name = call.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
        let arguments = call.pointer("/function/arguments").and_then(Value::as_str).unwrap_or("{}");
        let arguments: Map<String, Value> = serde_json::from_str(arguments).unwrap_or_default();
        (id, toolbox.wish(name, &arguments).ok_or_else(|| name.chars().take(60).collect()))
    };
    Next::Call(calls.iter().take(CALLS_MAX).map(read).collect())
}

/// The message as it is sent back: no more calls than were taken.
fn kept(message: &Value, next: &Next) -> Value {
    match next {
        Next::Say(text) => json!({"role": "assistant", "content": text}),
        Next::Call(calls) => {
            let all = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
            json!({"role": "assistant", "content": message["content"], "tool_calls": &all[..calls.len()]})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolbox() -> Toolbox {
        Toolbox::new(&[])
    }

    #[test]
    fn calls_and_words_are_read_and_bounded() {
        let call = |name: &str, arguments: &str| json!({"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}});
        let said = read(&json!({"content": "hello"}), &toolbox());
        assert_eq!(said, Next::Say("hello".into()));
        let message = json!({"tool_calls": [call("buy_cheaper_map", "{}"), call("steal", "{}"), call("read_article", "no json")]});
        let Next::Call(calls) = read(&message, &toolbox()) else { panic!("calls") };
        assert_eq!(calls[0].1, Ok(Wish::Compare));
        assert_eq!(calls[1].1, Err("steal".into()));
        assert_eq!(calls[2].1, Ok(Wish::Read(String::new())));
        let many = json!({"tool_calls": vec![call("list_prices", "{}"); 100]});
        let Next::Call(calls) = read(&many, &toolbox()) else { panic!("calls") };
        assert_eq!(calls.len(), CALLS_MAX);
    }

    #[test]
    fn a_conversation_forgets_its_oldest_part() {
        let options = LlmOptions {
            url: "http://127.0.0.1:1/v1".parse().unwrap(),
            model: "m".into(),
            key: None,
            wait: Duration::from_secs(1),
        };
        let mut llm = Llm::new(options).unwrap();
        for number in 0..200 {
            llm.hear(&number.to_string());
            llm.result("c", "done");
        }
        assert!(llm.messages.len() <= MESSAGES_MAX);
        assert_eq!(llm.messages[0]["role"], "system");
        assert_eq!(llm.messages[1]["role"], "user", "no answer without its call");
    }
}
