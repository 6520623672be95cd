//! The agent and the tools of the MCP server: it asks what there is, calls, and where a call costs money asks a person.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value, json};
use tollway_core::buyer::exact::{Choice, PurseLine, Signed, SigningOrder, Wallet as _, choose};
use tollway_http::payer::Outgoing;
use tollway_http::payer::exact::PurseFile;
use tollway_ledger::Fingerprint;
use tollway_mcp::Kind as Called;
use tollway_mcp::wire::{Demand, Payment, demand_in_error, demand_in_result, read_receipt, write_payment};
use tollway_protocol::{Amount, PaymentPayload, SettleResponse};
use tollway_signatures::digest;
use url::Url;

use super::{Agent, AgentError, BODY_MAX, Decision, Done, Id, Question, Spent};
use crate::gathered;
use crate::money::dollars;
use crate::stage::MCP_PATH;
use crate::trace::{Kind, Part, Scheme, curl, typed_data};

/// Tools that are remembered of a server.
const TOOLS_MAX: usize = 64;
/// How often the same signed message is sent at most.
const TRIES: usize = 3;

/// A tool that a server offers.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundTool {
    /// Its name.
    pub name: String,
    /// The server's words for it; nothing decides by them.
    pub description: String,
    /// The schema of its arguments.
    pub schema: Value,
}

/// What the server said to a message.
enum Said {
    Result(Map<String, Value>),
    Error(Map<String, Value>),
}

impl Agent {
    /// Asks the MCP server which tools there are, and remembers them.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn discover(&self) -> Result<(), AgentError> {
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "playground", "version": "1"}});
        self.rpc("initialize", members(hello), Kind::Tool, Scheme::Free).await?;
        let Said::Result(listed) = self.rpc("tools/list", Map::new(), Kind::Tool, Scheme::Free).await? else {
            return Err(AgentError::NotFound("the server lists no tools".to_owned()));
        };
        let tools = listed.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let found = tools.iter().take(TOOLS_MAX).filter_map(|tool| {
            let text = |key: &str| tool.get(key).and_then(Value::as_str).map(str::to_owned);
            let schema = tool.get("inputSchema").cloned().unwrap_or_else(|| json!({"type": "object"}));
            Some(FoundTool { name: text("name")?, description: text("description").unwrap_or_default(), schema })
        });
        *self.tools.write() = found.collect();
        Ok(())
    }

    /// The tools that were found.
    pub fn found_tools(&self) -> Vec<FoundTool> {
        self.tools.read().clone()
    }

    /// Calls a tool, and pays where it costs money and the tab says yes.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn call_tool(
        self: &Arc<Self>,
        tab: Id,
        name: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Done, AgentError> {
        if self.tools.read().iter().all(|tool| tool.name != name) {
            return Err(AgentError::NotFound(format!("no server offers the tool `{name}`")));
        }
        let params = members(json!({"name": name, "arguments": arguments}));
        let said = self.rpc("tools/call", params.clone(), Kind::Tool, Scheme::Free).await?;
        match demand(&said)? {
            None => Ok(Done { text: format!("{name}: {}", words(&said)?), cost: Amount::ZERO }),
            Some(demand) => self.pay_tool(tab, name, params, &demand).await,
        }
    }

    async fn pay_tool(
        &self,
        tab: Id,
        name: &str,
        mut params: Map<String, Value>,
        demand: &Demand,
    ) -> Result<Done, AgentError> {
        let (wallet, ceilings) = (self.wallet(), self.ceilings());
        let choice = choose(&demand.accepts, &wallet, &ceilings)?;
        let held = self.budget.hold(choice.price)?;
        let resource = Called::Tool.url(name);
        let decision = self.ask(tab, self.tool_question(&resource, &choice)).await;
        if decision != Decision::Confirmed && decision != Decision::Automatic {
            held.give_back();
            return Err(AgentError::NotConfirmed(decision));
        }
        let nonce = crate::random();
        let now = self.now();
        let (requirements, extensions) = (&choice.requirements, demand.extensions.as_ref());
        let order = SigningOrder { requirements, extensions, version: 2, now, nonce };
        let signed = wallet.sign(order).await?;
        let mut payment = PaymentPayload::new(requirements.clone(), signed.payload);
        payment.resource = Some(demand.resource.clone());
        payment.extensions = signed.extensions;
        let line = Signed {
            at: now,
            payment: signed.id,
            purchase: Fingerprint::of("tools/call", &resource, &digest::make(&nonce)),
            host: self.stage.tools.origin.clone(),
            method: "tools/call".to_owned(),
            url: resource.clone(),
            network: requirements.network.clone(),
            asset: requirements.asset.clone(),
            amount: requirements.amount,
            price: choice.price,
            pay_to: requirements.pay_to.clone(),
            payer: wallet.payer(),
            expires: signed.expires,
            version: 2,
            header: payment.encode(),
            commitment: None,
        };
        // Written down before it is sent: a payment that may be used is never forgotten.
        let purse = PurseFile::open(&self.stage.file("purse.jsonl"))?;
        purse.commit(&ceilings, line, now)?;
        if let Some(base) = typed_data(&payment) {
            self.timeline.add(Kind::Base, Scheme::Exact, format!("signed: {name}"), vec![base]);
        }
        write_payment(&mut params, &Payment::V2(Box::new(payment)), demand.form);
        let held = held.promise();
        let said = self.deliver(&params).await?;
        let receipt = match &said {
            Said::Result(result) => read_receipt(result)?,
            Said::Error(_) => None,
        };
        let Some(SettleResponse::Settled(settled)) = receipt else {
            return Err(AgentError::NotFound(format!("{name} was not sold: {}", words(&said)?)));
        };
        held.spend();
        let transaction = settled.transaction;
        purse.record(PurseLine::Settled { at: self.now(), payment: signed.id, transaction: transaction.clone() })?;
        self.spent.add(Spent {
            at: now,
            resource,
            seller: self.stage.tools.name.to_owned(),
            amount: choice.price,
            scheme: Scheme::Exact,
            reference: transaction,
        });
        Ok(Done { text: format!("{name}: {}\nPaid {}.", words(&said)?, dollars(choice.price)), cost: choice.price })
    }

    fn tool_question(&self, resource: &str, choice: &Choice) -> Question {
        Question {
            resource: resource.to_owned(),
            seller: self.stage.tools.name.to_owned(),
            amount: choice.price,
            each: None,
            scheme: Scheme::Exact,
            network: choice.requirements.network.to_string(),
            pay_to: choice.requirements.pay_to.clone(),
            budget_left: self.left(),
        }
    }

    /// Sends a paid call; where no answer comes, the same message again.
    async fn deliver(&self, params: &Map<String, Value>) -> Result<Said, AgentError> {
        let mut last = AgentError::NotFound("nothing was sent".to_owned());
        for _ in 0..TRIES {
            match self.rpc("tools/call", params.clone(), Kind::Payment, Scheme::Exact).await {
                Ok(said) => return Ok(said),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// One message and its answer, both in the timeline.
    async fn rpc(
        &self,
        method: &str,
        params: Map<String, Value>,
        kind: Kind,
        scheme: Scheme,
    ) -> Result<Said, AgentError> {
        let what =
            params.get("name").and_then(Value::as_str).map_or(method.to_owned(), |name| format!("{method} {name}"));
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let url = Url::parse(&format!("{}{MCP_PATH}", self.stage.tools.origin));
        let url = url.map_err(|error| AgentError::NotFound(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let sent = Outgoing { method: Method::POST, url, headers, body: Bytes::from(message.to_string()) };
        let part = Part::new("JSON-RPC request", pretty(&message));
        self.timeline.add_with(kind, scheme, format!("→ {what}"), vec![part], Some(curl(&sent)));
        let unanswered =
            |error: tollway_http::body::BoxError| AgentError::NotFound(format!("the tools do not answer: {error}"));
        let answer = self.client.send(sent).await.map_err(unanswered)?;
        let body = gathered(answer.into_body(), BODY_MAX).await.map_err(unanswered)?;
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|_| AgentError::NotFound("the tools' answer is no JSON-RPC".to_owned()))?;
        let member = |key: &str| answer.get(key).and_then(Value::as_object).cloned();
        let said = match (member("result"), member("error")) {
            (Some(result), None) => Said::Result(result),
            (_, error) => Said::Error(error.unwrap_or_default()),
        };
        self.answered(&what, &said, &answer, scheme);
        Ok(said)
    }

    fn answered(&self, what: &str, said: &Said, answer: &Value, scheme: Scheme) {
        let paid = matches!(said, Said::Result(result) if matches!(read_receipt(result), Ok(Some(_))));
        let asks = matches!(demand(said), Ok(Some(_)));
        let (kind, scheme) = match (paid, asks) {
            (true, _) => (Kind::Receipt, Scheme::Exact),
            (false, true) => (Kind::Demand, Scheme::Exact),
            (false, false) => (Kind::Tool, scheme),
        };
        self.timeline.add(kind, scheme, format!("← {what}"), vec![Part::new("JSON-RPC answer", pretty(answer))]);
    }
}

fn demand(said: &Said) -> Result<Option<Demand>, AgentError> {
    Ok(match said {
        Said::Result(result) => demand_in_result(result)?,
        Said::Error(error) => demand_in_error(error)?,
    })
}

/// The text of a result; an error's words as an error.
fn words(said: &Said) -> Result<String, AgentError> {
    match said {
        Said::Result(result) => {
            let texts = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let texts: Vec<&str> = texts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            Ok(texts.join("\n"))
        }
        Said::Error(error) => {
            let message = error.get("message").and_then(Value::as_str).unwrap_or("no reason given");
            Err(AgentError::NotFound(format!("the tool says: {message}")))
        }
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
