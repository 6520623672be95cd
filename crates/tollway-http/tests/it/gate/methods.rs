//! Every method is gated, whatever its name.

use tollway_protocol::{Reason as R, header};

use crate::rig::{Rig, Sent, Way, response};

/// The IANA registry of HTTP methods.
const REGISTERED: [&str; 39] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "QUERY",
    "*",
];

const INVENTED: [&str; 20] = [
    "get",
    "Get",
    "GETT",
    "GE",
    "HEADER",
    "FROBNICATE",
    "PAY",
    "X",
    "G-E-T",
    "GET1",
    "_GET",
    "post",
    "TRACE2",
    "CONNECTX",
    "BREW",
    "WHEN",
    "PURGE",
    "BAN",
    "NOTIFY",
    "M-SEARCH",
];

#[tokio::test]
async fn threat_05_no_method_gets_a_priced_resource_unpaid() {
    let rig = Rig::new().await;
    for method in REGISTERED.into_iter().chain(INVENTED) {
        let got = rig.call(&Sent::plain(&rig.site, method, "/paid/a")).await;
        assert_eq!((got.status, rig.origin.runs()), (402, 0), "{method}");
    }
    let other = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    for method in REGISTERED.into_iter().chain(INVENTED) {
        let before = rig.origin.runs();
        let got = rig.call(&Sent::plain(&rig.site, method, "/get/a")).await;
        let free = other.iter().any(|other| other.eq_ignore_ascii_case(method));
        assert_eq!(got.status, if free { 200 } else { 402 }, "{method} where only GET is priced");
        assert_eq!(rig.origin.runs() - before, usize::from(free), "{method}");
    }
}

#[tokio::test]
async fn head_tells_the_price_and_is_never_sold() {
    let rig = Rig::on_a_socket().await;
    let get = rig.send(&Sent::plain(&rig.site, "GET", "/paid/a")).await.unwrap();
    let bytes = crate::rig::raw(rig.address.unwrap(), &Sent::plain(&rig.site, "HEAD", "/paid/a").bytes()).await;
    assert!(bytes.ends_with(b"\r\n\r\n"), "a head only");
    let head = crate::rig::parse(&bytes).unwrap();
    assert_eq!(head.status, 402);
    for name in [header::PAYMENT_REQUIRED, header::CRAWLER_PRICE, "cache-control", "vary", "content-length"] {
        assert_eq!(head.field(name), get.field(name), "{name}");
    }
    let paid = rig.paying(Way::X402, "HEAD", "/paid/a", "1").signed(&rig.agent.key());
    let bytes = crate::rig::raw(rig.address.unwrap(), &paid.bytes()).await;
    assert_eq!(crate::rig::parse(&bytes).unwrap().status, 402);
    assert_eq!((rig.origin.runs(), rig.sales().await), (0, 0));
}

#[tokio::test]
async fn trace_and_connect_are_never_served() {
    let rig = Rig::new().await;
    for method in ["TRACE", "CONNECT"] {
        for target in ["/paid/a", "/free", "/.well-known/tollway/account"] {
            let got = rig.call(&Sent::plain(&rig.site, method, target)).await;
            assert_eq!((got.status, got.reason()), (405, Some(R::MethodNotAllowed)), "{method} {target}");
        }
    }
    assert_eq!(rig.origin.runs(), 0);
}

#[tokio::test]
async fn threat_98_a_preflight_is_answered_by_the_gate() {
    let rig = Rig::new().await;
    for target in ["/paid/a", "/get/a", "/live/a"] {
        let asked = Sent::plain(&rig.site, "OPTIONS", target)
            .add("origin", "https://app.example")
            .add("access-control-request-method", "GET")
            .add("access-control-request-headers", "payment-signature, signature");
        let got = rig.call(&asked).await;
        assert_eq!((got.status, rig.origin.runs()), (204, 0), "{target}");
        assert_eq!(got.field("access-control-allow-origin"), Some("*"));
        assert_eq!(got.field("access-control-allow-methods"), Some("GET"));
        assert_eq!(got.field("access-control-allow-headers"), Some("payment-signature, signature"));
        assert_eq!(got.field("access-control-allow-credentials"), None);
    }
    let demand = rig.call(&Sent::plain(&rig.site, "GET", "/paid/a")).await;
    for name in [header::PAYMENT_REQUIRED, header::CRAWLER_PRICE] {
        assert!(demand.field("access-control-expose-headers").unwrap().contains(name), "{name}");
    }
    let free = Sent::plain(&rig.site, "OPTIONS", "/get/a")
        .add("origin", "https://app.example")
        .add("access-control-request-method", "POST");
    rig.call(&free).await;
    assert_eq!(rig.origin.runs(), 1, "what is free keeps its own preflight");
}

#[tokio::test]
async fn threat_102_no_field_makes_another_method_of_it() {
    let rig = Rig::new().await;
    for name in ["x-http-method-override", "x-http-method", "x-method-override", "x-original-method"] {
        for method in ["GET", "POST", "OPTIONS", "HEAD"] {
            let got = rig.call(&Sent::plain(&rig.site, method, "/paid/a").add(name, "DELETE")).await;
            assert_eq!(got.status, 402, "{name} {method}");
        }
        let got = rig.call(&Sent::plain(&rig.site, "POST", "/get/a").add(name, "GET")).await;
        let seen = rig.origin.last();
        assert_eq!(
            (got.status, seen.method.as_str(), seen.headers.get(name)),
            (200, "POST", None),
            "an origin may obey {name}"
        );
        rig.call(&Sent::plain(&rig.site, "POST", "/free").add(name, "PUT")).await;
        assert_eq!(rig.origin.last().headers.get(name).unwrap(), "PUT", "what no rule speaks of is untouched");
    }
}

#[tokio::test]
async fn threat_88_ranges_conditions_and_upgrades_are_priced_too() {
    let rig = Rig::new().await;
    rig.origin.answer(|| response(206, &[("content-range", "bytes 0-0/10")], "x"));
    for (name, value) in [
        ("range", "bytes=0-0"),
        ("if-none-match", "\"v1\""),
        ("if-modified-since", "Sun, 22 Nov 2026 12:00:00 GMT"),
        ("if-range", "\"v1\""),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
    ] {
        let got = rig.call(&Sent::plain(&rig.site, "GET", "/paid/a").add(name, value)).await;
        assert_eq!((got.status, rig.origin.runs()), (402, 0), "{name}");
    }
    for part in 0..3 {
        let draft =
            rig.paying(Way::X402, "GET", "/paid/a", &part.to_string()).beside("range", &format!("bytes={part}-{part}"));
        assert_eq!(rig.call(&draft.signed(&rig.agent.key())).await.status, 206);
    }
    assert_eq!(rig.audit().await.sales, 3, "each part is a purchase");
}
