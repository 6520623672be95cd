//! What a program in another language may ask our signatures, and what they answer.

use serde::{Deserialize, Serialize};
use tollway_signatures::{
    AgentPolicy, Component, DIRECTORY_PATH, DirectoryPolicy, Message, Policy, PrivateKey, PublicKey, SignatureParams,
    digest, directory, policy, sign, sign_directory, verify_directory,
};
use tollway_signatures::{Reason, Refusal};

/// A message as another program writes it down.
#[derive(Debug, Clone, Deserialize)]
pub struct Asked {
    /// Method of the request, or of the one that is answered.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port.
    pub authority: String,
    /// Path and query.
    pub target: String,
    /// There for a response.
    pub status: Option<u16>,
    /// Field lines in order.
    pub fields: Vec<(String, String)>,
}

/// One question.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// The line of a signature base for one component.
    Line {
        /// Of this message.
        message: Asked,
        /// Its identifier, such as `"priority";sf`.
        component: String,
    },
    /// A request signed as Web Bot Auth, with a nonce.
    Sign {
        /// What.
        message: Asked,
        /// The private key, as JWK.
        key: serde_json::Value,
        /// Component identifiers in order.
        components: Vec<String>,
        /// Label.
        label: String,
        /// Nonce.
        nonce: String,
        /// Seconds since the epoch.
        created: u64,
        /// Seconds since the epoch.
        expires: u64,
    },
    /// Whether a Web Bot Auth request holds.
    Verify {
        /// What.
        message: Asked,
        /// The public key, as JWK.
        key: serde_json::Value,
        /// Components that have to be covered.
        required: Vec<String>,
        /// Seconds since the epoch.
        now: u64,
    },
    /// A key directory, signed.
    Publish {
        /// For this https host.
        authority: String,
        /// The private key, as JWK.
        key: serde_json::Value,
        /// Seconds since the epoch.
        now: u64,
    },
    /// Which keys of a directory's response hold.
    Directory {
        /// The response.
        message: Asked,
        /// Its body.
        body: String,
        /// Seconds since the epoch.
        now: u64,
    },
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// No, with the reason's code.
    Refused(String),
    /// The line.
    Line(String),
    /// Field lines of the signature.
    Signed {
        /// `Signature-Input`.
        input: String,
        /// `Signature`.
        signature: String,
    },
    /// It holds; the agent it names.
    Holds(Option<String>),
    /// A directory: its body and field lines.
    Published {
        /// Body.
        body: String,
        /// `Content-Digest`.
        digest: String,
        /// `Signature-Input`.
        input: String,
        /// `Signature`.
        signature: String,
    },
    /// Thumbprints of keys that hold.
    Keys(Vec<String>),
}

/// Answers a question.
#[must_use]
pub fn answer(question: Question) -> Answer {
    answered(question).unwrap_or_else(|refusal| Answer::Refused(refusal.reason.code().to_owned()))
}

fn answered(question: Question) -> Result<Answer, Refusal> {
    match question {
        Question::Line { message, component } => line(&message, &component).map(Answer::Line),
        Question::Sign { message, key, components, label, nonce, created, expires } => {
            let key = PrivateKey::from_jwk(&key.to_string())?;
            let params = SignatureParams::new(&key, policy::WEB_BOT_AUTH, created, expires).with_nonce(nonce);
            let signed = sign(&message.read(), &label, &parsed(&components)?, &params, &key)?;
            Ok(Answer::Signed { input: signed.signature_input, signature: signed.signature })
        }
        Question::Verify { message, key, required, now } => {
            let key = PublicKey::from_jwk(&key.to_string())?;
            let mut policy = Policy::request(AgentPolicy::default());
            policy.required = parsed(&required)?;
            policy.allow_test_keys = true;
            let unverified = tollway_signatures::Unverified::read(&message.read(), &policy)?;
            let verified = unverified.verify(&key)?;
            verified.in_window(now, policy.skew)?;
            Ok(Answer::Holds(verified.agent().map(|agent| agent.as_str().to_owned())))
        }
        Question::Publish { authority, key, now } => publish(&authority, &key.to_string(), now),
        Question::Directory { message, body, now } => {
            let found = verify_directory(&message.read(), body.as_bytes(), &DirectoryPolicy::default(), now)?;
            Ok(Answer::Keys(found.thumbprints().map(ToString::to_string).collect()))
        }
    }
}

/// The first line of a base that covers this component alone.
fn line(message: &Asked, component: &str) -> Result<String, Refusal> {
    let key = PrivateKey::from_seed([7; 32]);
    let params = SignatureParams::new(&key, policy::WEB_BOT_AUTH, 1, 2);
    let covered = parsed(&[component.to_owned()])?;
    let base = sign(&message.read(), "sig1", &covered, &params, &key)?.base;
    let (line, _) = base.split_once('\n').ok_or_else(|| Refusal::new(Reason::Internal, "a base of one line"))?;
    Ok(line.to_owned())
}

fn publish(authority: &str, key: &str, now: u64) -> Result<Answer, Refusal> {
    let key = PrivateKey::from_jwk(key)?;
    let body = directory::to_json(&[key.public()]);
    let request = Message::request("GET", "https", authority, DIRECTORY_PATH);
    let digest = digest::make(body.as_bytes());
    let response = Message::response(200, request).with("content-digest", &digest);
    let (input, signature) = sign_directory(&response, &[&key], now, now.saturating_add(60))?;
    Ok(Answer::Published { body, digest, input, signature })
}

fn parsed(components: &[String]) -> Result<Vec<Component>, Refusal> {
    components.iter().map(|text| text.parse()).collect()
}

impl Asked {
    fn read(&self) -> Message {
        let request = Message::request(&self.method, &self.scheme, &self.authority, &self.target);
        let message = match self.status {
            Some(status) => Message::response(status, request),
            None => request,
        };
        self.fields.iter().fold(message, |message, (name, value)| message.with(name, value))
    }
}
