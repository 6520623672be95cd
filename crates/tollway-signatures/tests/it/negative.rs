//! The sixteen negative cases, (a) to (p), each applied to every vector it fits, with the exact outcome.

use tollway_signatures::{Message, NonceRule, Policy, Reason, Unverified};

use crate::corpus::{CREATED, Row, agent_rows};

/// Applies `change` to each agent vector; `None` means the case does not fit it. Returns how many it fitted.
fn each(case: &str, change: impl Fn(&Row) -> Option<Message>, expected: impl Fn(&Row) -> Result<(), Reason>) -> usize {
    let mut fitted = 0;
    for row in agent_rows() {
        if let Some(message) = change(&row) {
            let outcome = row.outcome(&message).map(|_| ());
            assert_eq!(outcome, expected(&row), "case {case} on {}", row.name);
            fitted += 1;
        }
    }
    fitted
}

fn with_field(row: &Row, name: &str, value: &str) -> Message {
    row.request().without(name).with(name, value)
}

fn with_input(row: &Row, change: impl Fn(&str) -> String) -> Message {
    with_field(row, "signature-input", &change(&row.input()))
}

fn with_agent(row: &Row, url: &str) -> Option<Message> {
    let sent = row.field("signature-agent")?;
    let (start, _) = sent.split_once('"')?;
    Some(with_field(row, "signature-agent", &format!("{start}\"{url}\"")))
}

#[test]
fn a_one_byte_of_a_covered_field_changed() {
    let payment = |row: &Row| {
        let field = row.payment_field()?;
        let mut value = row.field(field)?.into_bytes();
        let last = value.iter().rposition(u8::is_ascii_alphanumeric)?;
        value[last] ^= 1;
        Some(with_field(row, field, std::str::from_utf8(&value).ok()?))
    };
    assert_eq!(each("a", payment, |_| Err(Reason::SignatureInvalid)), 5);
    let agent = |row: &Row| with_agent(row, "https://another-agent.test");
    assert_eq!(each("a", agent, |_| Err(Reason::SignatureInvalid)), 7);
    let authority = |row: &Row| Some(row.request_to("evil.example", row.text("path_and_query")));
    let outcome = |row: &Row| {
        if row.covers("@authority") { Err(Reason::SignatureInvalid) } else { Ok(()) }
    };
    assert_eq!(each("a", authority, outcome), 9);
}

#[test]
fn b_another_path_is_noticed_only_where_the_path_is_covered() {
    let moved = |row: &Row| Some(row.request_to(row.text("authority"), "/another"));
    let outcome = |row: &Row| match row.name.as_str() {
        "T8" | "T10" => Err(Reason::SignatureInvalid),
        _ => Ok(()),
    };
    assert_eq!(each("b", moved, outcome), 9);
}

#[test]
fn c_the_same_nonce_twice_gives_the_books_the_same_key_twice() {
    for row in agent_rows() {
        let first = row.outcome(&row.request()).unwrap();
        let again = row.outcome(&row.request()).unwrap();
        assert_eq!((first.thumbprint(), first.nonce()), (again.thumbprint(), again.nonce()));
        assert_eq!((first.base(), first.signature()), (again.base(), again.signature()));
        let required = Policy { nonce: NonceRule::Required, ..row.policy() };
        let outcome = Unverified::read(&row.request(), &required).map(|_| ()).map_err(|refusal| refusal.reason);
        let expected = if first.nonce().is_some() { Ok(()) } else { Err(Reason::NonceMissing) };
        assert_eq!(outcome, expected, "{}", row.name);
    }
}

#[test]
fn d_expired_by_one_second_more_than_clocks_may_differ() {
    for row in agent_rows() {
        let verified = row.outcome(&row.request()).unwrap();
        let last = verified.expires() + row.policy().skew;
        assert_eq!(row.outcome_at(&row.request(), last).map(|_| ()), Ok(()), "{}", row.name);
        assert_eq!(row.outcome_at(&row.request(), last + 1).unwrap_err(), Reason::Expired, "{}", row.name);
    }
}

#[test]
fn e_created_one_second_further_ahead_than_clocks_may_differ() {
    for row in agent_rows() {
        let first = CREATED - row.policy().skew;
        assert_eq!(row.outcome_at(&row.request(), first).map(|_| ()), Ok(()), "{}", row.name);
        assert_eq!(row.outcome_at(&row.request(), first - 1).unwrap_err(), Reason::CreatedInFuture, "{}", row.name);
    }
}

#[test]
fn f_a_component_covered_twice() {
    let doubled = |row: &Row| {
        Some(with_input(row, |input| {
            let (start, rest) = input.split_once('(').unwrap();
            let first = rest.split([' ', ')']).next().unwrap();
            format!("{start}({first} {rest}")
        }))
    };
    assert_eq!(each("f", doubled, |_| Err(Reason::DuplicateComponent)), 9);
}

#[test]
fn g_a_key_that_names_no_member() {
    let lost = |row: &Row| {
        Some(with_input(row, |input| {
            let plain = input.replace("\"signature-agent\";key=\"agent2\"", "\"signature-agent\"");
            let plain = plain.replace("\"signature-agent\";key=\"sig1\"", "\"signature-agent\"");
            if plain.contains("\"signature-agent\"") {
                plain.replace("\"signature-agent\"", "\"signature-agent\";key=\"zzz\"")
            } else {
                plain.replace(")", " \"signature-agent\";key=\"zzz\")")
            }
        }))
    };
    assert_eq!(each("g", lost, |_| Err(Reason::ComponentMissing)), 9);
}

#[test]
fn h_a_bare_host_as_agent() {
    let bare = |row: &Row| {
        row.field("signature-agent")?;
        Some(with_field(row, "signature-agent", "signer.example.com"))
    };
    // Where the signature covers a member, the bare host has no such member.
    let outcome = |row: &Row| match row.name.as_str() {
        "T4" | "T10" => Err(Reason::ComponentMissing),
        _ => Err(Reason::AgentMalformed),
    };
    assert_eq!(each("h", bare, outcome), 7);
    let quoted = |row: &Row| with_agent(row, "signer.example.com");
    assert_eq!(each("h", quoted, |_| Err(Reason::AgentMalformed)), 7);
}

#[test]
fn i_an_http_agent() {
    let http = |row: &Row| with_agent(row, "http://signer.example.com");
    assert_eq!(each("i", http, |_| Err(Reason::AgentNotHttps)), 7);
}

#[test]
fn j_an_agent_at_a_private_address() {
    for host in ["169.254.169.254", "10.0.0.1", "127.0.0.1", "[::1]", "[fd00::1]"] {
        let inside = |row: &Row| with_agent(row, &format!("https://{host}"));
        assert_eq!(each("j", inside, |_| Err(Reason::AgentForbiddenAddress)), 7);
    }
}

#[test]
fn k_times_as_text() {
    for name in ["created", "expires"] {
        let quoted = |row: &Row| {
            Some(with_input(row, |input| {
                let (start, rest) = input.split_once(&format!("{name}=")).unwrap();
                let (digits, rest) = rest.split_once(';').unwrap();
                format!("{start}{name}=\"{digits}\";{rest}")
            }))
        };
        assert_eq!(each("k", quoted, |_| Err(Reason::ParamType)), 9);
    }
}

#[test]
fn l_a_single_valued_field_on_two_lines() {
    let payments = |row: &Row| {
        let field = row.payment_field()?;
        Some(row.request().with(field, row.field(field)?))
    };
    assert_eq!(each("l", payments, |_| Err(Reason::FieldRepeated)), 5);
    let agents = |row: &Row| Some(row.request().with("signature-agent", row.field("signature-agent")?));
    assert_eq!(each("l", agents, |_| Err(Reason::FieldRepeated)), 7);
}

#[test]
fn m_a_label_without_its_partner() {
    let renamed = |row: &Row| {
        let signature = row.field("signature")?;
        Some(with_field(row, "signature", &format!("other{signature}")))
    };
    assert_eq!(each("m", renamed, |_| Err(Reason::LabelMismatch)), 9);
    let none = |row: &Row| Some(row.request().without("signature"));
    assert_eq!(each("m", none, |_| Err(Reason::MissingSignature)), 9);
}

#[test]
fn n_strangers_labels_never_cause_a_refusal() {
    let strangers = [
        r#"proxy=("@method");created=1;keyid="x";tag="proxy""#,
        r#"proxy=();tag="proxy""#,
        r#"proxy=("@nonsense";odd "x" "x");created="1";created=2"#,
        "proxy=?1",
        "proxy=(token 1 2.5)",
        r#"proxy=("a"), proxy=("b")"#,
    ];
    for stranger in strangers {
        let after = |row: &Row| {
            let signature = row.field("signature")?;
            let message = with_field(row, "signature-input", &format!("{}, {stranger}", row.input()));
            Some(message.without("signature").with("signature", format!("{signature}, proxy=:AA==:")))
        };
        assert_eq!(each("n", after, |_| Ok(())), 9);
        let before = |row: &Row| {
            let message = row.request().without("signature-input").with("signature-input", stranger);
            Some(message.with("signature-input", row.input()))
        };
        assert_eq!(each("n", before, |_| Ok(())), 9);
    }
}

#[test]
fn o_parameters_in_any_order_when_signed_so() {
    for turn in 1..5 {
        let permuted = |row: &Row| {
            let input = row.input();
            let (list, params) = input.split_at(input.find(')')? + 1);
            let mut params: Vec<_> = params.split(';').filter(|param| !param.is_empty()).collect();
            let places = turn % params.len();
            params.rotate_left(places);
            Some(row.resigned(row.request(), &format!("{list};{}", params.join(";"))))
        };
        assert_eq!(each("o", permuted, |_| Ok(())), 9);
        let unsigned = |row: &Row| {
            let message = permuted(row)?;
            Some(message.without("signature").with("signature", row.field("signature")?))
        };
        assert_eq!(each("o", unsigned, |_| Err(Reason::SignatureInvalid)), 9);
    }
}

#[test]
fn p_optional_white_space_changes_nothing() {
    let parameters = |row: &Row| Some(with_input(row, |input| input.replace(";created", ";  created")));
    assert_eq!(each("p", parameters, |_| Ok(())), 9);
    let list = |row: &Row| {
        let spaced =
            |input: &str| format!("  {} ", input.replace('(', "( ").replace(')', "  )").replace("\" \"", "\"   \""));
        Some(with_input(row, spaced))
    };
    assert_eq!(each("p", list, |_| Ok(())), 9);
    let lines = |row: &Row| {
        let field = row.payment_field()?;
        let value = row.field(field)?;
        Some(with_field(row, field, &format!(" \t{value}  ")))
    };
    assert_eq!(each("p", lines, |_| Ok(())), 5);
}
