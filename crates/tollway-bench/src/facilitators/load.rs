//! Askers on keep-alive connections; each answer has to be the expected one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::wire::Connection;

/// How much to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) connections: usize,
    pub(super) seconds: f64,
    /// What every answer contains.
    pub(super) expected: &'static str,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) answered: usize,
    pub(super) seconds: f64,
    /// Latencies, in milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Sends the requests in turn, from the beginning again after the last; what was begun is waited for.
pub(super) fn run(address: SocketAddr, path: &str, requests: &[Vec<u8>], load: Load) -> anyhow::Result<Done> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let requests: Arc<[Vec<u8>]> = requests.into();
    runtime.block_on(async {
        let (next, begin) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let mut askers = tokio::task::JoinSet::new();
        for _ in 0..load.connections {
            askers.spawn(ask(address, Arc::clone(&requests), Arc::clone(&next), begin, load));
        }
        let mut times: Vec<Duration> = Vec::new();
        while let Some(asked) = askers.join_next().await {
            times.extend(asked?.with_context(|| path.to_owned())?);
        }
        let seconds = begin.elapsed().as_secs_f64();
        ensure!(!times.is_empty(), "{path} answered nothing");
        times.sort_unstable();
        let at = |hundredths: usize| times[(times.len() - 1) * hundredths / 100].as_secs_f64() * 1e3;
        Ok(Done { answered: times.len(), seconds, p50: at(50), p99: at(99) })
    })
}

async fn ask(
    address: SocketAddr,
    requests: Arc<[Vec<u8>]>,
    next: Arc<AtomicUsize>,
    begin: Instant,
    load: Load,
) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::new();
    while begin.elapsed().as_secs_f64() < load.seconds {
        let turn = next.fetch_add(1, Ordering::Relaxed) % requests.len();
        let since = Instant::now();
        let answer = connection.ask(&requests[turn]).await?;
        let body = String::from_utf8_lossy(answer.body);
        ensure!(answer.status == 200 && body.contains(load.expected), "{}: {body}", answer.status);
        times.push(since.elapsed());
    }
    Ok(times)
}
