//! Key directories: the published vector, mirrors, swapped bodies, and every way a key can be unusable.

use proptest::prelude::*;
use serde_json::json;
use tollway_signatures::{
    Component, Directory, DirectoryPolicy, Message, PrivateKey, Reason, SignatureParams, Signer as _, digest,
    directory, sign, sign_directory, verify_directory,
};

use crate::corpus::{CREATED, file, own_key, test_key};

const HOST: &str = "signature-agent.test";
const NOW: u64 = CREATED + 1;

fn other_key() -> PrivateKey {
    PrivateKey::from_seed([43; 32])
}

fn response(host: &str) -> Message {
    Message::response(200, Message::request("GET", "https", host, directory::DIRECTORY_PATH))
}

fn published(host: &str) -> (Message, String) {
    let vector = file("directory.json");
    let fields = vector["fields"].as_array().unwrap().iter();
    let message =
        fields.fold(response(host), |message, pair| message.with(pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    (message, vector["body"].as_str().unwrap().to_owned())
}

fn lenient() -> DirectoryPolicy {
    let mut policy = DirectoryPolicy::default();
    policy.signature.allow_test_keys = true;
    policy
}

fn outcome(message: &Message, body: &str, policy: &DirectoryPolicy) -> Result<usize, Reason> {
    let directory = verify_directory(message, body.as_bytes(), policy, NOW);
    directory.map(|directory| directory.thumbprints().count()).map_err(|refusal| refusal.reason)
}

/// A directory of these keys, signed by `signers`.
fn signed(keys: &[&PrivateKey], signers: &[&PrivateKey], host: &str) -> (Message, String) {
    let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
    let body = directory::to_json(&keys);
    let message = response(host).with("content-digest", digest::make(body.as_bytes()));
    let (input, signature) = sign_directory(&message, signers, CREATED, CREATED + 60).unwrap();
    (message.with("signature-input", input).with("signature", signature), body)
}

#[test]
fn t6_the_published_directory_verifies() {
    let (message, body) = published(HOST);
    let vector = file("directory.json");
    assert_eq!(tollway_signatures::base::received(&message, "binding").unwrap(), vector["base"].as_str().unwrap());
    let found = verify_directory(&message, body.as_bytes(), &lenient(), NOW).unwrap();
    let key = found.find(&test_key().thumbprint(), NOW * 1000).unwrap();
    assert_eq!(key, test_key().public());
    // With the policy for production its key is refused, because the private half is printed.
    assert_eq!(outcome(&message, &body, &DirectoryPolicy::default()), Err(Reason::DirectorySignatureInvalid));
}

#[test]
fn t6_the_negative_cases() {
    let invalid = Err(Reason::DirectorySignatureInvalid);
    let (message, body) = published("mirror.example");
    assert_eq!(outcome(&message, &body, &lenient()), invalid);
    let (message, body) = published(HOST);
    let swapped = body.replace("\"use\":\"sig\"", "\"use\":\"sig\",\"exp\":4889289600000");
    assert_eq!(outcome(&message, &swapped, &lenient()), invalid);
    assert_eq!(outcome(&message.clone().without("signature"), &body, &lenient()), invalid);
    assert_eq!(outcome(&message.clone().without("content-digest"), &body, &lenient()), invalid);
    for now in [CREATED - 31, 4_889_289_631] {
        let late = verify_directory(&message, body.as_bytes(), &lenient(), now);
        assert_eq!(late.unwrap_err().reason, Reason::DirectorySignatureInvalid);
    }
    let unsigned = DirectoryPolicy { require_signature: false, ..lenient() };
    assert_eq!(outcome(&response("mirror.example"), &body, &unsigned), Ok(1));
}

#[test]
fn a_directory_of_ours_verifies_key_by_key() {
    let (first, second) = (own_key(), other_key());
    let policy = DirectoryPolicy::default();
    let (message, body) = signed(&[&first, &second], &[&first, &second], HOST);
    assert_eq!(outcome(&message, &body, &policy), Ok(2));
    // A key whose holder has not signed is dropped: its owner may not know it is listed here.
    let (message, body) = signed(&[&first, &second], &[&first], HOST);
    let found = verify_directory(&message, body.as_bytes(), &policy, NOW).unwrap();
    assert_eq!(found.find(&first.thumbprint(), 0).unwrap(), first.public());
    assert_eq!(found.find(&second.thumbprint(), 0).unwrap_err().reason, Reason::KeyNotFound);
    // A signer that is not listed adds nothing.
    let (message, body) = signed(&[&first], &[&second], HOST);
    assert_eq!(outcome(&message, &body, &policy), Err(Reason::DirectorySignatureInvalid));
}

#[test]
fn the_older_form_without_a_digest_binds_key_and_host() {
    let body = directory::to_json(&[own_key().public()]);
    let components = [Component::new("@authority").req()];
    let params = SignatureParams::new(&own_key(), directory::DIRECTORY_TAG, CREATED, CREATED + 60);
    let signed = sign(&response(HOST), "binding0", &components, &params, &own_key()).unwrap();
    let add = |message: Message| {
        message.with("signature-input", &signed.signature_input).with("signature", &signed.signature)
    };
    assert_eq!(outcome(&add(response(HOST)), &body, &DirectoryPolicy::default()), Ok(1));
    let mirror = outcome(&add(response("mirror.example")), &body, &DirectoryPolicy::default());
    assert_eq!(mirror, Err(Reason::DirectorySignatureInvalid));
}

#[test]
fn threat_75_every_flipped_byte_of_a_directory_is_refused() {
    let (message, body) = signed(&[&own_key()], &[&own_key()], HOST);
    for index in 0..body.len() {
        let mut changed = body.clone().into_bytes();
        changed[index] ^= 1;
        let outcome = verify_directory(&message, &changed, &DirectoryPolicy::default(), NOW);
        assert!(outcome.is_err(), "byte {index}");
    }
}

#[test]
fn signing_needs_the_digest() {
    let outcome = sign_directory(&response(HOST), &[&own_key()], CREATED, CREATED + 60);
    assert_eq!(outcome.unwrap_err().reason, Reason::DigestMissing);
}

#[test]
fn unusable_keys_are_named() {
    let jwk = |change: serde_json::Value| {
        let mut jwk = serde_json::to_value(own_key().public().jwk()).unwrap();
        jwk.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let document = json!({ "keys": [jwk, { "kty": "RSA", "n": "AQ", "e": "AQAB", "kid": "rsa" }] });
        Directory::parse(document.to_string().as_bytes()).unwrap()
    };
    let find = |change, now_ms| jwk(change).find(&own_key().thumbprint(), now_ms).map_err(|refusal| refusal.reason);
    assert_eq!(find(json!({}), 0), Ok(own_key().public()));
    assert_eq!(find(json!({ "nbf": 1000, "exp": 2000 }), 999), Err(Reason::KeyExpired));
    assert_eq!(find(json!({ "nbf": 1000, "exp": 2000 }), 1000), Ok(own_key().public()));
    assert_eq!(find(json!({ "nbf": 1000, "exp": 2000 }), 2000), Ok(own_key().public()));
    assert_eq!(find(json!({ "nbf": 1000, "exp": 2000 }), 2001), Err(Reason::KeyExpired));
    assert_eq!(find(json!({ "kid": "my-key" }), 0), Err(Reason::ThumbprintMismatch));
    assert_eq!(find(json!({ "use": "enc" }), 0), Err(Reason::KeyNotFound));
    assert_eq!(find(json!({ "x": test_key().public().jwk().x }), 0), Err(Reason::ThumbprintMismatch));
    let zero = json!({ "x": "A".repeat(43), "kid": null });
    let weak = jwk(zero);
    let thumbprint = *weak.thumbprints().next().unwrap();
    assert_eq!(weak.find(&thumbprint, 0).unwrap_err().reason, Reason::WeakKey);
}

#[test]
fn documents_have_a_largest_size_and_one_reading() {
    let reason = |json: &str| Directory::parse(json.as_bytes()).unwrap_err().reason;
    let keys = |count: u8| {
        let keys: Vec<_> = (0..count).map(|seed| PrivateKey::from_seed([seed; 32]).public()).collect();
        directory::to_json(&keys)
    };
    assert_eq!(Directory::parse(keys(16).as_bytes()).unwrap().thumbprints().count(), 16);
    assert_eq!(reason(&keys(17)), Reason::DirectoryTooLarge);
    assert_eq!(reason(&" ".repeat(directory::MAX_DIRECTORY + 1)), Reason::DirectoryTooLarge);
    for json in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[1]}", "{\"keys\":[]} x", "{\"keys\":[],\"keys\":[]}"] {
        assert_eq!(reason(json), Reason::DirectoryMalformed, "{json}");
    }
    let doubled = keys(1).replace("\"kty\":\"OKP\"", "\"kty\":\"OKP\",\"kty\":\"OKP\"");
    assert_eq!(reason(&doubled), Reason::DirectoryMalformed);
    let deep = format!("{{\"keys\":[{}]}}", "[".repeat(60_000));
    assert_eq!(reason(&deep), Reason::DirectoryMalformed);
}

proptest! {
    #[test]
    fn no_bytes_panic_as_a_directory(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Directory::parse(&bytes).is_err());
        prop_assert!(digest::verify(&bytes, b"body").is_err());
    }
}
