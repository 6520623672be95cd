//! Properties: no bytes panic, no flipped bit changes what is believed, and whatever can be signed verifies.

use proptest::prelude::*;
use tollway_signatures::{
    AgentPolicy, AgentRule, Component, Message, Policy, PrivateKey, PublicKey, SignatureParams, Unverified, policy,
    sign,
};

use crate::corpus::{CREATED, own_key, strict_outcome, strict_policy, strict_request, unsigned_request};

/// Something between noise and a field: noise alone seldom passes the first character.
fn field_like() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just("sig1=".to_owned()),
        Just("(\"@method\" \"payment\";sf)".to_owned()),
        Just(";created=1735689600;expires=1735689660".to_owned()),
        Just(";tag=\"web-bot-auth\"".to_owned()),
        Just(";keyid=\"GbBEFUNm_3OXwYmW1D7qLDR5nS0EBk-r7FBYuVPxPSU\"".to_owned()),
        Just(";nonce=\"n\"".to_owned()),
        Just("\"https://crawler.example\"".to_owned()),
        Just(":AAAA:".to_owned()),
        Just(", ".to_owned()),
        "[ -~]{1,4}",
        "\\PC{1,3}",
    ];
    let text = proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![text, proptest::collection::vec(any::<u8>(), 0..64)]
}

fn policies() -> [Policy; 3] {
    let open = Policy { required: Vec::new(), agent: AgentRule::None, ..Policy::request(AgentPolicy::default()) };
    [strict_policy(), Policy::published("payment", AgentPolicy::default()), open]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_bytes_in_the_three_fields_panic(input in field_like(), signature in field_like(), agent in field_like()) {
        let message = Message::request("GET", "https", "a.example", "/")
            .with("payment", "id=\"x\"")
            .with("signature-input", input)
            .with("signature", signature)
            .with("signature-agent", agent);
        for policy in policies() {
            if let Ok(unverified) = Unverified::read(&message, &policy) {
                prop_assert!(unverified.verify(&own_key().public()).is_err());
            }
        }
    }

    #[test]
    fn no_splice_into_a_signed_request_is_believed(field in 0usize..3, at in 0usize..200, junk in field_like()) {
        use tollway_signatures::Components as _;
        let name = ["signature-input", "signature", "signature-agent"][field];
        let original = strict_outcome(&strict_request()).unwrap();
        let mut value = strict_request().field(name).unwrap().single().unwrap().to_vec();
        let at = at.min(value.len());
        value.splice(at..at, junk);
        if let Ok(verified) = strict_outcome(&strict_request().without(name).with(name, value)) {
            prop_assert_eq!(verified.base(), original.base());
            prop_assert_eq!(verified.agent(), original.agent());
        }
    }

    #[test]
    fn identifiers_round_trip(component in component()) {
        let text = component.to_string();
        let again: Component = text.parse().unwrap();
        prop_assert_eq!(again.to_string(), text);
        prop_assert_eq!(again, component);
    }

    #[test]
    fn no_text_panics_as_an_identifier(text in "\\PC{0,40}|[\";=a-z@() ]{0,20}") {
        if let Ok(component) = text.parse::<Component>() {
            prop_assert_eq!(component.to_string().parse::<Component>().unwrap(), component);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_signed_verifies(
        components in proptest::collection::vec(component(), 1..12),
        seed in any::<[u8; 32]>(),
        lifetime in 1u64..=300,
        nonce in proptest::option::of("[ -~]{1,64}"),
    ) {
        let mut distinct: Vec<Component> = Vec::new();
        for component in components {
            if !distinct.contains(&component) {
                distinct.push(component);
            }
        }
        let key = PrivateKey::from_seed(seed);
        let mut params = SignatureParams::new(&key, policy::WEB_BOT_AUTH, CREATED, CREATED + lifetime);
        params.nonce = nonce;
        let signed = sign(&response(), "any", &distinct, &params, &key).unwrap();
        let message = response()
            .with("signature-input", &signed.signature_input)
            .with("signature", &signed.signature);
        let presented = Unverified::read(&message, &policies()[2]).unwrap();
        prop_assert_eq!(presented.base(), &signed.base);
        let verified = presented.verify(&key.public()).unwrap();
        prop_assert_eq!(verified.covered(), distinct.as_slice());
        prop_assert_eq!(verified.nonce(), params.nonce.as_deref());
        prop_assert_eq!(verified.signature(), &signed.bytes);
        verified.in_window(CREATED + lifetime, 0).unwrap();
    }
}

/// A component of any kind that [`response`] has.
fn component() -> impl Strategy<Value = Component> {
    let field = prop_oneof![Just("date"), Just("priority"), Just("x-bytes"), Just("content-digest")];
    let of_request = ["@method", "@scheme", "@authority", "@path", "@query", "@target-uri"];
    prop_oneof![
        Just(Component::new("@status")),
        proptest::sample::select(of_request.to_vec()).prop_map(|name| Component::new(name).req()),
        prop_oneof![Just("a"), Just("b%20c")].prop_map(|name| Component::query_param(name).req()),
        prop_oneof![Just("a"), Just("b%20c")].prop_map(|name| Component::new("@query-param").req().named(name)),
        field.clone().prop_filter("bytes need ;bs", |name| *name != "x-bytes").prop_map(Component::new),
        field.clone().prop_map(|name| Component::new(name).bs()),
        field.prop_filter("bytes need ;bs", |name| *name != "x-bytes").prop_map(|name| Component::new(name).req()),
        Just(Component::new("priority").sf()),
        Just(Component::new("content-digest").sf().req()),
        prop_oneof![Just("u"), Just("list"), Just("i")].prop_map(|key| Component::new("priority").key(key)),
        prop_oneof![Just("u"), Just("list"), Just("i")].prop_map(|key| Component::new("priority").req().key(key).sf()),
    ]
}

fn response() -> Message {
    let fields = |message: Message| {
        message
            .with("date", "Tue, 20 Apr 2021 02:07:55 GMT")
            .with("priority", "u=1;x=\"a\\\"b\", i")
            .with("priority", "list=(a  b;c=2.50);d")
            .with("x-bytes", [0x80, 0x0a, 0xff])
            .with("content-digest", tollway_signatures::digest::make(b"body"))
    };
    let request = fields(Message::request("GET", "https", "A.example:443", "/p%20q?a=1&b+c=x%2by"));
    fields(Message::response(402, request))
}

#[test]
fn threat_10_no_flipped_bit_changes_what_is_believed() {
    // TOLLWAY_WHOLE=1: every bit of every request, which takes minutes.
    let whole = std::env::var_os("TOLLWAY_WHOLE").is_some();
    let mut believed = 0;
    for seed in 0..100u8 {
        let original = Flippable::new(seed);
        let verified = original.outcome().unwrap();
        // Every bit of one; of the others a prime step walks over different bits for each, over all of them together.
        let (first, step) = if whole || seed == 0 { (0, 1) } else { (usize::from(seed), 101) };
        for bit in (first..original.bits()).step_by(step) {
            if let Some(again) = original.flipped(bit).and_then(|flipped| flipped.outcome()) {
                believed += 1;
                assert_eq!(again.base(), verified.base(), "request {seed}, bit {bit}");
                assert_eq!(again.signature(), verified.signature());
                assert_eq!(again.agent(), verified.agent());
            }
        }
    }
    // Some flips mean nothing: the case of the host name, the unused last bits of base64.
    assert!(believed > 0);
}

/// A signed request whose every part can be flipped: method, authority, target, then each field.
struct Flippable {
    parts: Vec<Vec<u8>>,
    key: PublicKey,
}

const FIELDS: [&str; 5] = ["signature-agent", "payment", "content-digest", "signature-input", "signature"];

impl Flippable {
    fn new(seed: u8) -> Self {
        use tollway_signatures::Components as _;
        let key = PrivateKey::from_seed([seed; 32]);
        let mut params = SignatureParams::new(&key, policy::WEB_BOT_AUTH, CREATED, CREATED + 60);
        params.nonce = Some(format!("nonce-{seed}"));
        let signed = sign(&unsigned_request(), "sig1", &crate::corpus::strict_components(), &params, &key).unwrap();
        let message =
            unsigned_request().with("signature-input", signed.signature_input).with("signature", signed.signature);
        let start = [message.method(), message.authority(), message.path_and_query()];
        let start = start.into_iter().map(|part| part.unwrap().as_bytes().to_vec());
        let fields = FIELDS.iter().map(|name| message.field(name).unwrap().single().unwrap().to_vec());
        Self { parts: start.chain(fields).collect(), key: key.public() }
    }

    fn bits(&self) -> usize {
        self.parts.iter().map(|part| part.len() * 8).sum()
    }

    /// `None` where the flip leaves text that no HTTP library would pass on as a method, host or target.
    fn flipped(&self, mut bit: usize) -> Option<Self> {
        let mut parts = self.parts.clone();
        for part in &mut parts {
            if bit < part.len() * 8 {
                part[bit / 8] ^= 1 << (bit % 8);
                break;
            }
            bit -= part.len() * 8;
        }
        let text = parts[..3].iter().all(|part| std::str::from_utf8(part).is_ok());
        text.then(|| Self { parts, key: self.key.clone() })
    }

    fn outcome(&self) -> Option<tollway_signatures::Verified> {
        let text = |index: usize| std::str::from_utf8(&self.parts[index]).unwrap();
        let start = Message::request(text(0), "https", text(1), text(2));
        let message =
            FIELDS.iter().zip(&self.parts[3..]).fold(start, |message, (name, value)| message.with(name, value));
        Unverified::read(&message, &strict_policy()).and_then(|presented| presented.verify(&self.key)).ok()
    }
}
