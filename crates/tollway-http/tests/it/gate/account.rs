//! What a seller publishes, and what it tells each agent about itself and nobody else.

use serde_json::Value;
use tollway_core::offer::Offer;
use tollway_http::message::{RequestView, ResponseView};
use tollway_ledger::{Books as _, CheckpointSigner, DocumentKind, Hash, Period};
use tollway_protocol::{Dress, Reason as R, header};
use tollway_signatures::{
    DIRECTORY_PATH, DirectoryPolicy, Policy, PrivateKey, Unverified, digest, jws, verify_directory,
};

use crate::rig::{Agent, Got, NOON, PRICE, Rig, SEAL_TYPE, Sent, Way};

struct Seal(PrivateKey);

impl CheckpointSigner for Seal {
    fn sign(&self, payload: &[u8]) -> String {
        jws::sign(SEAL_TYPE, payload, &self.0)
    }

    fn thumbprint(&self) -> String {
        self.0.public().thumbprint().to_string()
    }

    fn seller(&self) -> String {
        "https://shop.example".to_owned()
    }
}

/// A seller with an agent that bought three pages on a day that is closed, and one that bought none.
async fn closed_day() -> (Rig, Agent, String) {
    let rig = Rig::new().await;
    let other = Agent::new("https://other.example", 10);
    rig.account(&other, 1_000_000, None).await;
    let mut commitment = String::new();
    for page in ["1", "2", "3"] {
        let got = rig.call(&rig.buy(Way::Handshake, &format!("/paid/{page}"), page)).await;
        commitment = got.receipt_facts(Dress::Handshake).commitment;
    }
    rig.clock.advance(86_400);
    let signer = Seal(PrivateKey::from_seed([1; 32]));
    rig.books.close(Period::day_of(NOON), NOON + 86_400, &signer).await.unwrap();
    (rig, other, commitment)
}

/// Asks as an agent; the answer has to be signed by the seller, for this request, with its body.
async fn ask(rig: &Rig, agent: &Agent, path: &str) -> Got {
    let sent = rig.draft(agent, "GET", path).signed(&agent.key());
    let got = rig.call(&sent).await;
    if got.status == 200 {
        assert_eq!(got.field("cache-control"), Some("private, no-store"), "{path}");
        let request = sent.request();
        let view = ResponseView {
            status: 200,
            headers: &got.headers,
            request: RequestView {
                method: "GET",
                scheme: "https",
                authority: "shop.example",
                path_and_query: path,
                headers: request.headers(),
            },
        };
        let signed = Unverified::read(&view, &Policy::seller_response(header::CONTENT_DIGEST)).unwrap();
        signed.verify(&rig.seller.key().public()).unwrap();
        digest::verify(got.field(header::CONTENT_DIGEST).unwrap().as_bytes(), &got.body).unwrap();
    }
    got
}

fn json(got: &Got) -> Value {
    serde_json::from_slice(&got.body).unwrap()
}

#[tokio::test]
async fn an_agent_reads_its_own_account_and_bills() {
    let (rig, _, commitment) = closed_day().await;
    let account = json(&ask(&rig, &rig.agent, "/.well-known/tollway/account").await);
    assert_eq!(account["agent"], "https://crawler.example");
    assert_eq!(account["balance_owed"], (3 * PRICE).to_string());
    let known = json(&ask(&rig, &rig.agent, &format!("/.well-known/tollway/commitments/{commitment}")).await);
    assert_eq!(
        (&known["commitment"]["state"], &known["commitment"]["amount"]),
        (&"posted".into(), &PRICE.to_string().into())
    );
    assert!(known["receipt"][header::PAYMENT_RESPONSE].as_str().unwrap().contains(&commitment));
    let all = json(&ask(&rig, &rig.agent, "/.well-known/tollway/statements").await);
    let one = json(&ask(&rig, &rig.agent, "/.well-known/tollway/statements/2026-11-22").await);
    assert_eq!(all["statements"], Value::from(vec![one.clone()]));
    let sealed = jws::verify(SEAL_TYPE, one["jws"].as_str().unwrap(), 1 << 16, &rig.seller.key().public()).unwrap();
    let sealed: Value = serde_json::from_slice(&sealed).unwrap();
    assert_eq!(sealed["lines_hash"], one["statement"]["lines_hash"]);
    let lines = ask(&rig, &rig.agent, "/.well-known/tollway/statements/2026-11-22/lines").await;
    assert_eq!(lines.field("content-type"), Some("application/jsonl"));
    assert_eq!(Value::from(Hash::of(&lines.body).to_string()), one["statement"]["lines_hash"]);
    assert_eq!(lines.body.iter().filter(|byte| **byte == b'\n').count(), 3);
    let first: Value = serde_json::from_slice(lines.body.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let rest =
        ask(&rig, &rig.agent, &format!("/.well-known/tollway/statements/2026-11-22/lines?after={}", first["sequence"]))
            .await;
    assert_eq!(rest.body.iter().filter(|byte| **byte == b'\n').count(), 2);
}

#[tokio::test]
async fn threat_46_nobody_else_reads_them() {
    let (rig, other, commitment) = closed_day().await;
    for (path, status) in [
        (format!("/.well-known/tollway/commitments/{commitment}"), 404),
        ("/.well-known/tollway/statements/2026-11-22".to_owned(), 404),
        ("/.well-known/tollway/statements/2026-11-22/lines".to_owned(), 404),
    ] {
        let got = ask(&rig, &other, &path).await;
        assert_eq!((got.status, got.reason()), (status, Some(R::NotFound)), "{path}");
        let unknown = path.replace(&commitment, &"A".repeat(43)).replace("2026-11-22", "2025-01-01");
        let nothing = ask(&rig, &other, &unknown).await;
        assert_eq!((nothing.status, nothing.reason()), (404, Some(R::NotFound)), "{unknown}");
    }
    let empty = json(&ask(&rig, &other, "/.well-known/tollway/statements").await);
    assert_eq!(empty["statements"], Value::from(Vec::<Value>::new()));
    let theirs = json(&ask(&rig, &other, "/.well-known/tollway/account").await);
    assert_eq!((&theirs["agent"], &theirs["balance_owed"]), (&"https://other.example".into(), &"0".into()));
}

#[tokio::test]
async fn an_account_opens_to_a_signature_only() {
    let (rig, other, commitment) = closed_day().await;
    let paths = [
        "account",
        &format!("commitments/{commitment}"),
        "statements",
        "statements/2026-11-22",
        "statements/2026-11-22/lines",
    ];
    for path in paths.map(|path| format!("/.well-known/tollway/{path}")) {
        let unsigned = rig.call(&Sent::plain(&rig.site, "GET", &path)).await;
        assert_eq!((unsigned.status, unsigned.reason()), (401, Some(R::MissingSignature)), "{path}");
        assert!(unsigned.field(header::ACCEPT_SIGNATURE).unwrap().contains("web-bot-auth"), "{path}");
        let signed = rig.draft(&rig.agent, "GET", &path).signed(&rig.agent.key());
        let forged = rig
            .draft(&rig.agent, "GET", &path)
            .params(|params| params.keyid = other.key().public().thumbprint().to_string());
        for (name, sent, reason) in [
            (
                "of another request",
                rig.draft(&rig.agent, "GET", "/other").signed(&rig.agent.key()),
                R::SignatureInvalid,
            ),
            ("of another agent", forged.signed(&other.key()), R::KeyNotFound),
            (
                "for another agent",
                signed.clone().set(header::SIGNATURE_AGENT, "sig1=\"https://other.example\""),
                R::KeyNotFound,
            ),
        ] {
            let got = rig.call(&Sent { target: path.clone(), ..sent }).await;
            assert_eq!((got.status, got.reason()), (401, Some(reason)), "{name}: {path}");
        }
        rig.clock.advance(91);
        assert_eq!(rig.call(&signed).await.reason(), Some(R::Expired), "{path}");
        let posted = rig.draft(&rig.agent, "POST", &path).signed(&rig.agent.key());
        assert_eq!(rig.call(&posted).await.status, 405, "{path}");
    }
    assert_eq!(rig.origin.runs(), 3);
}

#[tokio::test]
async fn offers_terms_and_keys_are_for_everyone() {
    let rig = Rig::new().await;
    let get = async |path: &str| rig.call(&Sent::plain(&rig.site, "GET", path)).await;
    let offer = rig.offer("/paid/a");
    let url = format!("/.well-known/tollway/offers/{}", offer.id());
    assert_eq!(rig.call(&rig.buy(Way::X402, "/paid/a", "1")).await.status, 200);
    for seconds in [0, 200, 86_400] {
        rig.clock.advance(seconds);
        let shown = get(&url).await;
        assert_eq!((shown.status, shown.field("content-type")), (200, Some("application/jose")), "after {seconds} s");
        let document = std::str::from_utf8(&shown.body).unwrap();
        assert_eq!(Offer::verify(document, &rig.seller.key().public()).unwrap(), *offer);
        assert!(shown.field("cache-control").unwrap().contains("immutable"));
    }
    let terms = b"# Terms\nRead, do not train.".to_vec();
    let hash = Hash::of(&terms).to_string();
    rig.books.document_put(DocumentKind::Terms, &hash, terms.clone(), NOON).await.unwrap();
    let shown = get(&format!("/.well-known/tollway/terms/{hash}")).await;
    assert_eq!((shown.status, shown.body.as_ref()), (200, terms.as_slice()));
    for path in ["offers/AAAAAAAAAAAAAAAAAAAAAA", "offers/x", "terms/x", "nothing", "", "offers"] {
        let got = get(&format!("/.well-known/tollway/{path}")).await;
        assert_eq!((got.status, got.reason()), (404, Some(R::NotFound)), "{path}");
    }
    let keys = get(DIRECTORY_PATH).await;
    let empty = http::HeaderMap::new();
    let request = RequestView {
        method: "GET",
        scheme: "https",
        authority: "shop.example",
        path_and_query: DIRECTORY_PATH,
        headers: &empty,
    };
    let view = ResponseView { status: 200, headers: &keys.headers, request };
    let now = tollway_core::clock::Clock::now(rig.clock.as_ref());
    let directory = verify_directory(&view, &keys.body, &DirectoryPolicy::default(), now).unwrap();
    let own = rig.seller.key().public();
    assert_eq!(directory.find(own.thumbprint(), now * 1_000).unwrap().as_bytes(), own.as_bytes());
    assert_eq!(rig.origin.runs(), 1);
}
