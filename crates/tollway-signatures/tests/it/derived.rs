//! The values of derived components and of serialised fields: raw, and exactly as the standard says.

use tollway_signatures::{Component, Message, Reason, base};

use crate::corpus::{strict_outcome, strict_request};

#[test]
fn threat_76_the_raw_target_is_what_counts() {
    let signed = strict_request();
    let at = |target: &str| {
        let names = ["signature-agent", "payment", "content-digest", "signature-input", "signature"];
        let start = Message::request("POST", "https", "news.example", target);
        let message = names.iter().fold(start, |message, name| {
            use tollway_signatures::Components as _;
            message.with(name, signed.field(name).unwrap().single().unwrap())
        });
        strict_outcome(&message).map(|_| ())
    };
    assert_eq!(at("/a%20b?page=2"), Ok(()));
    for other in [
        "/a+b?page=2",
        "/A%20b?page=2",
        "/a%20B?page=2",
        "//a%20b?page=2",
        "/./a%20b?page=2",
        "/x/../a%20b?page=2",
        "/a%20b/?page=2",
        "/a%2520b?page=2",
        "/%61%20b?page=2",
        "/a%20b?page=2&",
        "/a%20b?&page=2",
        "/a%20b?page=%32",
        "/a%20b?page=02",
        "/a%20b??page=2",
        "/a%20b?PAGE=2",
        "/a%20b?page=2#",
        "/a%20b%3Fpage=2",
        "/a%20b;x?page=2",
        "/a b?page=2",
        "a%20b?page=2",
        "*",
        "https://news.example/a%20b?page=2",
        "/a%20b?page=2\n",
        "/a%20b?page=2 HTTP/1.1",
    ] {
        let outcome = at(other).unwrap_err();
        assert!(matches!(outcome, Reason::SignatureInvalid | Reason::ComponentMissing), "{other}: {outcome:?}");
    }
}

#[test]
fn threat_76_derived_components_have_the_standards_values() {
    let names = ["@method", "@scheme", "@authority", "@path", "@query", "@target-uri"];
    let components: Vec<_> = names.map(Component::new).to_vec();
    let values = |message: &Message| {
        let base = base::build(message, &components, "()").unwrap();
        base.lines().take(6).map(|line| line.split_once("\": ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    for (scheme, authority, target, expected) in [
        ("https", "EXAMPLE.com:443", "/p?q", ["https", "example.com", "/p", "?q", "https://example.com/p?q"]),
        ("HTTPS", "example.com:80", "/", ["https", "example.com:80", "/", "?", "https://example.com:80/"]),
        ("http", "example.com:80", "", ["http", "example.com", "/", "?", "http://example.com/"]),
        ("https", "example.com:", "?x=1", ["https", "example.com", "/", "?x=1", "https://example.com/?x=1"]),
        ("https", "[2606:4700::1]:443", "/?", ["https", "[2606:4700::1]", "/", "?", "https://[2606:4700::1]/?"]),
    ] {
        let got = values(&Message::request("GET", scheme, authority, target));
        assert_eq!(got[0], "GET");
        assert_eq!(got[1..], expected);
    }
    for authority in ["", "user@example.com", "a.example,b.example", "a.example/x", "a b"] {
        let message = Message::request("GET", "https", authority, "/");
        let refusal = base::build(&message, &[Component::new("@authority")], "()").unwrap_err();
        assert_eq!(refusal.reason, Reason::ComponentMissing, "{authority}");
    }
}

#[test]
fn threat_76_only_the_origin_form_has_a_path() {
    for target in ["*", "a", "https://a.example/", "a.example:443", "/a b", "/a#b"] {
        let message = Message::request("GET", "https", "a.example", target);
        for name in ["@path", "@query", "@target-uri"] {
            let refusal = base::build(&message, &[Component::new(name)], "()").unwrap_err();
            assert_eq!(refusal.reason, Reason::ComponentMissing, "{name} of {target}");
        }
    }
}

#[test]
fn field_values_cannot_forge_a_second_line() {
    for value in ["a\n\"@path\": /free", "a\rb", "a\0b", "caf\u{e9}", "\u{7f}"] {
        let message = Message::request("GET", "https", "a.example", "/").with("date", value);
        let refusal = base::build(&message, &[Component::new("date")], "()").unwrap_err();
        assert_eq!(refusal.reason, Reason::ComponentMissing, "{value:?}");
        base::build(&message, &[Component::new("date").bs()], "()").unwrap();
    }
}

#[test]
fn serialisations_of_fields_follow_the_standard() {
    let message = Message::request("GET", "https", "a.example", "/?a=1&b=x+y")
        .with("priority", " u=1;x=1;y=2,   i=?1")
        .with("priority", "\tz=(a   b c)  ")
        .with("x-empty", "");
    let value = |component: Component| {
        let base = base::build(&message, &[component], "()").unwrap();
        base.lines().next().unwrap().to_owned()
    };
    assert_eq!(value(Component::new("priority")), "\"priority\": u=1;x=1;y=2,   i=?1, z=(a   b c)");
    assert_eq!(value(Component::new("priority").sf()), "\"priority\";sf: u=1;x=1;y=2, i, z=(a b c)");
    assert_eq!(value(Component::new("priority").key("u")), "\"priority\";key=\"u\": 1;x=1;y=2");
    assert_eq!(value(Component::new("priority").key("i")), "\"priority\";key=\"i\": ?1");
    assert_eq!(value(Component::new("priority").key("z")), "\"priority\";key=\"z\": (a b c)");
    assert_eq!(
        value(Component::new("priority").bs()),
        "\"priority\";bs: :dT0xO3g9MTt5PTIsICAgaT0/MQ==:, :ej0oYSAgIGIgYyk=:"
    );
    assert_eq!(value(Component::new("x-empty")), "\"x-empty\": ");
    assert_eq!(value(Component::query_param("b")), "\"@query-param\";name=\"b\": x%20y");
    let guess = base::build(&message, &[Component::new("x-empty").sf()], "()").unwrap_err();
    assert_eq!(guess.reason, Reason::UnsupportedComponentParam);
}
