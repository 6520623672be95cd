//! Fields, components, parameters and agents of a wrong form: each is refused with its own reason.

use tollway_signatures::{AgentPolicy, Component, Policy, Reason, SignatureParams, Unverified, sign};

use crate::corpus::{
    CREATED, changed, own_key, params, resigned, row, sign_again, strict_components, strict_outcome, strict_request,
    unsigned_request,
};

#[test]
fn threat_73_nothing_of_ones_own_may_be_there_twice() {
    assert_eq!(changed(|input| format!("{input}, {input}")), Err(Reason::MalformedSignatureInput));
    assert_eq!(
        changed(|input| format!("sig1=(\"@method\");tag=\"proxy\", {input}")),
        Err(Reason::MalformedSignatureInput)
    );
    assert_eq!(changed(|input| format!("{input}, sig1=?0")), Err(Reason::MalformedSignatureInput));
    assert_eq!(changed(|input| format!("{input};created={CREATED}")), Err(Reason::MalformedSignatureInput));
    assert_eq!(changed(|input| format!("{input};x=1;x=2")), Err(Reason::MalformedSignatureInput));
    assert_eq!(
        changed(|input| input.replace(";key=\"sig1\"", ";key=\"sig1\";key=\"sig1\"")),
        Err(Reason::UnsupportedComponentParam)
    );
    let twice = |name: &str, value: &str| {
        let message = strict_request();
        strict_outcome(&message.without(name).with(name, value)).map(|_| ())
    };
    let agents = r#"sig1="https://crawler.example", sig1="https://crawler.example""#;
    assert_eq!(twice("signature-agent", agents), Err(Reason::FieldRepeated));
    let parameters = r#"sig1="https://crawler.example";a=1;a=2"#;
    assert_eq!(twice("signature-agent", parameters), Err(Reason::FieldRepeated));
    assert_eq!(twice("signature", "sig1=:AA==:, sig1=:AA==:"), Err(Reason::MalformedSignature));
}

#[test]
fn threat_73_odd_grammar_is_refused() {
    for odd in [
        "",
        ",",
        "sig1",
        "sig1=",
        "Sig1=()",
        "sig1=(",
        "sig1=)",
        "sig1=(\"@method\"",
        "sig1=(\"@method)",
        "sig1=(\"@method\"),",
        "sig1=(\"@method\"\"@path\");created=1",
        "sig1=(\"@method\" ,\"@path\")",
        "sig1=(\u{a0}\"@method\")",
        "sig1=(\"@m\u{e9}thod\")",
        "sig1=(\"@method\");created=01234567890123456",
        "sig1=(\"@method\");created=--1",
        "sig1=(\"@method\");Created=1",
        "sig1=(\"@method\\q\")",
        "sig1=(\"@method\"\t)",
        "sig1 = (\"@method\")",
        "sig1=(\"@method\");created =1",
        "sig1=((\"@method\"))",
    ] {
        let outcome = changed(|_| odd.to_owned()).unwrap_err();
        assert!(matches!(outcome, Reason::MalformedSignatureInput | Reason::NoAcceptedTag), "{odd}: {outcome:?}");
    }
    let tagged = |list: &str| changed(|_| format!("sig1={list};created=1;expires=2;keyid=\"x\";tag=\"web-bot-auth\""));
    assert_eq!(tagged("()"), Err(Reason::EmptyComponents));
    assert_eq!(tagged("?1"), Err(Reason::NoAcceptedTag));
    assert_eq!(tagged("(token)"), Err(Reason::MalformedSignatureInput));
    assert_eq!(tagged("(1)"), Err(Reason::MalformedSignatureInput));
    let many: Vec<_> = (0..33).map(|index| format!("\"x-{index}\"")).collect();
    assert_eq!(tagged(&format!("({})", many.join(" "))), Err(Reason::MalformedSignatureInput));
    assert_eq!(changed(|input| format!("{input};x=\"{}\"", "x".repeat(8192))), Err(Reason::MalformedSignatureInput));
}

#[test]
fn components_without_meaning_are_refused() {
    let replaced = |with: &str| changed(|input| input.replace("\"@method\"", with));
    for unknown in ["@query-params", "@request-target", "@signature-params", "@Method", "Payment", "", "a b", "@"] {
        assert_eq!(replaced(&format!("\"{unknown}\"")), Err(Reason::UnknownComponent), "{unknown}");
    }
    for odd in [
        "\"date\";tr",
        "\"date\";x",
        "\"date\";sf=?0",
        "\"date\";key=a",
        "\"date\";key",
        "\"date\";bs;sf",
        "\"date\";bs;key=\"a\"",
        "\"@method\";key=\"a\"",
        "\"@method\";sf",
        "\"@method\";bs",
        "\"@method\";name=\"a\"",
        "\"date\";name=\"a\"",
        "\"@query-param\"",
        "\"@query-param\";name",
        "\"date\";req=\"1\"",
        "\"date\";sf;sf",
    ] {
        assert_eq!(replaced(odd), Err(Reason::UnsupportedComponentParam), "{odd}");
    }
    for absent in ["\"@status\"", "\"date\"", "\"@method\";req", "\"date\";req", "\"@query-param\";name=\"none\""] {
        assert_eq!(
            changed(|input| input.replace("(", &format!("({absent} "))),
            Err(Reason::ComponentMissing),
            "{absent}"
        );
    }
}

#[test]
fn identifiers_are_equal_whatever_the_order_of_their_parameters() {
    let query = |text: &str| text.parse::<Component>().unwrap();
    let one = query("\"@query-param\";name=\"a\";req");
    assert_eq!(one, query("\"@query-param\";req;name=\"a\""));
    for other in ["name=\"b\";req", "name=\"a\"", "name=\"req\";req"] {
        assert_ne!(one, query(&format!("\"@query-param\";{other}")), "{other}");
    }
    let twice = |second: &str| changed(|input| input.replace("(", &format!("(\"payment\";key=\"id\";req {second} ")));
    assert_eq!(twice("\"payment\";req;key=\"id\""), Err(Reason::DuplicateComponent));
    assert_eq!(twice("\"payment\";req;key=\"no\""), Err(Reason::ComponentMissing));
    for text in ["", "\"a\" \"b\"", "\"a\"), y=(\"b\"", "a", "\"a\";tr", "(\"a\")"] {
        assert!(text.parse::<Component>().is_err(), "{text}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let without = |param: &str| {
        resigned(|input| {
            let start = input.find(&format!(";{param}=")).unwrap();
            let length = input[start + 1..].find(';').map_or(input.len() - start, |at| at + 1);
            format!("{}{}", &input[..start], &input[start + length..])
        })
    };
    assert_eq!(without("nonce"), Err(Reason::NonceMissing));
    assert_eq!(without("keyid"), Err(Reason::ParamMissing));
    assert_eq!(without("tag"), Err(Reason::NoAcceptedTag));
    assert_eq!(without("alg"), Ok(()));
    let field = |name: &str| strict_outcome(&strict_request().without(name)).map(|_| ());
    assert_eq!(field("signature-input"), Err(Reason::MissingSignature));
    assert_eq!(field("signature"), Err(Reason::MissingSignature));
    assert_eq!(field("signature-agent"), Err(Reason::AgentMissing));
    assert_eq!(field("payment"), Err(Reason::ComponentMissing));
    assert_eq!(field("content-digest"), Err(Reason::ComponentMissing));
    assert_eq!(resigned(|input| input.replace("web-bot-auth", "web-bot-auth2")), Err(Reason::NoAcceptedTag));
    assert_eq!(resigned(|input| input.replace("web-bot-auth", "agent-browser-auth")), Ok(()));
}

#[test]
fn signatures_of_a_wrong_form_are_refused() {
    let signature =
        |value: &str| strict_outcome(&strict_request().without("signature").with("signature", value)).unwrap_err();
    // The announcement prints the first one.
    for odd in [
        "sig1=abc==",
        "sig1=\"abc\"",
        "sig1=abc",
        "sig1",
        "sig1=(:AA==:)",
        "sig1=:A!:",
        "sig1=::",
        "sig1=:AA==:",
        "sig1=:AA==:;x",
    ] {
        assert_eq!(signature(odd), Reason::MalformedSignature, "{odd}");
    }
    let genuine = sign(&unsigned_request(), "sig1", &strict_components(), &params(), &own_key());
    let genuine = genuine.unwrap().signature;
    assert_eq!(signature(&format!("{genuine};x")), Reason::MalformedSignature);
    assert_eq!(signature("sig2=:AA==:"), Reason::LabelMismatch);
    assert_eq!(signature(&format!("sig1=:{}:", "A".repeat(8192))), Reason::MalformedSignature);
}

#[test]
fn too_many_signatures_are_refused_before_any_work() {
    let one = |label: usize| format!("s{label}=(\"@method\");created=1;expires=2;keyid=\"x\";tag=\"web-bot-auth\"");
    let many = |count| (0..count).map(one).collect::<Vec<_>>().join(", ");
    assert_eq!(changed(|_| many(5)), Err(Reason::TooManySignatures));
    assert_eq!(changed(|_| many(4)), Err(Reason::NonceMissing));
    // One that keeps the policy is found among others that do not.
    assert_eq!(changed(|input| format!("{}, {input}", many(3))), Ok(()));
}

#[test]
fn threat_78_a_nonce_is_text_of_limited_length() {
    let nonce = |value: &str| resigned(|input| input.replace("\"AAECAwQFBgcICQoLDA0ODw==\"", value));
    assert_eq!(nonce("\"\""), Err(Reason::NonceMissing));
    assert_eq!(nonce(&format!("\"{}\"", "n".repeat(256))), Ok(()));
    assert_eq!(nonce(&format!("\"{}\"", "n".repeat(257))), Err(Reason::ParamType));
    for odd in [":AAEC:", "abc", "12", "?1"] {
        assert_eq!(nonce(odd), Err(Reason::ParamType), "{odd}");
    }
    // Every other spelling of a nonce is another signed text, so nobody but the key's holder can respell it.
    let outcome = changed(|input| input.replace("AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0ODw"));
    assert_eq!(outcome, Err(Reason::SignatureInvalid));
}

#[test]
fn agents_of_other_forms_are_refused() {
    let agent = |value: &str, cover: &str| {
        let message = unsigned_request().without("signature-agent").with("signature-agent", value);
        let signed = sign(&unsigned_request(), "sig1", &strict_components(), &params(), &own_key()).unwrap();
        let input = signed.signature_input.replace("\"signature-agent\";key=\"sig1\"", cover);
        let outcome = strict_outcome(&sign_again(message, "sig1", &input, &own_key()));
        outcome.map(|verified| verified.agent().unwrap().as_str().to_owned())
    };
    let (whole, member) = ("\"signature-agent\"", "\"signature-agent\";key=\"sig1\"");
    let crawler = || Ok("https://crawler.example".to_owned());
    assert_eq!(agent("\"https://crawler.example\"", whole), crawler());
    assert_eq!(agent("a=\"https://crawler.example\"", whole), crawler());
    assert_eq!(agent("a=\"https://a.example\", sig1=\"https://crawler.example\"", whole), crawler());
    assert_eq!(agent("a=\"https://a.example\", sig1=\"https://crawler.example\"", member), crawler());
    assert_eq!(agent("sig1=\"https://crawler.example\";type=directory", member), crawler());
    assert_eq!(agent("sig1=\"https://crawler.example\";type=\"directory\"", member), crawler());
    for kind in ["cimd", "jwks_uri", "\"cimd\"", "1"] {
        let outcome = agent(&format!("sig1=\"https://crawler.example\";type={kind}"), member);
        assert_eq!(outcome, Err(Reason::AgentMalformed), "{kind}");
    }
    for odd in ["sig1", "sig1=token", "sig1=(\"https://crawler.example\")", "sig1=1"] {
        assert_eq!(agent(odd, member), Err(Reason::AgentMalformed), "{odd}");
    }
    for odd in [
        "\"https://crawler.example\", \"https://b.example\"",
        "\"https://crawler.example",
        "crawler.example",
        "<>",
        "a b",
        "?1",
    ] {
        assert_eq!(agent(odd, whole), Err(Reason::AgentMalformed), "{odd}");
    }
    let twice = "sig1=\"https://crawler.example\", sig1=\"https://b.example\"";
    assert_eq!(agent(twice, whole), Err(Reason::FieldRepeated));
    assert_eq!(agent("", whole), Err(Reason::AgentMissing));
    let both = format!("{whole} {member}");
    assert_eq!(agent("sig1=\"https://crawler.example\"", &both), Err(Reason::AgentMalformed));
    assert_eq!(agent("sig1=\"https://crawler.example\"", "\"signature-agent\";bs"), Err(Reason::AgentNotCovered));
}

#[test]
fn a_bare_host_is_an_agent_only_where_allowed() {
    let agent = AgentPolicy { allow_bare_host: true, ..AgentPolicy::default() };
    let row = row("T7");
    let message = row.request().without("signature-agent").with("signature-agent", "signer.example.com");
    let message = row.resigned(message, &row.input());
    let mut policy = Policy::published("payment", agent);
    policy.allow_test_keys = true;
    let presented = Unverified::read(&message, &policy).unwrap();
    assert_eq!(presented.agent().unwrap().as_str(), "https://signer.example.com");
    assert_eq!(row.outcome(&message).unwrap_err(), Reason::AgentMalformed);
}

#[test]
fn a_signer_cannot_sign_what_no_verifier_accepts() {
    let reason = |label: &str, components: &[Component], params: &SignatureParams| {
        sign(&unsigned_request(), label, components, params, &own_key()).unwrap_err().reason
    };
    let all = strict_components();
    assert_eq!(reason("Sig1", &all, &params()), Reason::MalformedSignatureInput);
    assert_eq!(reason("", &all, &params()), Reason::MalformedSignatureInput);
    assert_eq!(reason("sig1", &[], &params()), Reason::EmptyComponents);
    assert_eq!(reason("sig1", &[all[0].clone(), all[0].clone()], &params()), Reason::DuplicateComponent);
    assert_eq!(reason("sig1", &[Component::new("date")], &params()), Reason::ComponentMissing);
    assert_eq!(reason("sig1", &all, &SignatureParams { expires: CREATED, ..params() }), Reason::ExpiresBeforeCreated);
    assert_eq!(reason("sig1", &all, &SignatureParams { keyid: "key".into(), ..params() }), Reason::ThumbprintMismatch);
    assert_eq!(reason("sig1", &all, &SignatureParams { alg: Some("x".into()), ..params() }), Reason::AlgMismatch);
    assert_eq!(reason("sig1", &all, &params().with_nonce("caf\u{e9}")), Reason::ParamType);
    assert_eq!(reason("sig1", &all, &SignatureParams { expires: 1 << 60, ..params() }), Reason::ParamType);
    assert_eq!(reason("sig1", &[Component::new("date").key("\n")], &params()), Reason::ComponentMissing);
}
