//! Books with a few sales, a desk that answers plainly, and a browser with a session.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tollway_core::clock::ManualClock;
use tollway_http::body::{Body, empty, full};
use tollway_http::endpoint::Endpoint;
use tollway_ledger::{
    AgentId, AgentTerms, Books, CommitmentId, Delivery, DeliveryNote, Evidence, EvidenceKind, Fingerprint, Ledger,
    MemoryBooks, PostOutcome, PriceProof, Reserve, Sale, Statement,
};
use tollway_pages::console::{
    Change, Console, ConsoleBooks, ConsolePages, Counted, Desk, Explained, HealthRow, Question, RuleRow, Simulated,
    Weighed,
};
use tollway_pages::door::{Door, Entrance, system_random};
use tollway_protocol::{Amount, Asset, Dress, Scale};

pub(crate) const NOON: u64 = 1_795_348_800;
/// A text that would be markup if it were not escaped.
pub(crate) const EVIL: &str = "\"'><img/src=x><script>alert(1)</script>";
const HOST: &str = "127.0.0.1:4025";

/// A desk whose every text is hostile.
pub(crate) struct EvilDesk;

#[async_trait]
impl Desk for EvilDesk {
    fn rules(&self) -> Vec<RuleRow> {
        let text = || EVIL.to_owned();
        let price = Some(Amount::new(1));
        vec![RuleRow {
            id: text(),
            pattern: text(),
            methods: text(),
            audience: text(),
            what: text(),
            price,
            on_trial: true,
        }]
    }

    fn explain(&self, question: &Question) -> Result<Explained, String> {
        if question.url == "refuse" {
            return Err(EVIL.to_owned());
        }
        let text = || EVIL.to_owned();
        let steps = vec![(text(), Some(text())), (text(), None)];
        let (free, class) = (Some(text()), Some(text()));
        Ok(Explained {
            readings: vec![text()],
            free,
            steps,
            class,
            status: 402,
            why: text(),
            proof_could_change_it: true,
        })
    }

    async fn simulate(&self, change: &Change) -> Result<Simulated, String> {
        match change {
            Change::Rule { .. } => Err(EVIL.to_owned()),
            Change::Price { .. } => {
                let weighed = Weighed { priced: 2, paid: 1, charged: 5 };
                let rules = vec![(EVIL.to_owned(), weighed, weighed)];
                Ok(Simulated { lines: 2, per_million: 1_000, rules, ..Simulated::default() })
            }
        }
    }

    async fn counts(&self) -> Vec<Counted> {
        vec![Counted { rule: EVIL.into(), class: EVIL.into(), outcome: EVIL.into(), value: 3 }]
    }

    async fn health(&self) -> Vec<HealthRow> {
        vec![HealthRow { part: "Upstream", is_well: Some(false), says: EVIL.into() }]
    }

    fn agent_id(&self, text: &str) -> Result<AgentId, String> {
        AgentId::new(text).map_err(|error| error.to_string())
    }

    fn pay_url(&self, _: &Statement) -> Option<String> {
        Some(EVIL.to_owned())
    }
}

/// A console and a browser that came in by its printed URL.
pub(crate) struct Scene {
    pub(crate) books: Arc<MemoryBooks>,
    entrance: Entrance,
    cookie: String,
}

impl Scene {
    pub(crate) async fn open() -> Self {
        let ledger = Ledger { seller: "https://shop.example".into(), asset: Asset::usd(), scale: Scale::MICRO };
        let books = Arc::new(MemoryBooks::new(ledger, 10_000));
        let clock = Arc::new(ManualClock::at(NOON + 60));
        let console = Console::new(Arc::clone(&books) as Arc<dyn ConsoleBooks>, Arc::new(EvilDesk), clock);
        let door = Arc::new(Door::new(HOST.parse().unwrap(), &[], system_random()));
        let target = door.url().strip_prefix(&format!("http://{HOST}")).unwrap().to_owned();
        let pages = Arc::new(ConsolePages(Arc::new(console)));
        let entrance = Entrance::new(door, Console::assets(), pages);
        let request = Request::get(target).header(header::HOST, HOST).body(empty()).unwrap();
        let admitted = entrance.answer(request).await;
        assert_eq!(
            (admitted.status(), &admitted.headers()[header::LOCATION]),
            (StatusCode::SEE_OTHER, &"/".parse().unwrap())
        );
        let cookie = admitted.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        Self { books, entrance, cookie }
    }

    pub(crate) async fn get(&self, path: &str) -> (Response<()>, String) {
        let request = Request::get(path).header(header::HOST, HOST).header(header::COOKIE, &self.cookie);
        read(self.entrance.answer(request.body(empty()).unwrap()).await).await
    }

    pub(crate) async fn post(&self, path: &str, form: &'static str) -> (Response<()>, String) {
        let request = Request::post(path).header(header::HOST, HOST).header(header::COOKIE, &self.cookie);
        let request = request.header(header::ORIGIN, format!("http://{HOST}"));
        read(self.entrance.answer(request.body(full(form)).unwrap()).await).await
    }

    /// Sells page `number` to `agent` for `amount`.
    pub(crate) async fn sell(&self, agent: &str, number: u64, amount: u128, rule: &str) -> CommitmentId {
        let agent = AgentId::new(agent).unwrap();
        if self.books.account(&agent, NOON).await.unwrap().is_none() {
            let terms = AgentTerms { agent: agent.clone(), credit_limit: Amount::new(1_000_000), daily_budget: None };
            self.books.agent_put(terms, NOON).await.unwrap();
        }
        let sale = sale(agent, number, amount, rule);
        let id = sale.id;
        let Reserve::Reserved(reservation) = self.books.reserve(sale, NOON).await.unwrap() else { panic!("reserved") };
        let delivery = Delivery { status: 200, ..Delivery::default() };
        let posted = self.books.post(reservation, delivery, NOON).await.unwrap();
        assert!(matches!(posted, PostOutcome::Posted(_)));
        id
    }

    pub(crate) async fn cut(&self, id: &CommitmentId) {
        let note = DeliveryNote { bytes: 1, digest: None, complete: false };
        self.books.delivery_note(id, note, NOON).await.unwrap();
    }
}

fn sale(agent: AgentId, number: u64, amount: u128, rule: &str) -> Sale {
    let url = format!("https://shop.example/{number}/{EVIL}?q=1");
    let base = format!("page {number} {agent}");
    Sale {
        id: CommitmentId::derive(NOON, &[7; 32], base.as_bytes()),
        fingerprint: Fingerprint::of("GET", &url, ""),
        agent,
        thumbprint: [7; 32],
        nonce: Some(format!("n{number}")),
        expires: NOON + 300,
        amount: Amount::new(amount),
        asset: Asset::usd(),
        rule: rule.into(),
        method: "GET".into(),
        url,
        dress: Dress::X402,
        offer: None,
        terms: None,
        price_proof: PriceProof::BuyerSigned,
        evidence: Evidence { kind: EvidenceKind::Rfc9421, signature: [1; 64], base },
    }
}

async fn read(response: Response<Body>) -> (Response<()>, String) {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(head, ()), String::from_utf8(bytes.to_vec()).unwrap())
}
