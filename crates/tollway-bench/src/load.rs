//! The sending process: keep-alive connections, each with one request under way, until the time is up or the signed
//! requests are used. Says `ready`, waits for a line, then reports.

use std::cell::Cell;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tollway_core::clock::{Clock as _, SystemClock};
use tollway_protocol::header;

use crate::orders::{Buyer, Orders, plain};
use crate::stage::PAGE_BYTES;
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
#[derive(Debug)]
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
pub(crate) async fn send(args: &LoadArgs, requests: &Requests, connections: Vec<Connection>) -> anyhow::Result<Sent> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(args.seconds);
    let next = Cell::new(0);
    let lanes = connections.into_iter().map(|connection| lane(args, requests, connection, &next, end));
    let limit = Duration::from_secs_f64(args.seconds) + GRACE;
    let answered = tokio::time::timeout(limit, try_join_all(lanes)).await.context("the server stopped answering")??;
    let seconds = begin.elapsed().as_secs_f64();
    let mut latencies: Vec<u32> = answered.into_iter().flatten().collect();
    ensure!(!latencies.is_empty(), "nothing was answered");
    latencies.sort_unstable();
    Ok(Sent {
        answered: latencies.len() as u64,
        seconds,
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
    })
}

/// One connection: the latency of each of its requests, in microseconds.
async fn lane(
    args: &LoadArgs,
    requests: &Requests,
    mut connection: Connection,
    next: &Cell<usize>,
    end: Instant,
) -> anyhow::Result<Vec<u32>> {
    let mut latencies = Vec::with_capacity(1_024);
    while Instant::now() < end {
        let at = next.replace(next.get() + 1);
        let Some(request) = requests.get(at) else { break };
        let asked = Instant::now();
        let answer = connection.ask(request).await?;
        latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
        ensure!(answer.status == args.status, "request {at} was answered {}, not {}", answer.status, args.status);
        if requests.are_paid() {
            let receipt = answer.field(header::PAYMENT_RESPONSE).is_some() && answer.field(header::SIGNATURE).is_some();
            ensure!(receipt && answer.length == PAGE_BYTES, "request {at} was answered without receipt or page");
        }
    }
    Ok(latencies)
}

impl Requests {
    fn get(&self, at: usize) -> Option<&[u8]> {
        match self {
            Self::Same(request) => Some(request),
            Self::Each(orders) => orders.get(at),
        }
    }

    fn are_paid(&self) -> bool {
        matches!(self, Self::Each(_))
    }
}

/// The smallest value that so many of 100 do not exceed, of sorted values.
fn percentile(sorted: &[u32], hundredths: usize) -> u32 {
    let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
    sorted[rank - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{FREE, PAID, Stage};

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (50, 99));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99)), (7, 7));
        assert_eq!(percentile(&[1, 2, 3], 50), 2);
    }

    async fn sent(args: &LoadArgs) -> anyhow::Result<Sent> {
        let requests = requests(args).await?;
        send(args, &requests, open(args).await?).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_paid_answer_is_one_posting_and_the_others_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::build(folder.path()).await.unwrap();
        let at = &stage.addresses;
        let load = |address, path: &str, status| LoadArgs {
            address,
            path: path.to_owned(),
            status,
            buy_as: None,
            signed: 0,
            seed: 7,
            connections: 3,
            seconds: 0.05,
        };
        let free = [(at.gate, FREE, 200), (at.folder, FREE, 200), (at.gate, PAID, 402), (at.bare, PAID, 402)];
        for (address, path, status) in free {
            assert!(sent(&load(address, path, status)).await.unwrap().answered > 0);
        }
        assert_eq!(stage.counts().postings, 0);
        let buying = LoadArgs { buy_as: Some(at.agent), signed: 20, seconds: 30.0, ..load(at.gate, PAID, 200) };
        assert_eq!(sent(&buying).await.unwrap().answered, 20);
        let counts = stage.counts();
        assert_eq!(counts.postings, 20);
        assert!(counts.batches > 0);
        // An answer that is not the expected one ends the run.
        assert!(sent(&load(at.gate, PAID, 200)).await.is_err());
    }
}
