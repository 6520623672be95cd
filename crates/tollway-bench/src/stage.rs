//! The serving process: a gateway with real books, the bare folder behind it, and a server that answers the gate's
//! demand without knowing anything. One process, so that its CPU time is that of whatever is asked at the moment.

use std::convert::Infallible;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tollway_core::clock::{Clock as _, SystemClock};
use tollway_core::offer::{OfferPress, RulesVersion};
use tollway_core::rules::{Action, Charge, Methods, Rule, RuleSet};
use tollway_core::seller::{Seller, SellerParts};
use tollway_http::body::{Body, empty, full};
use tollway_http::endpoint::Endpoint;
use tollway_http::gate::{GateLayer, GateOptions};
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory, directory_response};
use tollway_http::origin::Folder;
use tollway_http::server::{ServerOptions, serve as serve_http};
use tollway_ledger::{AgentId, AgentTerms, Books as _};
use tollway_protocol::{Amount, Asset, Network, Price, Scale};
use tollway_store::{OpenOptions, SqliteBooks};
use tower::Layer as _;

use crate::orders::{buyer_key, seller_key};
use crate::table::say;

/// What costs money; a copy of it at [`FREE`] does not.
pub(crate) const PAID: &str = "/paid/page.html";
/// The same bytes, unpriced.
pub(crate) const FREE: &str = "/free/page.html";
/// Bytes of the page.
pub(crate) const PAGE_BYTES: usize = 4 << 10;

/// Where everything listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) gate: SocketAddr,
    pub(crate) folder: SocketAddr,
    pub(crate) bare: SocketAddr,
    /// The buyer's key directory.
    pub(crate) agent: SocketAddr,
}

/// What the books have done since they were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) postings: u64,
    pub(crate) batches: u64,
}

/// Everything that is served.
pub(crate) struct Stage {
    pub(crate) addresses: Addresses,
    books: Arc<SqliteBooks>,
}

/// Serves until standard input ends: says where, then the counts of the books once for each line read.
pub(crate) fn serve(dir: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let stage = runtime.block_on(Stage::build(dir))?;
    say(&serde_json::to_string(&stage.addresses)?)?;
    for line in std::io::stdin().lock().lines() {
        line?;
        say(&serde_json::to_string(&stage.counts())?)?;
    }
    Ok(())
}

impl Stage {
    /// Writes the site and the books below `dir` and serves them in tasks of this runtime.
    pub(crate) async fn build(dir: &Path) -> anyhow::Result<Self> {
        let site = dir.join("site");
        for path in [PAID, FREE] {
            let file = site.join(&path[1..]);
            std::fs::create_dir_all(file.parent().context("a page lies in a folder")?)?;
            std::fs::write(file, page())?;
        }
        let (gate, folder, bare, agent) = (listen().await?, listen().await?, listen().await?, listen().await?);
        let addresses = Addresses {
            gate: gate.local_addr()?,
            folder: folder.local_addr()?,
            bare: bare.local_addr()?,
            agent: agent.local_addr()?,
        };
        let origin = format!("http://{}", addresses.gate);
        let books = Arc::new(books(&dir.join("books.db"), &origin)?);
        open_account(&books, addresses.agent).await?;
        let sites = vec![origin.parse()?];
        let gated = GateLayer::new(seller(&origin, Arc::clone(&books))?, sites, GateOptions::default());
        let gated: Arc<dyn Endpoint> = Arc::new(gated.layer(Folder::new(&site)));
        let demand = Arc::new(demand(gated.as_ref(), addresses.gate).await?);
        start(gate, gated);
        start(folder, Arc::new(Folder::new(&site)));
        start(agent, directory(addresses.agent));
        tokio::spawn(serve_bare(bare, demand));
        Ok(Self { addresses, books })
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { postings: self.books.postings(), batches: self.books.batches() }
    }
}

/// Books of a seller, as a gateway opens them.
pub(crate) fn books(path: &Path, origin: &str) -> anyhow::Result<SqliteBooks> {
    let options = OpenOptions::new(origin, Asset::usd(), Scale::MICRO);
    SqliteBooks::open(path, options).with_context(|| path.display().to_string())
}

async fn open_account(books: &SqliteBooks, agent: SocketAddr) -> anyhow::Result<()> {
    let agent = AgentId::new(format!("http://{agent}"))?;
    let terms = AgentTerms { agent, credit_limit: Amount::new(u128::from(u64::MAX)), daily_budget: None };
    Ok(books.agent_put(terms, SystemClock.now()).await?)
}

pub(crate) fn seller(origin: &str, books: Arc<SqliteBooks>) -> anyhow::Result<Seller> {
    let key = Arc::new(seller_key());
    let rules = rules()?;
    let today = RulesVersion::of(&rules, SystemClock.now());
    let keys = KeyDirectory::new(DirectoryOptions { allow_loopback: true, ..DirectoryOptions::default() })?;
    Ok(Seller::new(SellerParts {
        origin: origin.to_owned(),
        press: OfferPress::new(origin.to_owned(), Arc::clone(&key), today, Vec::new()),
        key,
        network: Network::tollway(),
        rules,
        books,
        agents: keys.agents(),
        keys: Arc::new(keys),
        clock: Arc::new(SystemClock),
        starter: None,
    }))
}

fn rules() -> anyhow::Result<RuleSet> {
    let charge = Charge::at(Price::parse("$0.002")?);
    let mut pages = Rule::new("pages", "/paid/*".parse()?, Action::Charge(charge));
    pages.methods = Methods::Only(vec!["GET".to_owned()]);
    Ok(RuleSet::new(Vec::new(), vec![pages]))
}

/// The buyer's directory: fetched once, then remembered, as on a gateway that has seen the agent before.
fn directory(address: SocketAddr) -> Arc<dyn Endpoint> {
    let key = Arc::new(buyer_key());
    Arc::new(tower::service_fn(move |_: Request<Body>| {
        let response = directory_response(&[key.as_ref()], &address.to_string(), "http", SystemClock.now());
        std::future::ready(Ok(response.map(full)))
    }))
}

fn page() -> String {
    let mut page = "<!doctype html><title>Tally sticks</title>\n".to_owned();
    let mut line = 0;
    while page.len() < PAGE_BYTES {
        line += 1;
        page.push_str(&format!("<p>Notch {line}: what was promised is cut into both halves of the stick.</p>\n"));
    }
    page.truncate(PAGE_BYTES);
    page
}

async fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await.context("no port on this machine")
}

pub(crate) fn start(listener: TcpListener, endpoint: Arc<dyn Endpoint>) {
    tokio::spawn(serve_http(listener, endpoint, ServerOptions::default(), std::future::pending()));
}

/// What the gate answers to a request that does not pay.
async fn demand(gate: &dyn Endpoint, address: SocketAddr) -> anyhow::Result<Response<Bytes>> {
    let request = Request::get(PAID).header(http::header::HOST, address.to_string()).body(empty())?;
    let (parts, body) = gate.answer(request).await.into_parts();
    let body = body.collect().await.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

/// Hyper as it comes, and one answer.
async fn serve_bare(listener: TcpListener, answer: Arc<Response<Bytes>>) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = Arc::clone(&answer);
        let service = hyper::service::service_fn(move |_: Request<Incoming>| {
            let mut response = Response::new(Full::new(answer.body().clone()));
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            std::future::ready(Ok::<_, Infallible>(response))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
