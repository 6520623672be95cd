//! Keys: weak ones are refused where they are made, and verification is strict.

use tollway_signatures::{Jwk, PrivateKey, PublicKey, Reason, Signer as _, Thumbprint, Verifier as _};

use crate::corpus::{file, own_key, test_key};

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// All encodings of the eight points of small order, the non-canonical ones too.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn threat_64_small_order_keys_are_refused() {
    for text in SMALL_ORDER {
        let bytes: [u8; 32] = hex(text).try_into().unwrap();
        assert_eq!(PublicKey::from_bytes(&bytes).unwrap_err().reason, Reason::WeakKey, "{text}");
    }
}

#[test]
fn threat_64_non_canonical_keys_are_refused() {
    // Every encoding of a y between p and 2^255, with either sign.
    for last in 0xed..=0xffu8 {
        for top in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (last, top);
            assert_eq!(PublicKey::from_bytes(&bytes).unwrap_err().reason, Reason::WeakKey);
        }
    }
}

#[test]
fn threat_64_a_small_order_r_is_refused() {
    for text in SMALL_ORDER {
        let signature = [hex(text), vec![0; 32]].concat();
        let outcome = test_key().public().verify(b"message", &signature);
        assert_eq!(outcome.unwrap_err().reason, Reason::SignatureInvalid);
    }
}

#[test]
fn threat_64_a_second_spelling_of_s_is_refused() {
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut signature = test_key().sign(b"message");
    test_key().public().verify(b"message", &signature).unwrap();
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    let outcome = test_key().public().verify(b"message", &signature);
    assert_eq!(outcome.unwrap_err().reason, Reason::SignatureInvalid);
}

#[test]
fn threat_64_of_signatures_that_libraries_disagree_on_only_the_strict_one_holds() {
    let name = "ed25519-speccheck.json";
    let document = file(name);
    let cases = document["cases"].as_array().unwrap();
    let accepts = |case: &serde_json::Value| {
        let bytes = |key: &str| hex(case[key].as_str().unwrap());
        let key = PublicKey::from_bytes(&bytes("key").try_into().unwrap());
        key.and_then(|key| key.verify(&bytes("message"), &bytes("signature"))).is_ok()
    };
    for case in cases {
        assert_eq!(accepts(case), case["valid"].as_bool().unwrap(), "{name} {case}");
    }
    assert_eq!((cases.len(), cases.iter().filter(|case| accepts(case)).count()), (10, 1));
}

#[test]
fn threat_64_signatures_of_another_length_are_refused() {
    let signature = test_key().sign(b"message");
    for length in (0..64).chain([65, 128, 256]) {
        let cut: Vec<u8> = signature.iter().copied().cycle().take(length).collect();
        assert_eq!(test_key().public().verify(b"message", &cut).unwrap_err().reason, Reason::SignatureInvalid);
    }
}

#[test]
fn private_keys_travel_as_jwk_and_hide_from_debug() {
    let key = own_key();
    let again = PrivateKey::from_jwk(&key.to_jwk()).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(again.sign(b"x"), key.sign(b"x"));
    let secret: serde_json::Value = serde_json::from_str(&key.to_jwk()).unwrap();
    assert!(!format!("{key:?}").contains(secret["d"].as_str().unwrap()));
    assert_eq!(PublicKey::from_jwk(&key.to_jwk()).unwrap(), key.public());
}

#[test]
fn private_jwks_are_read_strictly() {
    let good = test_key().to_jwk();
    let refused = |json: &str| PrivateKey::from_jwk(json).unwrap_err().reason;
    let other = serde_json::to_value(own_key().public().jwk()).unwrap();
    let x = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
    assert_eq!(refused(&good.replace(x, other["x"].as_str().unwrap())), Reason::ThumbprintMismatch);
    assert_eq!(refused(&good.replace("Ed25519", "X25519")), Reason::AlgUnsupported);
    assert_eq!(refused(&good.replace("\"d\":\"n4Ni", "\"d\":\"n4N")), Reason::DirectoryMalformed);
    assert_eq!(refused(&good.replace("\"d\":", "\"x\":")), Reason::DirectoryMalformed);
    assert_eq!(refused(&format!("{good} x")), Reason::DirectoryMalformed);
    assert_eq!(refused(&" ".repeat(5000)), Reason::DirectoryTooLarge);
}

#[test]
fn public_jwks_are_read_strictly() {
    let reason = |json: &str| PublicKey::from_jwk(json).unwrap_err().reason;
    assert_eq!(reason(r#"{"kty":"RSA","n":"AQ","e":"AQAB"}"#), Reason::AlgUnsupported);
    assert_eq!(reason(r#"{"kty":"OKP","crv":"Ed25519"}"#), Reason::DirectoryMalformed);
    assert_eq!(reason(r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#), Reason::DirectoryMalformed);
    assert_eq!(reason(r#"{"kty":"OKP","kty":"OKP","crv":"Ed25519","x":"AA"}"#), Reason::DirectoryMalformed);
    let zero = "A".repeat(43);
    assert_eq!(reason(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{zero}"}}"#)), Reason::WeakKey);
    let encrypts = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{zero}","use":"enc"}}"#);
    assert_eq!(reason(&encrypts), Reason::AlgUnsupported);
    let jwk = test_key().public().jwk();
    assert_eq!(Jwk::parse(&serde_json::to_vec(&jwk).unwrap()).unwrap(), jwk);
}

#[test]
fn published_test_keys_are_known() {
    assert!(test_key().public().thumbprint().is_published_test_key());
    let rsa: Thumbprint = "oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA".parse().unwrap();
    assert!(rsa.is_published_test_key());
    assert!(!own_key().thumbprint().is_published_test_key());
    let text = serde_json::to_string(&rsa).unwrap();
    assert_eq!(serde_json::from_str::<Thumbprint>(&text).unwrap(), rsa);
    assert!(serde_json::from_str::<Thumbprint>("\"short\"").is_err());
}
