//! Sells an existing server as it is: priced calls go through the till, lists get prices, the rest passes.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::hook::{Call, Hook, Lost};
use super::message::{Id, Message};
use crate::kind::Kind;
use crate::seller::{self, Answer, Running, Step, ToolSeller};
use crate::wire::names::{META, PAYMENT};
use crate::wire::unambiguous;

/// Stands before a server and takes money for it.
#[derive(Clone)]
pub struct SellHook {
    seller: ToolSeller,
}

impl SellHook {
    /// Sells by the list of `seller`.
    pub fn new(seller: ToolSeller) -> Self {
        Self { seller }
    }

    async fn list(&self, kind: Kind, call: &Call) -> Result<Message, Lost> {
        let answer = call.forward().await?;
        let Some(mut result) = answer.result_fields() else { return Ok(answer) };
        let listed =
            result.get(kind.listed()).and_then(|raw| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok());
        let Some(mut listed) = listed else { return Ok(answer) };
        for thing in &mut listed {
            self.with_price(kind, thing);
        }
        let listed = serde_json::value::to_raw_value(&listed).expect("a list of JSON is JSON");
        result.set(kind.listed(), listed);
        Ok(answer.with("result", result.into_raw()))
    }

    /// Only the members that the price changes are written anew.
    fn with_price(&self, kind: Kind, thing: &mut Box<RawValue>) {
        let Ok(before) = serde_json::from_str::<Map<String, Value>>(thing.get()) else { return };
        let mut list = Map::from_iter([(kind.listed().to_owned(), Value::Array(vec![Value::Object(before.clone())]))]);
        self.seller.annotate_list(kind, &mut list);
        let after = list.get(kind.listed()).and_then(|list| list.get(0)).and_then(Value::as_object);
        let (Some(after), Ok(mut fields)) = (after.filter(|after| **after != before), Fields::read(thing.get())) else {
            return;
        };
        for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(*value)) {
            fields.set(name, raw(value));
        }
        *thing = fields.into_raw();
    }

    async fn sell(&self, call: Call) -> Result<Message, Lost> {
        let id = call.id().clone();
        let method = call.request().method().unwrap_or_default().to_owned();
        // What is sold is forwarded as it came: no other reader may find another name or other arguments in it.
        let params = call.request().fields().get("params").and_then(|raw| unambiguous(raw.get()));
        let Some(Value::Object(params)) = params else {
            return Ok(unreadable(&id));
        };
        let Some(asked) = seller::Call::of_request(&method, &params, Some(call.headers())) else {
            return Ok(unreadable(&id));
        };
        match self.seller.admit(&asked).await {
            Step::Pass => call.forward().await,
            Step::Answer(answer) => Ok(message(&id, answer)),
            Step::Run(running) => run(*running, call, &id).await,
        }
    }
}

#[async_trait]
impl Hook for SellHook {
    fn takes(&self, request: &Message) -> bool {
        let method = request.method().unwrap_or_default();
        Kind::of_method(method).is_some() || Kind::of_list(method).is_some()
    }

    async fn handle(&self, call: Call) -> Result<Message, Lost> {
        match Kind::of_list(call.request().method().unwrap_or_default()) {
            Some(kind) => self.list(kind, &call).await,
            None => self.sell(call).await,
        }
    }
}

/// What the server gave, as bytes and as a value, or that it gave nothing.
#[derive(Default)]
struct Given {
    lost: Option<Lost>,
    answer: Option<(Message, Map<String, Value>)>,
}

async fn run(running: Running, call: Call, id: &Id) -> Result<Message, Lost> {
    let given = Arc::new(Mutex::new(Given::default()));
    let kept = Arc::clone(&given);
    let answered = running.run(async move { ask(&call, &kept).await }).await;
    let Given { lost, answer } = std::mem::take(&mut *given.lock());
    if let Some(lost) = lost {
        return Err(lost);
    }
    Ok(match (answer, &answered) {
        (Some((as_given, before)), Answer::Result(after)) if same_but_meta(&before, after) => {
            with_meta(&as_given, after)
        }
        (Some((as_given, _)), Answer::Error(error))
            if as_given.value("error").as_ref().and_then(Value::as_object) == Some(error) =>
        {
            as_given
        }
        _ => message(id, answered),
    })
}

async fn ask(call: &Call, kept: &Mutex<Given>) -> Answer {
    let answer = match unpaid_params(call.request()) {
        Some(params) => call.forward_with(params).await,
        None => call.forward().await,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(lost) => {
            let told = failed(&lost.to_string());
            kept.lock().lost = Some(lost);
            return told;
        }
    };
    match (answer.value("result"), answer.value("error")) {
        (Some(Value::Object(result)), None) => {
            kept.lock().answer = Some((answer, result.clone()));
            Answer::Result(result)
        }
        (None, Some(Value::Object(error))) => {
            kept.lock().answer = Some((answer, Map::new()));
            Answer::Error(error)
        }
        _ => failed("the server's answer cannot be read, and was not charged"),
    }
}

/// The server gets the call without what paid for it.
fn unpaid_params(request: &Message) -> Option<Box<RawValue>> {
    let mut params = request.params()?;
    let mut meta = params.object(META)?;
    meta.take(PAYMENT)?;
    if meta.is_empty() {
        params.take(META);
    } else {
        params.set(META, meta.into_raw());
    }
    Some(params.into_raw())
}

fn same_but_meta(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    let rest = |map: &Map<String, Value>| map.iter().filter(|(name, _)| *name != META).count();
    rest(before) == rest(after) && before.iter().all(|(name, value)| name == META || after.get(name) == Some(value))
}

fn with_meta(as_given: &Message, after: &Map<String, Value>) -> Message {
    let Some((mut result, meta)) = as_given.result_fields().zip(after.get(META)) else { return as_given.clone() };
    result.set(META, raw(meta));
    as_given.with("result", result.into_raw())
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a value is JSON")
}

fn message(id: &Id, answer: Answer) -> Message {
    match answer {
        Answer::Result(result) => Message::result(id, &Value::Object(result)),
        Answer::Error(error) => Message::error_object(id, &Value::Object(error)),
    }
}

fn failed(why: &str) -> Answer {
    Answer::Error(Map::from_iter([("code".to_owned(), Value::from(-32_000)), ("message".to_owned(), Value::from(why))]))
}

fn unreadable(id: &Id) -> Message {
    Message::error(id, -32_602, "these `params` cannot be read", None)
}
