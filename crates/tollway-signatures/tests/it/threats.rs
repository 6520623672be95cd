//! What attackers try against a genuine signature, by the row of the threat list it answers.

use tollway_signatures::{Message, Policy, Reason, Refusal, Signer as _, Thumbprint, Unverified, Verifier, sign};

use crate::corpus::{
    CREATED, PAYMENT, changed, own_key, params, resigned, row, sign_again, strict_components, strict_outcome,
    strict_policy, strict_request, unsigned_request,
};

#[test]
fn threat_29_removing_any_component_is_refused() {
    assert_eq!(strict_outcome(&strict_request()).map(|_| ()), Ok(()));
    for left_out in strict_components() {
        let kept: Vec<_> = strict_components().into_iter().filter(|component| *component != left_out).collect();
        let signed = sign(&unsigned_request(), "sig1", &kept, &params(), &own_key()).unwrap();
        let message =
            unsigned_request().with("signature-input", signed.signature_input).with("signature", signed.signature);
        let agent = left_out.name() == "signature-agent";
        let expected = if agent { Reason::AgentNotCovered } else { Reason::ComponentNotCovered };
        assert_eq!(strict_outcome(&message).unwrap_err(), expected, "{left_out}");
    }
}

#[test]
fn threat_29_changing_any_covered_part_is_refused() {
    let copy = |target: Message| {
        let signed = sign(&unsigned_request(), "sig1", &strict_components(), &params(), &own_key()).unwrap();
        target.with("signature-input", signed.signature_input).with("signature", signed.signature)
    };
    let fields = |message: Message| {
        message
            .with("signature-agent", r#"sig1="https://crawler.example""#)
            .with("payment", PAYMENT)
            .with("content-digest", tollway_signatures::digest::make(b"body"))
    };
    let request = |method, host, target| fields(Message::request(method, "https", host, target));
    let replaced = |name: &str, value: &str| unsigned_request().without(name).with(name, value);
    assert_eq!(strict_outcome(&copy(request("POST", "news.example", "/a%20b?page=2"))).map(|_| ()), Ok(()));
    for message in [
        request("GET", "news.example", "/a%20b?page=2"),
        request("post", "news.example", "/a%20b?page=2"),
        request("POST", "evil.example", "/a%20b?page=2"),
        request("POST", "news.example:8443", "/a%20b?page=2"),
        request("POST", "news.example", "/a?page=2"),
        request("POST", "news.example", "/a%20b?page=3"),
        request("POST", "news.example", "/a%20b"),
        replaced("payment", &PAYMENT.replace("offer1", "offer2")),
        replaced("content-digest", &tollway_signatures::digest::make(b"other")),
        replaced("signature-agent", r#"sig1="https://another.example""#),
    ] {
        assert_eq!(strict_outcome(&copy(message)).unwrap_err(), Reason::SignatureInvalid);
    }
}

#[test]
fn threat_29_part_of_a_payment_field_is_not_the_field() {
    for part in [r#""payment";key="id""#, r#""payment";sf"#, r#""payment";bs"#] {
        let outcome = resigned(|input| input.replace("\"payment\"", part));
        assert_eq!(outcome, Err(Reason::ComponentNotCovered), "{part}");
    }
}

#[test]
fn target_uri_stands_for_its_parts_but_not_for_the_method() {
    let parts = r#""@authority" "@path" "@query""#;
    assert_eq!(resigned(|input| input.replace(parts, "\"@target-uri\"")), Ok(()));
    let all = format!("\"@method\" {parts}");
    assert_eq!(resigned(|input| input.replace(&all, "\"@target-uri\"")), Err(Reason::ComponentNotCovered));
}

#[test]
fn target_uri_stands_for_parts_of_its_own_message_only() {
    let parts = r#""@authority" "@path" "@query""#;
    let outcome = changed(|input| input.replace(parts, "\"@target-uri\";req"));
    assert_eq!(outcome, Err(Reason::ComponentNotCovered));
}

#[test]
fn threat_65_every_second_round_the_window() {
    let verified = strict_outcome(&strict_request()).unwrap();
    for skew in [0, 1, 30] {
        for now in (CREATED - 40..CREATED + 120).chain([0, 1, u64::MAX - 1, u64::MAX]) {
            let expected = if i128::from(CREATED) > i128::from(now) + i128::from(skew) {
                Err(Reason::CreatedInFuture)
            } else if i128::from(now) > i128::from(CREATED) + 60 + i128::from(skew) {
                Err(Reason::Expired)
            } else {
                Ok(())
            };
            assert_eq!(verified.in_window(now, skew).map_err(|refusal| refusal.reason), expected, "{now} {skew}");
        }
    }
    assert!(verified.in_window(u64::MAX, u64::MAX).is_ok());
}

#[test]
fn threat_65_lifetimes_and_types_of_times() {
    let with_times = |created: &str, expires: &str| {
        resigned(|input| {
            let input = input.replace(&format!(";created={CREATED}"), created);
            input.replace(&format!(";expires={}", CREATED + 60), expires)
        })
    };
    let c = format!(";created={CREATED}");
    let expires = |lifetime: u64| format!(";expires={}", CREATED + lifetime);
    assert_eq!(with_times(&c, &expires(300)), Ok(()));
    assert_eq!(with_times(&c, &expires(301)), Err(Reason::LifetimeTooLong));
    assert_eq!(with_times(&c, ";expires=999999999999999"), Err(Reason::LifetimeTooLong));
    assert_eq!(with_times(&c, &expires(0)), Err(Reason::ExpiresBeforeCreated));
    assert_eq!(with_times(&c, &format!(";expires={}", CREATED - 1)), Err(Reason::ExpiresBeforeCreated));
    assert_eq!(with_times(&c, ""), Err(Reason::ParamMissing));
    assert_eq!(with_times("", &expires(60)), Err(Reason::ParamMissing));
    assert_eq!(with_times(";created=0", ";expires=60"), Err(Reason::Expired));
    for odd in ["-1", "1.0", "\"1\"", "@1735689600", "abc", "?1", ":AA==:", "%\"1\""] {
        assert_eq!(with_times(&format!(";created={odd}"), &expires(60)), Err(Reason::ParamType), "{odd}");
        assert_eq!(with_times(&c, &format!(";expires={odd}")), Err(Reason::ParamType), "{odd}");
    }
    assert_eq!(changed(|input| input.replace("created=", "created=1234567")), Err(Reason::MalformedSignatureInput));
}

struct Pretender(&'static str);

impl Verifier for Pretender {
    fn algorithm(&self) -> &'static str {
        self.0
    }

    fn thumbprint(&self) -> &Thumbprint {
        static THUMBPRINT: std::sync::LazyLock<Thumbprint> = std::sync::LazyLock::new(|| own_key().thumbprint());
        &THUMBPRINT
    }

    fn verify(&self, base: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        own_key().public().verify(base, signature)
    }
}

#[test]
fn threat_74_only_the_keys_own_algorithm_is_accepted() {
    const ALL: [&str; 6] =
        ["ed25519", "rsa-pss-sha512", "rsa-v1_5-sha256", "hmac-sha256", "ecdsa-p256-sha256", "ecdsa-p384-sha384"];
    let signed = sign(&unsigned_request(), "sig1", &strict_components(), &params(), &own_key()).unwrap();
    for named in ALL {
        let input = signed.signature_input.replace("\"ed25519\"", &format!("\"{named}\""));
        let message = sign_again(unsigned_request(), "sig1", &input, &own_key());
        let read = |policy: &Policy| Unverified::read(&message, policy).map_err(|refusal| refusal.reason);
        match named {
            "ed25519" => assert!(read(&strict_policy()).is_ok()),
            _ => assert_eq!(read(&strict_policy()).unwrap_err(), Reason::AlgUnsupported),
        }
        let open = Policy { algorithms: ALL.map(str::to_owned).to_vec(), ..strict_policy() };
        for of_key in ALL {
            let outcome = read(&open).unwrap().verify(&Pretender(of_key)).map(|_| ()).map_err(|refusal| refusal.reason);
            let expected = if named == of_key { Ok(()) } else { Err(Reason::AlgMismatch) };
            assert_eq!(outcome, expected, "{named} with a key for {of_key}");
        }
    }
}

#[test]
fn keys_are_known_by_what_they_are() {
    let other = tollway_signatures::PrivateKey::from_seed([9; 32]).public();
    let presented = Unverified::read(&strict_request(), &strict_policy()).unwrap();
    assert_eq!(presented.keyid(), &own_key().thumbprint());
    assert_eq!(presented.verify(&other).unwrap_err().reason, Reason::ThumbprintMismatch);
    let renamed = |keyid: &str| {
        let own = own_key().thumbprint().to_string();
        resigned(|input| input.replace(&own, keyid))
    };
    assert_eq!(renamed("ba3e64=="), Err(Reason::ParamType));
    assert_eq!(renamed(&other.thumbprint().to_string()), Err(Reason::KeyNotFound));
}

#[test]
fn printed_keys_are_refused_unless_allowed() {
    let row = row("T10");
    let policy = Policy { allow_test_keys: false, ..row.policy() };
    assert_eq!(Unverified::read(&row.request(), &policy).unwrap_err().reason, Reason::TestKey);
}
