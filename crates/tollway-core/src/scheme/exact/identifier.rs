//! The extension `payment-identifier`: a name the buyer gives its purchase, so that a retry is
//! recognised even when it was signed anew. Same name, same payment: the recorded answer. Same
//! name, another payment: refused, so that nobody pays twice for one purchase.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tollway_protocol::{Reason, Refusal};

/// Name of the extension.
pub const IDENTIFIER: &str = "payment-identifier";
const LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

/// What a rule wishes of identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierWish {
    /// A payment may carry one.
    Optional,
    /// A payment without one is refused.
    Required,
}

/// 16 to 128 letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier(String);

impl Identifier {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn find(extensions: Option<&Map<String, Value>>) -> Result<Option<Self>, Refusal> {
        let Some(extension) = extensions.and_then(|extensions| extensions.get(IDENTIFIER)) else { return Ok(None) };
        // A client that only echoes what it was shown gives no identifier.
        let Some(id) = extension.get("info").and_then(|info| info.get("id")) else { return Ok(None) };
        let fits = |text: &&str| {
            LENGTH.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        let id = id.as_str().filter(fits);
        id.map(|id| Some(Self(id.to_owned()))).ok_or_else(|| {
            Refusal::new(Reason::MalformedPayment, "an identifier is 16 to 128 letters, digits, `_` and `-`")
        })
    }
}

/// The extension's object in a demand.
pub fn identifier_extension(wish: IdentifierWish) -> Value {
    json!({
        "info": {"required": wish == IdentifierWish::Required},
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "required": {"type": "boolean"},
                "id": {"type": "string", "minLength": LENGTH.start(), "maxLength": LENGTH.end(), "pattern": "^[a-zA-Z0-9_-]+$"},
            },
            "required": ["required"],
        },
    })
}

/// Names a purchase where the seller offers to have it named: the same for the same authorization. A name that stands
/// there already stays.
#[must_use]
pub fn name_purchase(mut extensions: Map<String, Value>, nonce: &[u8; 32]) -> Map<String, Value> {
    let info = extensions.get_mut(IDENTIFIER).and_then(|extension| extension.get_mut("info"));
    if let Some(Value::Object(info)) = info {
        let id = format!("pay_{}", URL_SAFE_NO_PAD.encode(&nonce[..24]));
        info.entry("id").or_insert(json!(id));
    }
    extensions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(info: Value) -> Result<Option<String>, Reason> {
        let extensions = Map::from_iter([(IDENTIFIER.to_owned(), json!({"info": info}))]);
        let found = Identifier::find(Some(&extensions)).map_err(|refusal| refusal.reason)?;
        Ok(found.map(|id| id.as_str().to_owned()))
    }

    #[test]
    fn an_identifier_is_read_or_refused() {
        let fine = "pay_0123456789abcdef";
        assert_eq!(found(json!({"required": false, "id": fine})), Ok(Some(fine.to_owned())));
        assert_eq!(found(json!({"required": true})), Ok(None));
        assert_eq!(Identifier::find(None), Ok(None));
        for wrong in [json!("short"), json!(7), json!("a".repeat(129)), json!("sixteen letters!"), json!(null)] {
            assert_eq!(found(json!({"id": wrong})), Err(Reason::MalformedPayment), "{wrong}");
        }
    }
}
