//! Signed documents (compact JWS) and sellers' signed answers.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use proptest::prelude::*;
use tollway_signatures::{
    Component, Message, Policy, Reason, SignatureParams, Signer as _, Unverified, jws, policy, sign,
};

use crate::corpus::{CREATED, own_key, test_key};

const TYP: &str = "tollway-offer+jws";

#[test]
fn a_document_comes_back_as_signed() {
    let text = jws::sign(TYP, b"{\"price\":1}", &own_key());
    assert_eq!(jws::verify(TYP, &text, 4096, &own_key().public()).unwrap(), b"{\"price\":1}");
    assert_eq!(jws::kid(&text, 4096).unwrap(), own_key().thumbprint());
    assert_eq!(jws::sign(TYP, b"{\"price\":1}", &own_key()), text);
}

#[test]
fn another_key_type_or_size_is_refused() {
    let text = jws::sign(TYP, b"payload", &own_key());
    let reason = |typ, cap, key: &tollway_signatures::PublicKey| jws::verify(typ, &text, cap, key).unwrap_err().reason;
    assert_eq!(reason(TYP, 4096, &test_key().public()), Reason::ThumbprintMismatch);
    assert_eq!(reason("tollway-receipt+jws", 4096, &own_key().public()), Reason::MalformedSignature);
    assert_eq!(reason(TYP, text.len() - 1, &own_key().public()), Reason::MalformedSignature);
    assert_eq!(jws::kid(&text, 10).unwrap_err().reason, Reason::MalformedSignature);
}

#[test]
fn a_header_has_one_spelling() {
    let kid = own_key().thumbprint();
    for (header, expected) in [
        (format!(r#"{{"alg":"none","kid":"{kid}","typ":"{TYP}"}}"#), Reason::AlgUnsupported),
        (format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"{TYP}"}}"#), Reason::AlgUnsupported),
        (format!(r#"{{"alg": "EdDSA","kid":"{kid}","typ":"{TYP}"}}"#), Reason::MalformedSignature),
        (format!(r#"{{"kid":"{kid}","alg":"EdDSA","typ":"{TYP}"}}"#), Reason::MalformedSignature),
        (format!(r#"{{"alg":"EdDSA","alg":"EdDSA","kid":"{kid}","typ":"{TYP}"}}"#), Reason::MalformedSignature),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{TYP}","crit":["x"]}}"#), Reason::MalformedSignature),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"\u0074{}"}}"#, &TYP[1..]), Reason::MalformedSignature),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#), Reason::MalformedSignature),
        (r#"{"alg":"EdDSA","kid":"short","typ":"x"}"#.to_owned(), Reason::MalformedSignature),
        ("[]".to_owned(), Reason::MalformedSignature),
    ] {
        let mut text = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(&header), BASE64_URL_SAFE_NO_PAD.encode("x"));
        let signature = own_key().sign(text.as_bytes());
        text = format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(jws::verify(TYP, &text, 4096, &own_key().public()).unwrap_err().reason, expected, "{header}");
    }
}

#[test]
fn no_character_of_a_document_can_be_changed() {
    let text = jws::sign(TYP, b"{\"price\":1}", &own_key());
    for index in 0..text.len() {
        for other in ["A", "_", ".", "=", " "] {
            let mut changed = text.clone();
            changed.replace_range(index..=index, other);
            if changed != text {
                assert!(jws::verify(TYP, &changed, 4096, &own_key().public()).is_err(), "{index} {other}");
            }
        }
        assert!(jws::verify(TYP, &text[..index], 4096, &own_key().public()).is_err());
    }
}

fn answered() -> Message {
    let request = Message::request("GET", "https", "news.example", "/today?page=2");
    Message::response(200, request).with("payment-response", r#"scheme="deferred", id="x""#)
}

fn answer_components() -> Vec<Component> {
    let of_request = ["@authority", "@path", "@method"].map(|name| Component::new(name).req());
    [Component::new("@status"), Component::new("payment-response")].into_iter().chain(of_request).collect()
}

#[test]
fn a_sellers_answer_is_bound_to_its_request() {
    let params = SignatureParams::new(&own_key(), policy::X402_RESPONSE, CREATED, CREATED + 300);
    let signed = sign(&answered(), "resp", &answer_components(), &params, &own_key()).unwrap();
    let add = |message: Message| {
        message.with("signature-input", &signed.signature_input).with("signature", &signed.signature)
    };
    let policy = Policy::seller_response("payment-response");
    let outcome = |message: &Message| {
        let verified = Unverified::read(message, &policy).and_then(|answer| answer.verify(&own_key().public()));
        verified.map(|_| ()).map_err(|refusal| refusal.reason)
    };
    assert_eq!(outcome(&add(answered())), Ok(()));
    for (method, host, path) in
        [("POST", "news.example", "/today"), ("GET", "evil.example", "/today"), ("GET", "news.example", "/x")]
    {
        let other = Message::response(200, Message::request(method, "https", host, path));
        let other = other.with("payment-response", r#"scheme="deferred", id="x""#);
        assert_eq!(outcome(&add(other)), Err(Reason::SignatureInvalid));
    }
    let dearer = answered().without("payment-response").with("payment-response", r#"scheme="deferred", id="y""#);
    assert_eq!(outcome(&add(dearer)), Err(Reason::SignatureInvalid));
}

#[test]
fn an_answer_may_name_the_whole_target() {
    let components = [
        Component::new("@status"),
        Component::new("payment-response"),
        Component::new("@target-uri").req(),
        Component::new("@method").req(),
    ];
    let params = SignatureParams::new(&own_key(), policy::X402_RESPONSE, CREATED, CREATED + 300);
    let signed = sign(&answered(), "resp", &components, &params, &own_key()).unwrap();
    let message = answered().with("signature-input", signed.signature_input).with("signature", signed.signature);
    let answer = Unverified::read(&message, &Policy::seller_response("payment-response")).unwrap();
    answer.verify(&own_key().public()).unwrap();
}

#[test]
fn an_answer_that_leaves_something_open_is_refused() {
    for left_out in 0..answer_components().len() {
        let mut components = answer_components();
        components.remove(left_out);
        let params = SignatureParams::new(&own_key(), policy::X402_RESPONSE, CREATED, CREATED + 300);
        let signed = sign(&answered(), "resp", &components, &params, &own_key()).unwrap();
        let message = answered().with("signature-input", signed.signature_input).with("signature", signed.signature);
        let refusal = Unverified::read(&message, &Policy::seller_response("payment-response")).unwrap_err();
        assert_eq!(refusal.reason, Reason::ComponentNotCovered);
    }
}

proptest! {
    #[test]
    fn documents_of_any_payload_round_trip(payload in proptest::collection::vec(any::<u8>(), 0..300), typ in "\\PC{0,20}") {
        let text = jws::sign(&typ, &payload, &own_key());
        prop_assert_eq!(jws::verify(&typ, &text, 4096, &own_key().public()).unwrap(), payload);
    }

    #[test]
    fn no_text_panics_as_a_document(text in "[A-Za-z0-9._=-]{0,200}|\\PC{0,100}") {
        prop_assert!(jws::verify(TYP, &text, 4096, &own_key().public()).is_err());
        prop_assert!(jws::kid(&text, 4096).is_err());
    }
}
