//! The payer in a relay: calls are paid, lists tell prices, everything else passes.

mod elicit;
mod link;
mod own;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::payer::{ToolPayer, ToolQuote};
use super::server::CallAnswer;
use crate::kind::Kind;
use crate::relay::{Call, Hook, Id, Lost, Message};
use elicit::Elicit;
use link::Link;
use own::{Own, OwnTools};

/// Where a report of spending comes from: by `server`, `tool`, `day` or `scheme`.
pub trait Report: Send + Sync {
    /// The report, as JSON.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn report(&self, by: &str) -> Result<Value, String>;
}

/// Stands between an agent and a server, and pays for the agent's calls.
pub struct PayHook {
    payer: ToolPayer,
    own: OwnTools,
    report: Arc<dyn Report>,
}

impl PayHook {
    /// Pays with `payer`, and tells what was spent by `report`.
    #[must_use]
    pub fn new(payer: ToolPayer, report: Arc<dyn Report>) -> Self {
        Self { payer, own: OwnTools::default(), report }
    }

    async fn call(&self, call: Call) -> Result<Message, Lost> {
        let method = call.request().method().unwrap_or_default().to_owned();
        // What cannot be read is the server's to refuse; what is asked for it then is not paid.
        let Some(Value::Object(params)) = call.request().value("params") else { return call.forward().await };
        if let Some(own) = self.own_tool(&method, &params) {
            return Ok(Message::result(call.id(), &self.answer(own, &params, &call).await));
        }
        let link = Link::new(&call, &params);
        let elicit = Elicit::of(&call, self.payer.parts().consent.confirm.as_deref());
        let answered = self.payer.call_asking(&method, &params, &link, elicit.as_ref().map(Elicit::confirm)).await;
        match answered {
            // What came as it is goes on as it is, byte for byte.
            Ok(answered) => Ok(link.as_given(&answered.answer).unwrap_or_else(|| message(call.id(), answered.answer))),
            Err(_) => Err(link.lost()),
        }
    }

    fn own_tool(&self, method: &str, params: &Map<String, Value>) -> Option<Own> {
        if method != Kind::Tool.method() {
            return None;
        }
        self.own.find(params.get("name")?.as_str()?)
    }

    async fn answer(&self, own: Own, params: &Map<String, Value>, call: &Call) -> Value {
        let empty = Map::new();
        let arguments = params.get("arguments").and_then(Value::as_object).unwrap_or(&empty);
        let told = match own {
            Own::WalletStatus => self.status().await,
            Own::SpendingReport => {
                let by = arguments.get("by").and_then(Value::as_str).unwrap_or("server");
                self.report.report(by)
            }
            Own::Quote => self.quote(arguments, call).await,
        };
        match told {
            Ok(value) => json!({"content": [{"type": "text", "text": value.to_string()}], "structuredContent": value}),
            Err(words) => json!({"content": [{"type": "text", "text": words}], "isError": true}),
        }
    }

    async fn status(&self) -> Result<Value, String> {
        let parts = self.payer.parts();
        let spending = self.payer.spending().await.map_err(|refusal| refusal.to_string())?;
        let ceilings = &parts.ceilings;
        Ok(json!({
            "unit": "micro-dollars",
            "server": parts.server,
            "wallet": parts.means.wallet.as_ref().map(|wallet| wallet.payer()),
            "agent": parts.means.promiser.as_ref().map(|promiser| promiser.agent().to_owned()),
            "limits": {"call": ceilings.per_payment, "server_today": ceilings.per_host, "today": ceilings.per_day,
                "session": spending.session.total, "unasked": parts.consent.unasked},
            "session": spending.session,
            "today": spending.today,
            "server_today": spending.server_today,
        }))
    }

    /// Only what is listed as paid is asked for its price: a free tool would be run.
    async fn quote(&self, arguments: &Map<String, Value>, call: &Call) -> Result<Value, String> {
        let tool = arguments.get("tool").and_then(Value::as_str).ok_or("`tool` is the name of a tool")?;
        match self.payer.is_listed_as_paid(tool) {
            None => return Err(format!("the server lists no tool `{}`", super::confirm::shown(tool))),
            Some(false) => return Ok(json!({"tool": tool, "free": true, "note": "it is not listed as a paid tool"})),
            Some(true) => {}
        }
        let mut params = Map::from_iter([("name".to_owned(), Value::from(tool))]);
        if let Some(given) = arguments.get("arguments") {
            params.insert("arguments".to_owned(), given.clone());
        }
        let quoted = self.payer.quote(Kind::Tool.method(), &params, &Link::beside(call)).await;
        match quoted.map_err(|lost| lost.to_string())? {
            ToolQuote::Free(_) => {
                Ok(json!({"tool": tool, "free": true, "note": "it was run: nothing was asked for it"}))
            }
            ToolQuote::Refused(refusal) => Err(format!("it would not be paid: {refusal}")),
            ToolQuote::Priced(question) => Ok(json!({"free": false, "quote": *question})),
        }
    }

    async fn list(&self, call: &Call) -> Result<Message, Lost> {
        let answer = call.forward().await?;
        let Some(mut fields) = answer.result_fields() else { return Ok(answer) };
        let listed =
            fields.get(Kind::Tool.listed()).and_then(|raw| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok());
        let Some(mut tools) = listed else { return Ok(answer) };
        for tool in &mut tools {
            self.priced(tool);
        }
        // Ours come last, when every name of the server's is known.
        if fields.get("nextCursor").is_none_or(|cursor| cursor.get() == "null") {
            tools.extend(self.own.list(|name| self.payer.is_listed_as_paid(name).is_some()).iter().map(raw));
        }
        fields.set(Kind::Tool.listed(), serde_json::value::to_raw_value(&tools).expect("JSON in a list is JSON"));
        Ok(answer.with("result", fields.into_raw()))
    }

    /// A free tool keeps its bytes.
    fn priced(&self, tool: &mut Box<RawValue>) {
        let Ok(before) = serde_json::from_str::<Value>(tool.get()) else { return };
        let mut result = Map::from_iter([(Kind::Tool.listed().to_owned(), json!([before]))]);
        self.payer.list(&mut result);
        let after = &result[Kind::Tool.listed()][0];
        if *after == before {
            return;
        }
        let Ok(mut fields) = crate::relay::Fields::read(tool.get()) else { return };
        if let Some(description) = after.get("description") {
            fields.set("description", raw(description));
            *tool = fields.into_raw();
        }
    }
}

#[async_trait]
impl Hook for PayHook {
    fn takes(&self, request: &Message) -> bool {
        let method = request.method().unwrap_or_default();
        Kind::of_method(method).is_some() || Kind::of_list(method) == Some(Kind::Tool)
    }

    async fn handle(&self, call: Call) -> Result<Message, Lost> {
        match Kind::of_list(call.request().method().unwrap_or_default()) {
            Some(_) => self.list(&call).await,
            None => self.call(call).await,
        }
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a value is JSON")
}

fn message(id: &Id, answer: CallAnswer) -> Message {
    match answer {
        CallAnswer::Result(result) => Message::result(id, &result),
        CallAnswer::Error(error) => Message::error_object(id, &error),
    }
}
