//! The vectors under `vectors/signatures`, and the steps that tests share.

use serde_json::Value;
use tollway_signatures::{
    AgentPolicy, AgentRule, AgentUrl, Keys, Message, NonceRule, Policy, PrivateKey, PublicKey, Reason, Refusal,
    SignatureParams, Signer as _, Thumbprint, Verified, base, policy, sign, verify,
};

pub(crate) const CREATED: u64 = 1_735_689_600;

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) base: String,
    pub(crate) json: Value,
}

pub(crate) fn file(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/signatures/");
    serde_json::from_slice(&std::fs::read(format!("{path}{name}")).unwrap()).unwrap()
}

/// T1 to T5 and T7 to T11.
pub(crate) fn rows() -> Vec<Row> {
    let rows = file("requests.json");
    let text = |json: &Value, key: &str| json[key].as_str().unwrap().to_owned();
    rows.as_array()
        .unwrap()
        .iter()
        .map(|json| Row {
            name: text(json, "name"),
            label: text(json, "label"),
            base: text(json, "base"),
            json: json.clone(),
        })
        .collect()
}

/// The rows that carry a tag, an agent key id and a lifetime: all but RFC 9421's own example.
pub(crate) fn agent_rows() -> Vec<Row> {
    rows().into_iter().filter(|row| row.name != "T5").collect()
}

pub(crate) fn row(name: &str) -> Row {
    rows().into_iter().find(|row| row.name == name).unwrap()
}

impl Row {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap()
    }

    pub(crate) fn request(&self) -> Message {
        self.request_to(self.text("authority"), self.text("path_and_query"))
    }

    pub(crate) fn request_to(&self, authority: &str, path: &str) -> Message {
        let start = Message::request(self.text("method"), self.text("scheme"), authority, path);
        self.fields().into_iter().fold(start, |message, (name, value)| message.with(&name, value))
    }

    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.json["fields"].as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    pub(crate) fn input(&self) -> String {
        self.field("signature-input").unwrap()
    }

    pub(crate) fn covers(&self, component: &str) -> bool {
        self.input().contains(&format!("\"{component}\""))
    }

    pub(crate) fn payment_field(&self) -> Option<&'static str> {
        ["payment", "payment-signature", "crawler-exact-price"].into_iter().find(|name| self.covers(name))
    }

    /// No more than what this vector itself promises.
    pub(crate) fn policy(&self) -> Policy {
        let agent = AgentPolicy::default();
        let mut policy = Policy::request(agent);
        policy.required.clear();
        policy.whole_fields = self.payment_field().map(str::to_owned).into_iter().collect();
        policy.max_lifetime = u64::MAX;
        policy.nonce = NonceRule::Optional;
        policy.agent = if self.covers("signature-agent") { AgentRule::Required(agent) } else { AgentRule::None };
        policy.allow_test_keys = true;
        policy
    }

    pub(crate) fn outcome(&self, message: &Message) -> Result<Verified, Reason> {
        self.outcome_at(message, CREATED + 1)
    }

    pub(crate) fn outcome_at(&self, message: &Message, now: u64) -> Result<Verified, Reason> {
        verify(message, &self.policy(), now, &OneKey(test_key().public())).map_err(|refusal| refusal.reason)
    }

    /// This request with another `Signature-Input`, signed anew with the same key.
    pub(crate) fn resigned(&self, message: Message, input: &str) -> Message {
        sign_again(message, &self.label, input, &test_key())
    }
}

/// Replaces both signature fields; the base is what a verifier would rebuild.
pub(crate) fn sign_again(message: Message, label: &str, input: &str, key: &PrivateKey) -> Message {
    let message = message.without("signature-input").without("signature").with("signature-input", input);
    let base = base::received(&message, label).unwrap();
    message.with("signature", format!("{label}={}", byte_sequence(&key.sign(base.as_bytes()))))
}

pub(crate) fn byte_sequence(bytes: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    format!(":{}:", BASE64_STANDARD.encode(bytes))
}

/// The key whose private half RFC 9421 prints.
pub(crate) fn test_key() -> PrivateKey {
    PrivateKey::from_jwk(&file("key.json").to_string()).unwrap()
}

pub(crate) struct OneKey(pub(crate) PublicKey);

impl Keys for OneKey {
    fn key(&self, _: Option<&AgentUrl>, keyid: &Thumbprint) -> Result<PublicKey, Refusal> {
        if keyid == self.0.thumbprint() {
            Ok(self.0.clone())
        } else {
            Err(Refusal::new(Reason::KeyNotFound, keyid.to_string()))
        }
    }
}

pub(crate) fn own_key() -> PrivateKey {
    PrivateKey::from_seed([42; 32])
}

pub(crate) const PAYMENT: &str = r#"scheme="deferred", network="tollway:402", id="offer1""#;

/// A request that keeps the strict profile in full, signed with [`own_key`] at [`CREATED`] for a minute.
pub(crate) fn strict_request() -> Message {
    let message = unsigned_request();
    let signed = sign(&message, "sig1", &strict_components(), &params(), &own_key()).unwrap();
    message.with("signature-input", signed.signature_input).with("signature", signed.signature)
}

pub(crate) fn unsigned_request() -> Message {
    Message::request("POST", "https", "news.example", "/a%20b?page=2")
        .with("signature-agent", r#"sig1="https://crawler.example""#)
        .with("payment", PAYMENT)
        .with("content-digest", tollway_signatures::digest::make(b"body"))
}

pub(crate) fn strict_components() -> Vec<tollway_signatures::Component> {
    let plain = ["@method", "@authority", "@path", "@query", "payment", "content-digest"];
    let agent = tollway_signatures::Component::new("signature-agent").key("sig1");
    plain.map(tollway_signatures::Component::new).into_iter().chain([agent]).collect()
}

pub(crate) fn strict_policy() -> Policy {
    Policy::strict_payment("payment", true, AgentPolicy::default())
}

pub(crate) fn strict_outcome(message: &Message) -> Result<Verified, Reason> {
    verify(message, &strict_policy(), CREATED + 1, &OneKey(own_key().public())).map_err(|refusal| refusal.reason)
}

/// The signed strict request with its `Signature-Input` changed and everything signed anew: the signer itself misbehaves.
pub(crate) fn resigned(change: impl Fn(&str) -> String) -> Result<(), Reason> {
    let params = params();
    let signed = sign(&unsigned_request(), "sig1", &strict_components(), &params, &own_key()).unwrap();
    strict_outcome(&sign_again(unsigned_request(), "sig1", &change(&signed.signature_input), &own_key())).map(|_| ())
}

/// The same without signing anew, for what no base can be built of.
pub(crate) fn changed(change: impl Fn(&str) -> String) -> Result<(), Reason> {
    let signed = sign(&unsigned_request(), "sig1", &strict_components(), &params(), &own_key()).unwrap();
    let message = unsigned_request().with("signature-input", change(&signed.signature_input));
    strict_outcome(&message.with("signature", signed.signature)).map(|_| ())
}

/// The parameters of [`strict_request`].
pub(crate) fn params() -> SignatureParams {
    SignatureParams::new(&own_key(), policy::WEB_BOT_AUTH, CREATED, CREATED + 60).with_nonce("AAECAwQFBgcICQoLDA0ODw==")
}
