//! What is refused, each for a reason of its own: nothing is charged, nothing is written, and the
//! origin never hears of it.

use std::borrow::Cow;

use tollway_protocol::{Reason as R, header};
use tollway_signatures::{Component, Thumbprint};

use crate::rig::{Draft, Got, Rig, Sent, Way};

/// A name, what is sent, and how it is answered.
type Row = (Cow<'static, str>, Sent, u16, R);

/// Sends every row; afterwards the books are what they were.
async fn check(rig: &Rig, rows: Vec<Row>) {
    let before = (rig.books_head().await, rig.origin.runs());
    for (name, sent, status, reason) in rows {
        let got = rig.call(&sent).await;
        assert_eq!((got.status, got.reason()), (status, Some(reason)), "{name}: {got:?}");
        assert_eq!(got.field("cache-control"), Some("no-store"), "{name}");
        if status == 401 {
            assert!(got.field(header::ACCEPT_SIGNATURE).is_some(), "{name}");
        }
        if status == 402 {
            assert_eq!(got.field(header::CRAWLER_PRICE), Some("USD 0.01"), "{name}");
        }
        assert_eq!((rig.books_head().await, rig.origin.runs()), before, "{name}");
        assert!(rig.view().await.reserved.is_zero(), "{name}");
    }
    let got = rig.call(&rig.buy(Way::X402, "/paid/a", "after all of it")).await;
    assert_eq!(got.status, 200, "an honest request is still served: {got:?}");
}

fn row(name: impl Into<Cow<'static, str>>, sent: Sent, status: u16, reason: R) -> Row {
    (name.into(), sent, status, reason)
}

/// The honest request that each row spoils in one way.
fn honest(rig: &Rig) -> Draft {
    rig.paying(Way::X402, "GET", "/paid/a", "honest")
}

/// The same, signed, with one text of its signature's description replaced.
fn edited(rig: &Rig, field: &str, from: &str, to: &str) -> Sent {
    let sent = honest(rig).signed(&rig.agent.key());
    let text = sent.field(field);
    assert!(text.contains(from), "{text}");
    sent.set(field, text.replace(from, to))
}

#[tokio::test]
async fn threat_29_every_component_has_to_be_covered() {
    let rig = Rig::new().await;
    let key = rig.agent.key();
    let mut rows: Vec<Row> = ["@method", "@authority", "@path", "@query", header::PAYMENT_SIGNATURE]
        .map(|name| row(name, honest(&rig).uncovered(name).signed(&key), 401, R::ComponentNotCovered))
        .into();
    let agent = honest(&rig).uncovered(header::SIGNATURE_AGENT).signed(&key);
    rows.push(row("agent", agent, 401, R::AgentNotCovered));
    let mut partly = honest(&rig).uncovered(header::PAYMENT_SIGNATURE);
    partly.covered.push(Component::new(header::PAYMENT_SIGNATURE).bs());
    rows.push(row("payment, but not as it stands", partly.signed(&key), 401, R::ComponentNotCovered));
    let nonce = honest(&rig).params(|params| params.nonce = None).signed(&key);
    rows.push(row("nonce", nonce, 401, R::NonceMissing));
    let empty = honest(&rig).params(|params| params.nonce = Some(String::new())).signed(&key);
    rows.push(row("empty nonce", empty, 401, R::NonceMissing));
    let body = rig.paying(Way::X402, "POST", "/paid/a", "body").carrying("one");
    rows.push(row("digest", body.clone().uncovered(header::CONTENT_DIGEST).signed(&key), 401, R::ComponentNotCovered));
    check(&rig, rows).await;
}

#[tokio::test]
async fn threat_30_a_signature_is_for_one_request() {
    let rig = Rig::new().await;
    let sent = honest(&rig).signed(&rig.agent.key());
    let moved =
        |method: &str, target: &str| Sent { method: method.to_owned(), target: target.to_owned(), ..sent.clone() };
    let other = rig.buy(Way::X402, "/paid/b", "other");
    let mut flipped = sent.field(header::SIGNATURE).into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let rows = vec![
        row("another path", moved("GET", "/paid/b"), 401, R::SignatureInvalid),
        row("another query", moved("GET", "/paid/a?b"), 401, R::SignatureInvalid),
        row("another method", moved("DELETE", "/paid/a"), 401, R::SignatureInvalid),
        row("another letter case", moved("get", "/paid/a"), 401, R::SignatureInvalid),
        row("another spelling", moved("GET", "/paid/%61"), 401, R::SignatureInvalid),
        row(
            "another payment",
            sent.clone()
                .set(header::PAYMENT_SIGNATURE, rig.buy(Way::X402, "/dear/a", "n").field(header::PAYMENT_SIGNATURE)),
            401,
            R::SignatureInvalid,
        ),
        row(
            "another signature",
            sent.clone().set(header::SIGNATURE, other.field(header::SIGNATURE)),
            401,
            R::SignatureInvalid,
        ),
        row("a flipped bit", sent.clone().set(header::SIGNATURE, flipped), 401, R::SignatureInvalid),
        row(
            "a longer life",
            edited(&rig, header::SIGNATURE_INPUT, "expires=1795348860", "expires=1795348861"),
            401,
            R::SignatureInvalid,
        ),
    ];
    check(&rig, rows).await;
}

/// RFC 9421 signs an absent query and an empty one alike, so one signature fits both targets.
#[tokio::test]
async fn threat_76_a_signature_that_fits_two_spellings_is_spent_once() {
    let rig = Rig::new().await;
    let sent = honest(&rig).signed(&rig.agent.key());
    let spelled = Sent { target: "/paid/a?".into(), ..sent.clone() };
    assert_eq!(rig.call(&sent).await.status, 200);
    let got = rig.call(&spelled).await;
    assert_eq!((got.status, got.reason()), (409, Some(R::ReplayMismatch)));
    assert_eq!((rig.audit().await.sales, rig.origin.runs()), (1, 1));
}

#[tokio::test]
async fn threat_65_the_window_is_kept_to_the_second() {
    let rig = Rig::new().await;
    let now = crate::rig::NOON;
    let window = |created: u64, expires: u64| {
        let draft = honest(&rig).params(|params| {
            params.nonce = Some(format!("{created} {expires}"));
            params.created = created;
            params.expires = expires;
        });
        draft.signed(&rig.agent.key())
    };
    check(
        &rig,
        vec![
            row("expired", window(now - 200, now - 31), 401, R::Expired),
            row("future", window(now + 31, now + 90), 401, R::CreatedInFuture),
            row("too long", window(now, now + 301), 401, R::LifetimeTooLong),
            row(
                "ends before it begins",
                edited(&rig, header::SIGNATURE_INPUT, "expires=1795348860", "expires=1795348799"),
                400,
                R::ExpiresBeforeCreated,
            ),
            row("for ever", window(now, 999_999_999_999_999), 401, R::LifetimeTooLong),
        ],
    )
    .await;
    for (created, expires) in [(now - 200, now - 30), (now + 30, now + 90), (now, now + 300)] {
        assert_eq!(rig.call(&window(created, expires)).await.status, 200, "{created} to {expires}");
    }
}

#[tokio::test]
async fn threat_73_malformed_signatures_have_their_own_reasons() {
    let rig = Rig::new().await;
    let sent = honest(&rig).signed(&rig.agent.key());
    let input = sent.field(header::SIGNATURE_INPUT);
    let with_input = |text: &str| sent.clone().set(header::SIGNATURE_INPUT, text);
    let other: Thumbprint = *crate::rig::Agent::new("", 77).key().public().thumbprint();
    let keyid = rig.agent.key().public().thumbprint().to_string();
    let replaced = |from: &str, to: &str| with_input(&input.replace(from, to));
    check(
        &rig,
        vec![
            row(
                "nothing",
                sent.clone().without(header::SIGNATURE).without(header::SIGNATURE_INPUT),
                401,
                R::MissingSignature,
            ),
            row("no input", sent.clone().without(header::SIGNATURE_INPUT), 401, R::MissingSignature),
            row("no dictionary", with_input("sig1=("), 400, R::MalformedSignatureInput),
            row("no list", with_input("sig1=1"), 401, R::NoAcceptedTag),
            row("twice the label", with_input(&format!("{input}, {input}")), 400, R::MalformedSignatureInput),
            row("no bytes", sent.clone().set(header::SIGNATURE, "sig1=\"text\""), 400, R::MalformedSignature),
            row("short", sent.clone().set(header::SIGNATURE, "sig1=:AAAA:"), 400, R::MalformedSignature),
            row("not base64", sent.clone().set(header::SIGNATURE, "sig1=:!!:"), 400, R::MalformedSignature),
            row(
                "another label",
                sent.clone().set(header::SIGNATURE, sent.field(header::SIGNATURE).replace("sig1", "sig2")),
                400,
                R::LabelMismatch,
            ),
            row("another tag", replaced("web-bot-auth", "something"), 401, R::NoAcceptedTag),
            row(
                "covers nothing",
                with_input(&format!("sig1=(){}", &input[input.find(')').unwrap() + 1..])),
                400,
                R::EmptyComponents,
            ),
            row("covers twice", replaced("\"@method\"", "\"@method\" \"@method\""), 400, R::DuplicateComponent),
            row(
                "covers what is not there",
                replaced("\"@method\"", "\"@method\" \"x-absent\""),
                401,
                R::ComponentMissing,
            ),
            row("unknown derived", replaced("\"@method\"", "\"@method\" \"@moon\""), 400, R::UnknownComponent),
            row("number as text", replaced("created=1795348800", "created=\"now\""), 400, R::ParamType),
            row("no created", replaced(";created=1795348800", ""), 401, R::ParamMissing),
            row("another algorithm", replaced("ed25519", "rsa-v1_5-sha256"), 401, R::AlgUnsupported),
            row("another key", replaced(&keyid, &other.to_string()), 401, R::KeyNotFound),
            row("no thumbprint", replaced(&keyid, "my-key"), 400, R::ParamType),
            row(
                "too long",
                with_input(&format!("{input}, x=({})", " ".repeat(9_000))),
                400,
                R::MalformedSignatureInput,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn agents_are_known_or_refused() {
    let rig = Rig::new().await;
    let stranger = |url: &str| {
        let draft = rig.paying(Way::X402, "GET", "/paid/a", "agent");
        let at = draft.fields.iter().position(|(name, _)| name == header::SIGNATURE_AGENT).unwrap();
        let mut draft = draft;
        draft.fields[at].1 = format!("sig1=\"{url}\"");
        draft.signed(&rig.agent.key())
    };
    let sent = honest(&rig).signed(&rig.agent.key());
    check(
        &rig,
        vec![
            row("no account", stranger("https://stranger.example"), 403, R::AgentNotRegistered),
            row("no https", stranger("http://crawler.example"), 400, R::AgentNotHttps),
            row("inside", stranger("https://10.0.0.1"), 403, R::AgentForbiddenAddress),
            row("this machine", stranger("https://localhost"), 403, R::AgentForbiddenAddress),
            row("a path", stranger("https://crawler.example/keys"), 400, R::AgentMalformed),
            row("no URL", stranger("crawler"), 400, R::AgentMalformed),
            row("none", sent.clone().without(header::SIGNATURE_AGENT), 401, R::AgentMissing),
            row("two", sent.clone().add(header::SIGNATURE_AGENT, "sig1=\"https://a.example\""), 400, R::FieldRepeated),
            row(
                "swapped",
                sent.clone().set(header::SIGNATURE_AGENT, "sig1=\"https://stranger.example\""),
                403,
                R::AgentNotRegistered,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn threat_75_a_body_is_what_was_signed() {
    let rig = Rig::new().await;
    let posting = |body: &str| rig.paying(Way::X402, "POST", "/paid/a", &body.len().to_string()).carrying(body);
    let key = rig.agent.key();
    let swapped = |to: &str| Sent { body: to.as_bytes().to_vec(), ..posting("one").signed(&key) };
    let big = "x".repeat((1 << 20) + 1);
    let mut bare = rig.paying(Way::X402, "POST", "/paid/a", "bare").beside("content-length", "3");
    bare.body = b"one".to_vec();
    let mut untold = rig.paying(Way::X402, "POST", "/paid/a", "untold");
    untold.body = b"one".to_vec();
    let digest = tollway_signatures::digest::make(b"one");
    let unbound = untold.clone().beside(header::CONTENT_DIGEST, &digest);
    check(
        &rig,
        vec![
            row("another body", swapped("two"), 400, R::DigestMismatch),
            row("one byte more", swapped("one "), 400, R::DigestMismatch),
            row("no body", swapped(""), 400, R::DigestMismatch),
            row("too long", posting(&big).signed(&key), 413, R::BodyTooLarge),
            row("no digest", bare.signed(&key), 401, R::ComponentMissing),
            row("no digest, no length", untold.signed(&key), 401, R::ComponentMissing),
            row("a digest that nobody signed", unbound.signed(&key), 401, R::ComponentNotCovered),
        ],
    )
    .await;
    let got: Got = rig.call(&posting("three").signed(&key)).await;
    assert_eq!(got.status, 200);
}
