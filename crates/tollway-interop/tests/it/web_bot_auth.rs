//! The crate `web-bot-auth` 0.7.0: what it signs we verify, what we sign it verifies, and where it is wrong: a check
//! that fails here says that a fault of it is mended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indexmap::IndexMap;
use tollway_signatures::{
    AgentPolicy, Component, Message, Policy, PrivateKey, Reason, Refusal, SignatureParams, Signed, Unverified, policy,
    sign,
};
use web_bot_auth::components::{
    CoveredComponent, DerivedComponent, HTTPField, HTTPFieldParameters, HTTPFieldParametersSet,
};
use web_bot_auth::keyring::{Algorithm, JSONWebKeySet, KeyRing};
use web_bot_auth::message_signatures::{MessageSigner, SignedMessage, UnsignedMessage};
use web_bot_auth::{SignatureAgentLink, WebBotAuthVerifier};

const HOST: &str = "news.example";
const AGENT: &str = "https://crawler.example";
const SEED: [u8; 32] = [9; 32];

/// A request for `https://news.example/today?page=2`, as that crate asks for its parts.
#[derive(Clone, Default)]
struct Theirs {
    agent: String,
    input: String,
    signature: String,
}

impl Theirs {
    fn named(agent: &str) -> Self {
        Self { agent: agent.to_owned(), ..Self::default() }
    }

    fn ours(&self) -> Message {
        let message = Message::request("GET", "https", HOST, "/today?page=2").with("signature-agent", &self.agent);
        if self.input.is_empty() {
            return message;
        }
        message.with("signature-input", &self.input).with("signature", &self.signature)
    }

    fn signed(mut self, signed: Signed) -> Self {
        (self.input, self.signature) = (signed.signature_input, signed.signature);
        self
    }
}

impl SignedMessage for Theirs {
    fn lookup_component(&self, name: &CoveredComponent) -> Vec<String> {
        let found = match name {
            CoveredComponent::HTTP(HTTPField { name, parameters }) => match (name.as_str(), parameters.0.as_slice()) {
                ("signature-agent", []) => &self.agent,
                // The one member that these messages have.
                ("signature-agent", [HTTPFieldParameters::Key(_)]) => self.agent.split_once('=').unwrap().1,
                ("signature-input", []) => &self.input,
                ("signature", []) => &self.signature,
                _ => return Vec::new(),
            },
            CoveredComponent::Derived(DerivedComponent::Method { req: false }) => "GET",
            CoveredComponent::Derived(DerivedComponent::Authority { req: false }) => HOST,
            CoveredComponent::Derived(DerivedComponent::Path { req: false }) => "/today",
            CoveredComponent::Derived(DerivedComponent::Query { req: false }) => "?page=2",
            CoveredComponent::Derived(_) => return Vec::new(),
        };
        vec![found.to_owned()]
    }
}

impl UnsignedMessage for Theirs {
    fn fetch_components_to_cover(&self) -> IndexMap<CoveredComponent, String> {
        let key = HTTPFieldParametersSet(vec![HTTPFieldParameters::Key("sig1".to_owned())]);
        let agent = HTTPField { name: "signature-agent".to_owned(), parameters: key };
        [
            CoveredComponent::Derived(DerivedComponent::Method { req: false }),
            CoveredComponent::Derived(DerivedComponent::Authority { req: false }),
            CoveredComponent::Derived(DerivedComponent::Path { req: false }),
            CoveredComponent::Derived(DerivedComponent::Query { req: false }),
            CoveredComponent::HTTP(agent),
        ]
        .into_iter()
        .map(|component| {
            let value = self.lookup_component(&component).remove(0);
            (component, value)
        })
        .collect()
    }

    fn register_header_contents(&mut self, input: String, signature: String) {
        (self.input, self.signature) = (format!("sig1={input}"), format!("sig1={signature}"));
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signed_by_us(message: &Theirs, created: u64, expires: u64) -> Signed {
    let key = PrivateKey::from_seed(SEED);
    let mut covered = ["@method", "@authority", "@path", "@query"].map(Component::new).to_vec();
    covered.push(Component::new("signature-agent").key("sig1"));
    let params = SignatureParams::new(&key, policy::WEB_BOT_AUTH, created, expires).with_nonce("bm9uY2U");
    sign(&message.ours(), "sig1", &covered, &params, &key).unwrap()
}

fn verified_by_us(message: &Theirs, now: u64) -> Result<String, Refusal> {
    let policy = Policy::request(AgentPolicy::default());
    let ours = message.ours();
    let verified = Unverified::read(&ours, &policy)?.verify(&PrivateKey::from_seed(SEED).public())?;
    verified.in_window(now, policy.skew)?;
    Ok(verified.agent().unwrap().as_str().to_owned())
}

fn verified_by_them(message: &Theirs) -> Result<(), String> {
    let directory = tollway_signatures::directory::to_json(&[PrivateKey::from_seed(SEED).public()]);
    let keys: JSONWebKeySet = serde_json::from_str(&directory).unwrap();
    let mut ring = KeyRing::default();
    assert!(ring.import_jwks(keys).iter().all(Option::is_none), "it reads our directory");
    let verifier = WebBotAuthVerifier::parse(message).map_err(|error| error.to_string())?;
    assert_eq!(verifier.get_signature_agents(), &[SignatureAgentLink::External(AGENT.to_owned())]);
    verifier.verify(&ring, None).map(drop).map_err(|error| error.to_string())
}

#[test]
fn what_we_sign_it_verifies_and_nothing_else() {
    let message = Theirs::named(&format!("sig1=\"{AGENT}\""));
    let signed = message.clone().signed(signed_by_us(&message, now(), now() + 60));
    verified_by_them(&signed).unwrap();
    for (from, to) in [("nonce=\"b", "nonce=\"c"), ("\"@path\" ", ""), ("created=1", "created=2")] {
        let spoiled = Theirs { input: signed.input.replace(from, to), ..signed.clone() };
        assert_ne!(spoiled.input, signed.input);
        assert!(verified_by_them(&spoiled).is_err(), "{from}");
        assert!(verified_by_us(&spoiled, now()).is_err(), "{from}");
    }
}

#[test]
fn what_it_signs_we_verify_and_nothing_else() {
    let key = PrivateKey::from_seed(SEED);
    let keyid = key.public().thumbprint().to_string();
    let signer = MessageSigner { keyid, nonce: "bm9uY2U".to_owned(), tag: "web-bot-auth".to_owned() };
    let mut message = Theirs::named(&format!("sig1=\"{AGENT}\""));
    signer
        .generate_signature_headers_content(&mut message, Duration::from_secs(60), Algorithm::Ed25519, &SEED)
        .unwrap();
    assert_eq!(verified_by_us(&message, now()).unwrap(), AGENT);
    let other = Theirs { agent: message.agent.replace("crawler", "other"), ..message.clone() };
    assert_eq!(verified_by_us(&other, now()).unwrap_err().reason, Reason::SignatureInvalid);
    assert_eq!(verified_by_us(&message, now() + 100).unwrap_err().reason, Reason::Expired);
}

/// Its `verify` looks at no clock: whoever relies on it takes what has ended, and what has not begun.
#[test]
fn fault_it_accepts_expired_and_future_signatures() {
    let message = Theirs::named(&format!("sig1=\"{AGENT}\""));
    for (created, reason) in [(now() - 10_000, Reason::Expired), (now() + 10_000, Reason::CreatedInFuture)] {
        let signed = message.clone().signed(signed_by_us(&message, created, created + 60));
        verified_by_them(&signed).expect("mended: it looks at the window now");
        assert_eq!(verified_by_us(&signed, now()).unwrap_err().reason, reason);
    }
}

/// A component that stands twice is taken once, so that its base is not the one of RFC 9421 section 2.5, which
/// forbids it.
#[test]
fn fault_it_reads_a_component_that_is_covered_twice() {
    let message = Theirs::named(&format!("sig1=\"{AGENT}\""));
    let signed = message.clone().signed(signed_by_us(&message, now(), now() + 60));
    let twice = Theirs { input: signed.input.replace("\"@path\" ", "\"@path\" \"@path\" "), ..signed };
    verified_by_them(&twice).expect("mended: it refuses what stands twice now");
    assert_eq!(verified_by_us(&twice, now()).unwrap_err().reason, Reason::DuplicateComponent);
}

/// Two algorithms have one name.
#[test]
fn fault_it_names_one_algorithm_as_another() {
    assert_eq!(Algorithm::RsaV1_5Sha256.to_string(), "rsa-pss-sha512", "mended: it is rsa-v1_5-sha256 now");
}
