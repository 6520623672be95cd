//! The stage: everything a toll road needs, in one process on loopback, with test money and without the internet.

mod chain;
mod clock;
mod goods;
mod seller;
mod tools;

pub use chain::{Chain, EnoughAlready, FAUCET_GIVES, FIRST_MONEY};
pub use clock::StageClock;
pub use seller::{Shop, ShopPrice};
pub(crate) use tools::MCP_PATH;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tollway_core::clock::Clock;
use tollway_core::facilitator::Facilitator;
use tollway_core::rules::PassTerms;
use tollway_core::seller::OpeningError;
use tollway_evm::chain::ChainError;
use tollway_evm::settle::StartError;
use tollway_evm::verify::NotAChain;
use tollway_http::body::{Body, empty, full};
use tollway_http::endpoint::Endpoint;
use tollway_http::key_directory::{ClientError, directory_response};
use tollway_http::server::{ServerOptions, serve};
use tollway_http::site::{ParseSiteError, Site};
use tollway_ledger::BooksError;
use tollway_mcp::seller::PriceListError;
use tollway_signatures::{DIRECTORY_PATH, PrivateKey};
use tower::service_fn;

use crate::trace::{SeenFacilitator, Timeline};
use seller::{Market, Plan, Priced};

/// What one payment for the browser opens: pages, and seconds.
const SESSION_PAGES: u32 = 10;
const SESSION_SECONDS: u32 = 600;

/// Why there is no stage.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A file or a port.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Books.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// Books of a seller.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The chain does not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The facilitator does not start.
    #[error(transparent)]
    Facilitator(#[from] StartError),
    /// The chain's network is none.
    #[error(transparent)]
    Network(#[from] NotAChain),
    /// A loopback address is no origin.
    #[error(transparent)]
    Site(#[from] ParseSiteError),
    /// The client that reads agents' keys.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The prices of the tools.
    #[error(transparent)]
    Prices(#[from] PriceListError),
    /// There is no test USDC on the chain.
    #[error("no asset is known on the chain")]
    NoAsset,
    /// The chain answers something else than a balance.
    #[error("the chain does not tell the balance")]
    Balance,
    /// The faucet says no.
    #[error(transparent)]
    Faucet(#[from] EnoughAlready),
}

/// Everything that runs.
pub struct Stage {
    /// A site of pages with a feed and a renderer.
    pub review: Shop,
    /// Two shops that sell the same map at different prices.
    pub map_shops: [Shop; 2],
    /// An MCP server with free and paid tools.
    pub tools: Shop,
    /// Where the agent's key is published.
    pub agent: String,
    agent_key: Arc<PrivateKey>,
    clock: Arc<StageClock>,
    folder: TempDir,
    stop: watch::Sender<bool>,
    _servers: JoinSet<std::io::Result<()>>,
    /// The chain, the wallet and the faucet. It ends last: everything else asks it.
    pub chain: Chain,
}

impl Stage {
    /// Starts everything. `site` is the folder of pages that the review sells.
    ///
    /// # Errors
    /// When a port, a file or a part of the stage cannot be had.
    pub async fn start(site: &Path, timeline: &Timeline) -> Result<Self, StageError> {
        let folder = tempfile::Builder::new().prefix("tollway-playground-").tempdir()?;
        let stage_clock = Arc::new(StageClock::default());
        let clock: Arc<dyn Clock> = Arc::clone(&stage_clock) as Arc<dyn Clock>;
        let chain = Chain::start(&clock)?;
        let facilitator = chain.facilitator(folder.path(), &clock).await?;
        let facilitator: Arc<dyn Facilitator> = Arc::new(SeenFacilitator::new(Arc::new(facilitator), timeline.clone()));
        let market = Market { folder: folder.path(), clock: &clock, facilitator: &facilitator, usdc: chain.usdc() };
        let (stop, _) = watch::channel(false);
        let mut servers = Servers { set: JoinSet::new(), stop: &stop };
        let review = servers.open(review_plan(site), &market).await?;
        let northern = servers.open(map_plan("northern-maps", 120_000, "printed on vellum"), &market).await?;
        let corner = servers.open(map_plan("corner-atlas", 90_000, "printed on paper"), &market).await?;
        let tools = servers.tools(site, &market).await?;
        let agent_key = Arc::new(PrivateKey::from_seed(crate::random()));
        let agent = servers.directory(&agent_key, &clock).await?;
        let _servers = servers.set;
        let map_shops = [northern, corner];
        for shop in [&review, &tools].into_iter().chain(&map_shops) {
            timeline.call(&shop.origin, shop.name);
        }
        timeline.call(&agent, "agent");
        Ok(Self { chain, review, map_shops, tools, agent, agent_key, clock: stage_clock, folder, stop, _servers })
    }

    /// All sellers.
    pub fn shops(&self) -> impl Iterator<Item = &Shop> {
        [&self.review, &self.tools].into_iter().chain(&self.map_shops)
    }

    /// The one clock of the stage.
    pub fn clock(&self) -> &Arc<StageClock> {
        &self.clock
    }

    /// The key with which the agent signs its promises.
    pub(crate) fn agent_key(&self) -> &Arc<PrivateKey> {
        &self.agent_key
    }

    /// A file of this run; the folder goes away with the stage.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stops the servers; open requests finish.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

fn review_plan(site: &Path) -> Plan {
    let page = Priced {
        rule: "articles",
        path: "/articles/*",
        amount: 10_000,
        deferred: true,
        exact: true,
        live: false,
        pass: None,
    };
    let session = PassTerms { requests: SESSION_PAGES, seconds: SESSION_SECONDS };
    Plan {
        name: "almanac",
        priced: vec![
            page,
            Priced { rule: "feed", path: "/feed/*", amount: 500, exact: false, live: true, ..page },
            Priced {
                rule: "browser",
                path: "/browser/*",
                amount: 50_000,
                deferred: false,
                live: true,
                pass: Some(session),
                ..page
            },
        ],
        goods: goods::review(site),
    }
}

fn map_plan(name: &'static str, amount: u128, note: &'static str) -> Plan {
    let map = Priced { rule: "map", path: "/maps/*", amount, deferred: false, exact: true, live: false, pass: None };
    Plan { name, priced: vec![map], goods: goods::map_shop(name, note) }
}

/// What listens so far.
struct Servers<'a> {
    set: JoinSet<std::io::Result<()>>,
    stop: &'a watch::Sender<bool>,
}

impl Servers<'_> {
    async fn open(&mut self, plan: Plan, market: &Market<'_>) -> Result<Shop, StageError> {
        let listener = port().await?;
        let (shop, gate) = Shop::open(plan, &listener, market).await?;
        self.serve(listener, Arc::new(gate));
        Ok(shop)
    }

    /// The tools of the MCP server.
    async fn tools(&mut self, site: &Path, market: &Market<'_>) -> Result<Shop, StageError> {
        let listener = port().await?;
        let (shop, seller) = Shop::of_tools("mcp-tools", &listener, market).await?;
        self.serve(listener, tools::endpoint(seller, site)?);
        Ok(shop)
    }

    /// The agent's key directory.
    async fn directory(&mut self, key: &Arc<PrivateKey>, clock: &Arc<dyn Clock>) -> Result<String, StageError> {
        let listener = port().await?;
        let site: Site = format!("http://{}", listener.local_addr()?).parse()?;
        let (origin, key, clock) = (site.origin(), Arc::clone(key), Arc::clone(clock));
        let directory = service_fn(move |request: http::Request<Body>| {
            let answer = if request.uri().path() == DIRECTORY_PATH {
                directory_response(&[&key], site.authority(), site.scheme(), clock.now()).map(full)
            } else {
                let mut missing = http::Response::new(empty());
                *missing.status_mut() = http::StatusCode::NOT_FOUND;
                missing
            };
            std::future::ready(Ok(answer))
        });
        self.serve(listener, Arc::new(directory));
        Ok(origin)
    }

    fn serve(&mut self, listener: TcpListener, endpoint: Arc<dyn Endpoint>) {
        let mut stopped = self.stop.subscribe();
        let stop = async move {
            // A sender that is gone stops as well.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        self.set.spawn(serve(listener, endpoint, ServerOptions::default(), stop));
    }
}

async fn port() -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}
