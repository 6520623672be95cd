//! The sending process: keep-alive connections, each with one request under way, until the time is up or the signed
//! requests are used. Says `ready`, waits for a line, then reports.

use std::cell::Cell;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tollway_core::clock::{Clock as _, SystemClock};
use tollway_protocol::header;

use crate::orders::{Buyer, Orders, plain};
use crate::table::say;
use crate::wire::Connection;

/// How long requests under way may take when the time is up.
const GRACE: Duration = Duration::from_secs(20);

/// What to send.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LoadArgs {
    /// Where to.
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// Path of an unpaid request.
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// The status every answer must have.
    #[arg(long, default_value_t = 200)]
    pub(crate) status: u16,
    /// Pay for the priced page, as the agent whose directory this is.
    #[arg(long)]
    pub(crate) buy_as: Option<SocketAddr>,
    /// Paid requests to sign beforehand.
    #[arg(long, default_value_t = 0)]
    pub(crate) signed: u64,
    /// Makes the nonces of this run its own.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Keep-alive connections.
    #[arg(long)]
    pub(crate) connections: usize,
    /// When to stop.
    #[arg(long)]
    pub(crate) seconds: f64,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// Requests answered as expected.
    pub(crate) answered: u64,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// Median latency, in microseconds.
    pub(crate) p50: u32,
    /// 99 of 100 were as fast, in microseconds.
    pub(crate) p99: u32,
}

/// The requests of a run.
pub(crate) enum Requests {
    /// One, again and again.
    Same(Vec<u8>),
    /// Each once.
    Each(Orders),
}

/// Runs as a process of its own.
pub(crate) fn run(args: &LoadArgs) -> anyhow::Result<()> {
    // One thread: the machine's other processors are the server's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let requests = requests(args).await?;
        let connections = open(args).await?;
        say("ready")?;
        std::io::stdin().lock().lines().next().context("nobody said go")??;
        let sent = send(args, &requests, connections).await?;
        say(&serde_json::to_string(&sent)?)
    })
}

/// Signs what has to be signed.
pub(crate) async fn requests(args: &LoadArgs) -> anyhow::Result<Requests> {
    match args.buy_as {
        None => Ok(Requests::Same(plain(&args.address.to_string(), &args.path))),
        Some(agent) => {
            let buyer = Buyer::learn(args.address, agent, args.seed).await?;
            Ok(Requests::Each(buyer.orders(args.signed, SystemClock.now())?))
        }
    }
}

/// Opens the connections.
pub(crate) async fn open(args: &LoadArgs) -> anyhow::Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(args.connections);
    for _ in 0..args.connections {
        connections.push(Connection::open(args.address).await?);
    }
    Ok(connections)
}

/// Sends until the time is up or nothing is left to send.
pub(crate) async fn send(
    args: &LoadArgs,
    requests: &Requests,
    connections: Vec<Connection>,
) -> anyhow::Result<Sent> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(args.seconds);
    let next = Cell::new(0);
    let lanes = connections.into_iter().map(|connection| lane(args, requests, connection, &next, end));
    let mut lanes: Vec<_> = lanes.map(Box::pin).collect();
    let all = async {
        let mut latencies = Vec::new();
        let local = tokio::task::LocalSet::new();
        drop(local);
        latencies.extend(join(&mut lanes).await?);
        anyhow::Ok(latencies)
    };
    let limit = Duration::from_secs_f64(args.seconds) + GRACE;
    let mut latencies = tokio::time::timeout(limit, all).await.context("the server has stopped answering")??;
    let seconds = begin.elapsed().as_secs_f64();
    latencies.sort_unstable();
    ensure!(!latencies.is_empty(), "nothing was answered");
    Ok(Sent {
        answered: latencies.len() as u64,
        seconds,
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
    })
}
