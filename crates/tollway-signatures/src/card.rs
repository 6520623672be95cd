//! Signature agent cards (draft-meunier-webbotauth-registry): what an agent says of itself, as JSON
//! under a URL of its own, or as members of its key directory. All of it is a claim.

use serde::{Deserialize, Serialize};
use tollway_protocol::{Reason, Refusal, decode_json};

use crate::agent::AgentUrl;

/// Longest card that is read, in bytes.
pub const MAX_CARD: usize = 64 * 1024;
/// Longest text kept of one member, in bytes.
const TEXT_MAX: usize = 200;
/// Most contacts kept.
const CONTACTS_MAX: usize = 8;

/// What is kept of a card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCard {
    /// Who runs the agent (`client_name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What it reads for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// A page about it (`client_uri`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Its word in robots.txt (`rfc9309-product-token`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Whom to write to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
}

/// The members that are looked at; others are passed over.
#[derive(Deserialize)]
struct Wire {
    client_id: Option<String>,
    client_name: Option<String>,
    client_uri: Option<String>,
    #[serde(default)]
    contacts: Vec<String>,
    jwks_uri: Option<String>,
    purpose: Option<String>,
    #[serde(rename = "rfc9309-product-token")]
    product: Option<String>,
    #[serde(default)]
    web_bot_auth: Option<Bot>,
}

#[derive(Deserialize)]
struct Bot {
    purpose: Option<String>,
    #[serde(rename = "rfc9309-product-token")]
    product: Option<String>,
}

impl AgentCard {
    /// Reads the card of `agent` that stands at `url`.
    ///
    /// # Errors
    /// `directory_too_large`, or `directory_malformed` for what is no card, is another's card, names
    /// keys that are not this agent's, or holds text that is too long or no plain text.
    pub fn parse(json: &[u8], agent: &AgentUrl, url: &str) -> Result<Self, Refusal> {
        if json.len() > MAX_CARD {
            return Err(Refusal::new(Reason::DirectoryTooLarge, "a card is at most 64 KiB"));
        }
        let wire: Wire = decode_json(json, MAX_CARD).map_err(|refusal| malformed(refusal.detail.into_owned()))?;
        if wire.client_id.as_deref().is_some_and(|id| id != url) {
            return Err(malformed("its `client_id` is not its own URL"));
        }
        if wire.jwks_uri.as_deref().is_some_and(|keys| !is_of(agent, keys)) {
            return Err(malformed("its `jwks_uri` is not of this agent"));
        }
        if wire.contacts.len() > CONTACTS_MAX {
            return Err(malformed("it has more than 8 contacts"));
        }
        let bot = wire.web_bot_auth.unwrap_or(Bot { purpose: None, product: None });
        Ok(Self {
            operator: plain(wire.client_name)?,
            purpose: plain(wire.purpose.or(bot.purpose))?,
            about: plain(wire.client_uri)?,
            product: plain(wire.product.or(bot.product))?,
            contacts: wire
                .contacts
                .into_iter()
                .filter_map(|text| plain(Some(text)).transpose())
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether it says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn is_of(agent: &AgentUrl, url: &str) -> bool {
    url.strip_prefix(agent.as_str()).is_some_and(|path| path.starts_with('/'))
}

/// Text for people, who see it in a terminal.
fn plain(text: Option<String>) -> Result<Option<String>, Refusal> {
    match text {
        Some(text) if text.len() > TEXT_MAX || text.chars().any(char::is_control) => {
            Err(malformed("a text of it is longer than 200 bytes, or no plain text"))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::DirectoryMalformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::AgentPolicy;
    use proptest::prelude::*;

    fn agent() -> AgentUrl {
        AgentUrl::parse("https://crawler.example", AgentPolicy::default()).unwrap()
    }

    fn read(json: &str) -> Result<AgentCard, Reason> {
        AgentCard::parse(json.as_bytes(), &agent(), "https://crawler.example/card.json")
            .map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_card_says_who_what_for_and_whom_to_write_to() {
        let card = read(
            r#"{"client_id":"https://crawler.example/card.json","client_name":"Example","contacts":["mailto:bot@example"],
                "jwks_uri":"https://crawler.example/keys","web_bot_auth":{"purpose":"search","trigger":"crawler"},"x":[1]}"#,
        )
        .unwrap();
        assert_eq!((card.operator.as_deref(), card.purpose.as_deref()), (Some("Example"), Some("search")));
        assert_eq!(card.contacts, ["mailto:bot@example"]);
        assert!(read(r#"{"keys":[]}"#).unwrap().is_empty());
    }

    #[test]
    fn another_s_card_and_odd_text_are_refused() {
        for json in [
            r#"{"client_id":"https://other.example/card.json"}"#,
            r#"{"jwks_uri":"https://crawler.example.evil.example/keys"}"#,
            r#"{"client_name":"a\u001b[2Jb"}"#,
            r#"{"client_name":7}"#,
            r#"{"contacts":["1","2","3","4","5","6","7","8","9"]}"#,
            r#"{"client_name":"a","client_name":"b"}"#,
            "[]",
            "",
        ] {
            assert_eq!(read(json), Err(Reason::DirectoryMalformed), "{json}");
        }
        assert_eq!(read(&format!(r#"{{"client_name":"{}"}}"#, "a".repeat(201))), Err(Reason::DirectoryMalformed));
        assert_eq!(read(&" ".repeat(MAX_CARD + 1)), Err(Reason::DirectoryTooLarge));
    }

    proptest! {
        #[test]
        fn threat_70_any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(AgentCard::parse(&bytes, &agent(), "https://crawler.example/card.json"));
        }
    }
}
