//! A seller, a buyer, and between them a machine that can look at, change or lose every message.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use parking_lot::Mutex;
use tollway_core::buyer::{AuditLine, Budget, BudgetView, Buyer, Journal, Shelf};
use tollway_core::clock::Clock;
use tollway_core::rules::Action;
use tollway_http::body::Body;
use tollway_http::endpoint::Endpoint as _;
use tollway_http::gate::Gate;
use tollway_http::payer::{Answer, FileJournal, PayError, Payer, PayerParts};
use tollway_protocol::{Amount, Dress, Network, header};
use url::Url;

use crate::rig::{Origin, PRICE, Rig, Setup};

/// What happens between the two.
pub(super) struct Market {
    pub(super) rig: Rig,
    pub(super) payer: Payer,
    between: Origin,
    sent: Arc<Mutex<Vec<String>>>,
    journal: PathBuf,
}

impl Market {
    /// A buyer with a budget for a hundred pages, each at most at the page's price.
    pub(super) async fn new(dress: Dress) -> Self {
        Self::with_budget(dress, 100 * PRICE, PRICE).await
    }

    pub(super) async fn with_budget(dress: Dress, total: u128, most: u128) -> Self {
        Self::made(dress, Budget::new(Amount::new(total), Amount::new(most)), None).await
    }

    /// A buyer that writes its log elsewhere.
    pub(super) async fn with_journal(journal: Arc<dyn Journal>) -> Self {
        Self::made(Dress::X402, Budget::new(Amount::new(PRICE), Amount::new(PRICE)), Some(journal)).await
    }

    async fn made(dress: Dress, budget: Budget, other: Option<Arc<dyn Journal>>) -> Self {
        let between = Origin::new();
        let site = between.over_http().await;
        let mut setup = Setup { site: Some(site), ..Setup::default() };
        // Pages are sold in every dress there is.
        for rule in setup.rules.iter_mut().filter(|rule| rule.id == "pages") {
            if let Action::Charge(charge) = &mut rule.action {
                charge.dresses = Dress::HTTP.to_vec();
            }
        }
        let rig = Rig::with(setup).await;
        let journal = rig.folder.path().join("audit.jsonl");
        let nonces = AtomicU64::new(0);
        let payer = Payer::new(PayerParts {
            transport: Arc::new(
                reqwest::Client::builder()
                    .redirect(reqwest::redirect::Policy::none())
                    .timeout(Duration::from_secs(10))
                    .build()
                    .unwrap(),
            ),
            buyer: Buyer {
                budget,
                journal: other.unwrap_or_else(|| Arc::new(FileJournal::open(&journal).unwrap())),
                shelf: Shelf::default(),
                clock: Arc::clone(&rig.clock) as Arc<dyn Clock>,
                dress,
                network: Network::tollway(),
            },
            key: Arc::new(rig.agent.key()),
            agent: rig.agent.url.clone(),
            entropy: Arc::new(move |bytes: &mut [u8]| {
                bytes[..8].copy_from_slice(&nonces.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            }),
            body_max: 10 << 20,
        });
        let market = Self { rig, payer, between, sent: Arc::default(), journal };
        market.meddle(|_, _, answer| answer);
        market
    }

    /// From now on every answer goes through this, with the fields of its request and how many
    /// payments have passed, this one included.
    pub(super) fn meddle(
        &self,
        change: impl Fn(&http::request::Parts, usize, Response<Body>) -> Response<Body> + Send + Sync + 'static,
    ) {
        let change = Arc::new(change);
        self.intercept(move |gate, parts, number, body| {
            let change = Arc::clone(&change);
            async move {
                let answer = gate.answer(Request::from_parts(parts.clone(), body)).await;
                change(&parts, number, answer)
            }
        });
    }

    /// From now on every request goes to this instead of the gate.
    pub(super) fn intercept<F, A>(&self, handle: F)
    where
        F: Fn(Gate, http::request::Parts, usize, Body) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let (gate, sent) = (self.rig.gate.clone(), Arc::clone(&self.sent));
        self.between.behave(move |request: Request<Body>| {
            let (parts, body) = request.into_parts();
            let mut sent = sent.lock();
            if pays(&parts) {
                sent.push(parts.headers[header::SIGNATURE].to_str().unwrap().to_owned());
            }
            let number = sent.len();
            drop(sent);
            handle(gate.clone(), parts, number, body)
        });
    }

    pub(super) fn url(&self, path: &str) -> Url {
        Url::parse(&self.rig.site.url(path)).unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, PayError> {
        self.payer.get(&self.url(path)).await
    }

    /// The signatures of all payments that went over the wire, in order.
    pub(super) fn signatures(&self) -> Vec<String> {
        self.sent.lock().clone()
    }

    /// How many requests went over the wire.
    pub(super) fn requests(&self) -> usize {
        self.between.runs()
    }

    /// How many different payments were signed.
    pub(super) fn signed(&self) -> usize {
        let mut all = self.signatures();
        all.sort();
        all.dedup();
        all.len()
    }

    pub(super) fn lines(&self) -> Vec<AuditLine> {
        FileJournal::read(&self.journal).unwrap()
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.journal.clone()
    }

    /// What the log says became of each promise, one letter a line.
    pub(super) fn story(&self) -> String {
        let letter = |line: &AuditLine| match line {
            AuditLine::Promise { .. } => 'P',
            AuditLine::Receipt { delivered: true, .. } => 'R',
            AuditLine::Receipt { delivered: false, .. } => 'r',
            AuditLine::Refused { .. } => 'N',
            AuditLine::Unknown { .. } => '?',
        };
        self.lines().iter().map(letter).collect()
    }

    /// Spent and held.
    pub(super) fn money(&self) -> (u128, u128) {
        let BudgetView { spent, held, .. } = self.payer.buyer().budget.view();
        (spent.get(), held.get())
    }
}

/// Whether a request carries a payment.
pub(super) fn pays(parts: &http::request::Parts) -> bool {
    header::PAYMENTS.iter().any(|field| parts.headers.contains_key(*field))
}

/// Ends the connection without an answer, as a machine that dies does.
pub(super) fn hang_up() -> ! {
    std::panic::resume_unwind(Box::new("the connection is lost"))
}
