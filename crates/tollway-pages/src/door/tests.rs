//! What the door lets through, and what not.

use http::Request;
use proptest::prelude::*;

use super::*;

fn door() -> Door {
    let count = std::sync::atomic::AtomicU8::new(1);
    let random: Random = Arc::new(move || [count.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 32]);
    Door::new("127.0.0.1:4025".parse().unwrap(), &["Console.Internal:4025".to_owned()], random)
}

fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

const HOST: (&str, &str) = ("host", "127.0.0.1:4025");
const OURS: (&str, &str) = ("origin", "http://127.0.0.1:4025");

/// Opens the printed URL; the cookie to send from then on.
fn enter(door: &Door) -> String {
    let url = door.url();
    let target = url.strip_prefix("http://127.0.0.1:4025").unwrap();
    let Ok(Passage::Admit { cookie, path }) = door.look(&head("GET", target, &[HOST])) else { panic!("not admitted") };
    assert_eq!(path, "/");
    assert!(cookie.starts_with("tollway-4025=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn the_printed_url_lets_a_browser_in() {
    let door = door();
    assert_eq!(door.look(&head("GET", "/", &[HOST])), Err(DoorRefusal::NoSession));
    let cookie = enter(&door);
    let Ok(Passage::Enter(session)) = door.look(&head("GET", "/", &[HOST, ("cookie", &cookie)])) else { panic!() };
    let other = enter(&door);
    let both = format!("theme=dark; {other}");
    let Ok(Passage::Enter(second)) = door.look(&head("GET", "/", &[HOST, ("cookie", &both)])) else { panic!() };
    assert_ne!(session, second);
    assert_eq!(door.look(&head("GET", "/?token=wrong", &[HOST])), Err(DoorRefusal::WrongToken));
    let made_up = [HOST, ("cookie", "tollway-4025=AAAA")];
    assert_eq!(door.look(&head("GET", "/", &made_up)), Err(DoorRefusal::NoSession));
    assert_eq!(door.look(&head("GET", "/assets/style.css", &[HOST])), Ok(Passage::Asset));
}

#[test]
fn threat_40_a_rebound_host_is_refused() {
    let door = door();
    let cookie = enter(&door);
    for host in ["evil.example", "evil.example:4025", "127.0.0.1", "127.0.0.1:4026", "localhost:80", "", "[::1]:4025"] {
        let fields = [("host", host), ("cookie", cookie.as_str())];
        assert_eq!(door.look(&head("GET", "/", &fields)), Err(DoorRefusal::UnknownHost), "{host}");
        assert_eq!(door.look(&head("GET", "/assets/style.css", &fields)), Err(DoorRefusal::UnknownHost), "{host}");
    }
    assert_eq!(door.look(&head("GET", "/", &[("cookie", &cookie)])), Err(DoorRefusal::UnknownHost));
    let two = [HOST, ("host", "evil.example"), ("cookie", cookie.as_str())];
    assert_eq!(door.look(&head("GET", "/", &two)), Err(DoorRefusal::UnknownHost));
    let differs = head("GET", "http://evil.example/", &[HOST, ("cookie", &cookie)]);
    assert_eq!(door.look(&differs), Err(DoorRefusal::UnknownHost));
    for host in ["localhost:4025", "LOCALHOST:4025", "console.internal:4025"] {
        assert!(door.look(&head("GET", "/", &[("host", host), ("cookie", &cookie)])).is_ok(), "{host}");
    }
}

#[test]
fn threat_98_a_foreign_origin_changes_and_reads_nothing() {
    let door = door();
    let cookie = enter(&door);
    let with = |method: &str, more: &[(&str, &str)]| {
        let fields: Vec<_> = [HOST, ("cookie", cookie.as_str())].into_iter().chain(more.iter().copied()).collect();
        door.look(&head(method, "/agents", &fields))
    };
    assert!(with("POST", &[OURS]).is_ok());
    assert!(with("POST", &[OURS, ("sec-fetch-site", "same-origin")]).is_ok());
    for origin in ["http://evil.example", "null", "http://127.0.0.1:8080", "https://127.0.0.1:4025", ""] {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(with(method, &[("origin", origin)]), Err(DoorRefusal::ForeignOrigin), "{method} {origin}");
        }
    }
    // A change says where it comes from; a page of another port of this machine has our cookie, and is told apart.
    assert_eq!(with("POST", &[]), Err(DoorRefusal::ForeignOrigin));
    assert_eq!(with("GET", &[("sec-fetch-site", "same-site")]), Err(DoorRefusal::ForeignOrigin));
    assert_eq!(
        with("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]),
        Err(DoorRefusal::ForeignOrigin)
    );
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert!(with("GET", &link).is_ok());
    assert_eq!(with("POST", &link), Err(DoorRefusal::ForeignOrigin));
}

#[test]
fn threat_93_sessions_are_bounded() {
    let door = door();
    let first = enter(&door);
    for _ in 0..SESSIONS_MAX {
        enter(&door);
    }
    assert_eq!(door.sessions.lock().len(), SESSIONS_MAX);
    assert_eq!(door.look(&head("GET", "/", &[HOST, ("cookie", &first)])), Err(DoorRefusal::NoSession));
}

#[test]
fn a_redirect_never_leads_elsewhere() {
    let door = door();
    let token = door.url().split_once('=').unwrap().1.to_owned();
    let target = format!("http://127.0.0.1:4025//evil.example/?token={token}");
    let Ok(Passage::Admit { path, .. }) = door.look(&head("GET", &target, &[HOST])) else { panic!() };
    assert_eq!(path, "/");
}

proptest! {
    #[test]
    fn any_fields_are_let_through_or_refused(host in "\\PC{0,40}", origin in "\\PC{0,40}", cookie in "\\PC{0,80}") {
        let door = door();
        let mut head = head("GET", "/", &[]);
        for (name, text) in [(header::HOST, &host), (header::ORIGIN, &origin), (header::COOKIE, &cookie)] {
            if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
                head.headers.insert(name, value);
            }
        }
        prop_assert!(door.look(&head).is_err());
    }
}
