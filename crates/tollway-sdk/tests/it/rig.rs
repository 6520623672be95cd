//! A seller of reports in this process, and a buyer whose key is published on a loopback socket.

use std::future::IntoFuture as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Path as Segment;
use axum::routing::{get, post};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tollway_http::payer::ServiceTransport;
use tollway_sdk::buyer::{Builder, KeyDirectoryService, PayingClient};
use tollway_sdk::seller::{self, Paid, Tollway};
use tollway_signatures::PrivateKey;

/// Where the seller is known to be; nobody listens there.
pub(crate) const SITE: &str = "https://api.example";

/// A seller of reports.
pub(crate) struct Shop {
    pub(crate) folder: TempDir,
    pub(crate) tollway: Tollway,
    pub(crate) router: Router,
    /// How often the paid handlers ran.
    pub(crate) served: Arc<AtomicU64>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::of(|builder| builder).await
    }

    /// A shop with further settings.
    pub(crate) async fn of(set: impl FnOnce(seller::Builder) -> seller::Builder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let builder = Tollway::at(SITE).charge("/reports/{name}", "$0.01").charge("/dear", "$0.50");
        let builder = set(builder.starter_credit("$5").allow_loopback());
        let tollway = builder.open(folder.path().join("seller")).await.unwrap();
        let served = Arc::new(AtomicU64::new(0));
        let router = router(&served).layer(tollway.layer());
        Self { folder, tollway, router, served }
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::SeqCst)
    }

    /// A client of this shop, without a socket between them.
    pub(crate) async fn client(&self, total: &str, max_price: &str) -> PayingClient {
        let transport = ServiceTransport::<_, axum::body::Body>::new(self.router.clone());
        buyer(self.folder.path(), total, max_price).await.transport(transport).build().unwrap()
    }

    /// What the payer owes by the seller's books, in atomic units.
    pub(crate) async fn owed(&self) -> u128 {
        let seller = self.tollway.seller();
        let accounts = seller.books().agents(seller.now()).await.unwrap();
        accounts.iter().map(|account| account.balance_owed.get()).sum()
    }
}

fn router(served: &Arc<AtomicU64>) -> Router {
    let counted = |served: &Arc<AtomicU64>| {
        let served = Arc::clone(served);
        move || served.fetch_add(1, Ordering::SeqCst)
    };
    let (report, dear, order) = (counted(served), counted(served), counted(served));
    Router::new()
        .route("/", get("free"))
        .route(
            "/reports/{name}",
            get(async move |Paid(by): Paid, Segment(name): Segment<String>| {
                report();
                format!("{name} for {} under {}", by.amount, by.rule)
            })
            .post(async move |Paid(_): Paid, body: String| {
                order();
                body
            }),
        )
        .route("/dear", get(async move |Paid(_): Paid| dear().to_string()))
        .route("/forgotten", get(async |Paid(_): Paid| "never"))
        .route("/either", post(async |paid: Option<Paid>| paid.map_or("free", |_| "paid")))
}

/// A buyer whose key is published; its journal is in `folder`.
pub(crate) async fn buyer(folder: &Path, total: &str, max_price: &str) -> Builder {
    let key = folder.join("crawler.jwk");
    let seed = tollway_sdk::key_file::read_or_create(&key).unwrap().to_jwk();
    let agent = publish(PrivateKey::from_jwk(&seed).unwrap()).await;
    PayingClient::builder(&agent, key).budget(total).max_price(max_price).journal(folder.join("audit.jsonl"))
}

/// Publishes a key at a fresh address.
async fn publish(key: PrivateKey) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let agent = format!("http://{}", listener.local_addr().unwrap());
    let directory = KeyDirectoryService::new(&agent, key).unwrap();
    tokio::spawn(axum::serve(listener, Router::new().fallback_service(directory)).into_future());
    agent
}
