//! What shared caches may keep, and which fields only a seller may set.

use tollway_protocol::header;

use crate::rig::{Got, Rig, Sent, Way, response};

/// Everything that decides what a priced resource answers has to be in `Vary`.
fn assert_varies(got: &Got, name: &str) {
    let lines = got.headers.get_all("vary").iter().map(|line| line.to_str().unwrap());
    let all = lines.collect::<Vec<_>>().join(", ");
    for field in
        header::PAYMENTS.iter().chain(&["signature-agent", "user-agent"]).filter(|field| **field != header::X_PAYMENT)
    {
        assert!(all.split(", ").any(|own| own == *field), "{name}: {field} is not in {all}");
    }
}

#[tokio::test]
async fn threat_47_nothing_priced_is_kept_by_a_shared_cache() {
    let rig = Rig::new().await;
    let demand = rig.call(&Sent::plain(&rig.site, "GET", "/paid/a")).await;
    assert_eq!(demand.field("cache-control"), Some("no-store"));
    assert_varies(&demand, "the demand");
    for (number, (own, expected)) in [
        ("", "private"),
        ("public, max-age=3600", "private, max-age=3600"),
        ("s-maxage=600, max-age=60", "private, max-age=60"),
        ("PUBLIC,S-MaxAge=600", "private"),
        ("no-store", "private, no-store"),
        ("private, immutable", "private, immutable"),
    ]
    .into_iter()
    .enumerate()
    {
        rig.origin.answer(move || {
            let mut response =
                response(200, &[("vary", "accept-encoding"), ("cdn-cache-control", "public, max-age=9")], "a page");
            let headers = response.headers_mut();
            for (name, value) in [
                ("surrogate-control", "max-age=9"),
                ("x-accel-expires", "9"),
                ("cloudflare-cdn-cache-control", "max-age=9"),
            ] {
                headers.insert(name, value.parse().unwrap());
            }
            if !own.is_empty() {
                headers.insert("cache-control", own.parse().unwrap());
            }
            response
        });
        let paid = rig.call(&rig.buy(Way::X402, "/paid/a", &number.to_string())).await;
        let free = rig.call(&Sent::plain(&rig.site, "POST", "/get/a")).await;
        for (got, name) in [(paid, "paid"), (free, "free, but priced for others")] {
            assert_eq!((got.status, got.field("cache-control")), (200, Some(expected)), "{name}: {own}");
            assert_varies(&got, name);
            assert!(got.headers.get_all("vary").iter().any(|line| line == "accept-encoding"), "{name}");
            for field in ["cdn-cache-control", "surrogate-control", "x-accel-expires", "cloudflare-cdn-cache-control"] {
                assert_eq!(got.field(field), None, "{name}: {field} would overrule it");
            }
        }
    }
}

#[tokio::test]
async fn what_no_rule_prices_is_untouched() {
    let rig = Rig::new().await;
    rig.origin.answer(|| {
        response(
            200,
            &[("cache-control", "public, s-maxage=600"), ("cdn-cache-control", "max-age=9"), ("x-own", "1")],
            "free",
        )
    });
    for target in ["/free/a", "/open/a", "/robots.txt", "/"] {
        let got = rig.call(&Sent::plain(&rig.site, "GET", target)).await;
        assert_eq!((got.status, got.body.as_ref()), (200, b"free".as_slice()), "{target}");
        assert_eq!(got.field("cache-control"), Some("public, s-maxage=600"), "{target}");
        assert_eq!((got.field("vary"), got.field("cdn-cache-control")), (None, Some("max-age=9")), "{target}");
    }
}

#[tokio::test]
async fn threat_91_only_the_seller_sets_the_sellers_fields() {
    let rig = Rig::new().await;
    rig.origin.answer(|| {
        let fields: Vec<_> = header::SELLER_ONLY.iter().map(|field| (*field, "forged")).collect();
        response(200, &fields, "a page")
    });
    let mut asked = Sent::plain(&rig.site, "GET", "/free");
    for field in header::SELLER_ONLY {
        asked = asked.add(field, "forged");
    }
    let free = rig.call(&asked).await;
    for field in header::SELLER_ONLY {
        assert_eq!((free.field(field), rig.origin.last().headers.get(*field)), (None, None), "{field}");
    }
    for way in Way::ALL {
        let sent = rig.buy(way, "/paid/a", &format!("{way:?}"));
        let paid = rig.call(&sent).await;
        assert!(header::SELLER_ONLY.iter().all(|field| paid.field(field) != Some("forged")), "{way:?}");
        paid.receipt(&sent, &rig.site, &rig.seller.key().public(), way.dress());
    }
    rig.origin
        .answer(|| response(404, &[(header::PAYMENT_RESPONSE, "forged"), (header::CRAWLER_CHARGED, "USD 5")], ""));
    let missing = rig.call(&rig.buy(Way::X402, "/paid/a", "missing")).await;
    assert_eq!(
        (missing.status, missing.field(header::PAYMENT_RESPONSE), missing.field(header::CRAWLER_CHARGED)),
        (404, None, None)
    );
}

#[tokio::test]
async fn threat_97_a_person_sees_text_and_nothing_that_runs() {
    let rig = Rig::new().await;
    let browser = |target: &str| {
        Sent::plain(&rig.site, "GET", target).add("accept", "text/html").add("user-agent", "Mozilla/5.0 (X11; Linux)")
    };
    let got = rig.call(&browser("/paid/a?q='%3Cscript%3E&x=javascript:alert(1)")).await;
    assert_eq!((got.status, got.field("content-type")), (402, Some("text/html; charset=utf-8")));
    assert!(got.field("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let page = String::from_utf8(got.body.to_vec()).unwrap();
    assert!(!page.contains("<script") && !page.contains("q='") && page.contains("USD 0.01"), "{page}");
    assert_eq!(got.demand().accepts.len(), 1, "the demand is there all the same");
    assert_eq!(got.field("cache-control"), Some("no-store"));
}
