//! Asking whoever sits before the agent's own client (MCP elicitation), where the client can ask.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::confirm::{Confirm, Decision, Question};
use crate::relay::Call;

const METHOD: &str = "elicitation/create";
const ONCE: &str = "pay once";
const ALWAYS: &str = "pay, and do not ask again for the same";
const DECLINE: &str = "do not pay";

/// The client of one call, and who is asked where it fails.
pub(super) struct Elicit<'a> {
    call: &'a Call,
    otherwise: &'a dyn Confirm,
}

impl<'a> Elicit<'a> {
    /// `None` where nobody has to be asked, or the client cannot ask.
    pub(super) fn of(call: &'a Call, otherwise: Option<&'a dyn Confirm>) -> Option<Self> {
        let otherwise = otherwise?;
        can_ask(call.client().as_ref()?).then_some(Self { call, otherwise })
    }

    pub(super) fn confirm(&self) -> &dyn Confirm {
        self
    }
}

#[async_trait]
impl Confirm for Elicit<'_> {
    async fn confirm(&self, question: Question) -> Decision {
        let params = json!({
            "message": question.to_string(),
            "requestedSchema": {"type": "object", "required": ["decision"], "properties": {"decision":
                {"type": "string", "title": "Payment", "enum": [ONCE, ALWAYS, DECLINE]}}},
        });
        let Ok(answer) = self.call.ask_client(METHOD, &params).await else { return Decision::Decline };
        match answer.value("result") {
            Some(result) => decision(&result),
            // A client that says it can ask and then cannot: somebody else may be there.
            None => self.otherwise.confirm(question).await,
        }
    }
}

/// A client that says nothing of forms asks by forms.
fn can_ask(client: &Value) -> bool {
    match client.pointer("/capabilities/elicitation") {
        Some(Value::Object(ways)) => ways.is_empty() || ways.contains_key("form"),
        _ => false,
    }
}

fn decision(result: &Value) -> Decision {
    let decided = result.pointer("/content/decision").and_then(Value::as_str);
    match (result.get("action").and_then(Value::as_str), decided) {
        (Some("accept"), Some(ONCE)) => Decision::Once,
        (Some("accept"), Some(ALWAYS)) => Decision::Always,
        _ => Decision::Decline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for (result, expected) in [
            (json!({"action": "accept", "content": {"decision": ONCE}}), Decision::Once),
            (json!({"action": "accept", "content": {"decision": ALWAYS}}), Decision::Always),
            (json!({"action": "accept", "content": {"decision": DECLINE}}), Decision::Decline),
            (json!({"action": "accept", "content": {"decision": true}}), Decision::Decline),
            (json!({"action": "accept"}), Decision::Decline),
            (json!({"action": "decline", "content": {"decision": ONCE}}), Decision::Decline),
            (json!({"action": "cancel"}), Decision::Decline),
            (json!(null), Decision::Decline),
        ] {
            assert_eq!(decision(&result), expected, "{result}");
        }
    }

    #[test]
    fn a_client_asks_if_it_says_so() {
        let says = |capabilities: Value| can_ask(&json!({"capabilities": capabilities}));
        assert!(says(json!({"elicitation": {}})) && says(json!({"elicitation": {"form": {}}})));
        assert!(!says(json!({})) && !says(json!({"elicitation": {"url": {}}})) && !says(json!({"elicitation": true})));
    }
}
