//! Targets that mean one thing to the gate and another to a careless server behind it.

use tollway_core::rules::Rule;
use tollway_protocol::Reason as R;
use tollway_protocol::header;

use super::sloppy;
use crate::rig::{Rig, Sent, Setup, Way, charging, parse, raw};

/// Requests of the long run.
const ROUNDS: u64 = 22_500;
const SEED: u64 = 0x0070_6174_6873;

/// Small, seeded, and the same everywhere (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % most as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const BASES: [&str; 16] = [
    "/paid/a.html",
    "/paid/deep/er/b",
    "/paid/",
    "/feed",
    "/docs/x.pdf",
    "/my%20files/a",
    "/paid/index.html",
    "/paid/index.html/../a",
    "/open/a",
    "/open/../paid/a",
    "/robots.txt",
    "/robots.txt/../paid/a",
    "/free/a",
    "/free/x/../../paid/a",
    "/kiosk/is",
    "/.well-known/../paid/a",
];

const INSERTS: [&str; 44] = [
    "/",
    "//",
    "/./",
    "/../",
    "/x/../",
    "%2f",
    "%2F",
    "%252f",
    "%25252f",
    "\\",
    "%5c",
    "%255C",
    ";x=1",
    ";",
    "%3b",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "%252e%252e",
    "...",
    "%20",
    "+",
    "%2b",
    "%00",
    "%09",
    "%0a",
    "%0d%0a",
    "?",
    "%3f",
    "#",
    "%23",
    "%c0%af",
    "%c0%ae",
    "%ef%bc%8f",
    "%e2%84%aa",
    "%c5%bf",
    "%u002f",
    "%",
    "%2",
    "%zz",
    "/%2e/",
    "/.%2e/",
    "%ff",
];

pub(super) fn mutated(dice: &mut Dice) -> String {
    let mut target = dice.pick(&BASES).to_owned();
    for _ in 0..=dice.below(3) {
        let places: Vec<usize> = target.char_indices().map(|(at, _)| at).chain([target.len()]).collect();
        let at = places[dice.below(places.len())];
        match dice.below(5) {
            0 | 1 => target.insert_str(at, dice.pick(&INSERTS)),
            2 => {
                let Some(c) = target[at..].chars().next() else { continue };
                let mut encoded: String = c.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
                for _ in 0..dice.below(3) {
                    encoded = encoded.replace('%', "%25");
                }
                target.replace_range(at..at + c.len_utf8(), &encoded);
            }
            3 => {
                let Some(c) = target[at..].chars().next() else { continue };
                let folded = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
                target.replace_range(at..at + c.len_utf8(), &folded.to_string());
            }
            _ => {
                let prefix = dice.pick(&["/open/..", "/open/%2e%2e", "/x/../", "/.", "/open%2f..", "//x", "/free/..;"]);
                target.insert_str(0, prefix);
            }
        }
    }
    target
}

async fn rig() -> Rig {
    Rig::with(Setup { rules: rules(), ..Setup::default() }).await
}

pub(super) fn rules() -> Vec<Rule> {
    let mut index = charging("unused", "/paid/index.html", |_| {});
    index.action = tollway_core::rules::Action::Allow;
    vec![
        index,
        charging("pages", "/paid/*", |_| {}),
        charging("feed", "/feed", |_| {}),
        charging("pdf", "*.pdf", |_| {}),
        charging("spaced", "/my files/*", |_| {}),
        charging("kiosk", "/kiosk/*", |_| {}),
    ]
}

/// What the rules above charge for, of a path that some server has understood.
pub(super) fn priced(path: &str) -> bool {
    let free = [
        "/robots.txt",
        "/sitemap.xml",
        "/security.txt",
        "/favicon.ico",
        "/crawlers.json",
        "/llms.txt",
        "/paid/index.html",
    ];
    if free.contains(&path) || path.starts_with("/open/") || path.starts_with("/.well-known/") {
        return false;
    }
    let folders = ["/paid/", "/my files/", "/kiosk/"];
    path == "/feed" || path.ends_with(".pdf") || folders.iter().any(|folder| path.starts_with(folder))
}

#[tokio::test]
async fn threat_06_no_spelling_of_a_priced_path_reaches_the_origin_unpaid() {
    println!("seed {SEED:#x}");
    let rig = rig().await;
    let mut dice = Dice(SEED);
    let (mut ran, mut demanded, mut refused) = (0, 0, 0);
    for _ in 0..ROUNDS {
        let target = mutated(&mut dice);
        if target.parse::<http::Uri>().is_err() || !target.starts_with('/') {
            continue;
        }
        let before = rig.origin.runs();
        let got = rig.call(&Sent::plain(&rig.site, dice.pick(&["GET", "HEAD", "get", "QUERY", "POST"]), &target)).await;
        if rig.origin.runs() > before {
            let meant = sloppy::readings(&target).into_iter().find(|(_, path)| priced(path));
            assert_eq!(meant, None, "{target} reached the origin unpaid");
            ran += 1;
        }
        match got.status {
            402 => demanded += 1,
            400 => refused += 1,
            status => assert!(status == 200 || status == 404, "{target}: {status}"),
        }
    }
    // The run says something only if all three ways were taken often.
    assert!(ran > 1_000 && demanded > 1_000 && refused > 1_000, "{ran} ran, {demanded} demands, {refused} refused");
    assert_eq!(rig.sales().await, 0);
}

#[tokio::test]
async fn threat_06_a_paid_path_is_forwarded_as_it_was_matched() {
    let rig = rig().await;
    for target in ["/paid/a.html", "/paid/a%20b", "/paid/%E2%82%AC?x=%2f", "/my%20files/a", "/feed?a=b#"] {
        let sent = rig.buy(Way::X402, target.trim_end_matches('#'), target);
        let got = rig.call(&sent).await;
        assert_eq!(got.status, 200, "{target}: {:?}", got.reason());
        assert_eq!(rig.origin.last().target, sent.target);
    }
}

#[tokio::test]
async fn what_is_reserved_is_never_forwarded_in_any_spelling() {
    let rig = rig().await;
    let mut dice = Dice(SEED + 1);
    let reserved = [
        "/.well-known/tollway/account",
        "/.well-known/tollway",
        "/.well-known/tollway/offers/x",
        tollway_signatures::DIRECTORY_PATH,
    ];
    for _ in 0..3_000 {
        let mut target = dice.pick(&reserved).to_owned();
        for _ in 0..dice.below(3) {
            let at = dice.below(target.len() + 1);
            if target.is_char_boundary(at) {
                let spelled = dice.pick(&[
                    "/", "%2f", ";x", "\\", "%5c", "/./", "%2e/", "/x/../", "%252f", ".", "%20", "?", "%23", "+",
                ]);
                target.insert_str(at, spelled);
            }
        }
        let spelled: String =
            target.chars().map(|c| if dice.below(4) == 0 { c.to_ascii_uppercase() } else { c }).collect();
        if spelled.parse::<http::Uri>().is_err() || !spelled.starts_with('/') {
            continue;
        }
        let before = rig.origin.runs();
        let method = dice.pick(&["GET", "HEAD", "POST", "OPTIONS", "MOVE"]);
        rig.call(&Sent::plain(&rig.site, method, &spelled)).await;
        if rig.origin.runs() > before {
            let ours = |path: &str| {
                let lower = path.to_ascii_lowercase();
                lower == "/.well-known/tollway"
                    || lower.starts_with("/.well-known/tollway/")
                    || lower == tollway_signatures::DIRECTORY_PATH
            };
            let meant = sloppy::readings(&spelled).into_iter().find(|(_, path)| ours(path));
            assert_eq!(meant, None, "{method} {spelled} was forwarded");
        }
    }
}

#[tokio::test]
async fn threat_68_only_our_own_host_is_answered() {
    let rig = Rig::on_a_socket().await;
    let (own, address) = (rig.site.authority().to_owned(), rig.address.unwrap());
    let head = |target: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")
    };
    let absolute = format!("http://{own}/paid/a");
    for (name, request, status, reason) in [
        ("ours", head("/paid/a", &[&own]), 402, R::PaymentRequired),
        ("ours, absolute", head(&absolute, &[&own]), 402, R::PaymentRequired),
        ("another", head("/paid/a", &["evil.example"]), 421, R::MisdirectedHost),
        ("another, absolute", head("http://evil.example/paid/a", &["evil.example"]), 421, R::MisdirectedHost),
        ("absolute, and another Host", head(&absolute, &["evil.example"]), 421, R::MisdirectedHost),
        ("another, and our Host", head("http://evil.example/paid/a", &[&own]), 421, R::MisdirectedHost),
        ("a free path of another", head("/free", &["evil.example"]), 421, R::MisdirectedHost),
        ("two", head("/paid/a", &[&own, &own]), 400, R::MalformedTarget),
        ("two different", head("/paid/a", &[&own, "evil.example"]), 400, R::MalformedTarget),
        ("none", head("/paid/a", &[]), 400, R::MalformedTarget),
        ("empty", head("/paid/a", &[""]), 400, R::MalformedTarget),
        ("somebody at ours", head("/paid/a", &[&format!("x@{own}")]), 400, R::MalformedTarget),
    ] {
        let got = parse(&raw(address, request.as_bytes()).await).unwrap();
        assert_eq!((got.status, got.reason()), (status, Some(reason)), "{name}");
        let said = String::from_utf8_lossy(&got.body).into_owned() + got.field(header::PAYMENT_REQUIRED).unwrap_or("");
        assert!(!said.contains("evil"), "{name}");
    }
    assert_eq!(rig.origin.runs(), 0);
}

#[tokio::test]
async fn threat_69_forwarding_fields_have_no_effect() {
    let rig = Rig::new().await;
    let plain = rig.call(&Sent::plain(&rig.site, "GET", "/paid/a")).await;
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-forwarded-prefix", "/open"),
        ("x-original-url", "/open/a"),
        ("x-rewrite-url", "/open/a"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
    ] {
        let got = rig.call(&Sent::plain(&rig.site, "GET", "/paid/a").add(name, value)).await;
        assert_eq!((got.status, &got.headers, &got.body), (402, &plain.headers, &plain.body), "{name}");
    }
    for name in ["x-original-url", "x-rewrite-url"] {
        let got = rig.call(&Sent::plain(&rig.site, "GET", "/open/a").add(name, "/paid/a")).await;
        assert_eq!((got.status, rig.origin.last().headers.get(name)), (200, None), "an origin may obey {name}");
    }
}
