//! Our facilitator beside the published one of x402-rs (`bench-peer/`), on the same chain: what a `/verify`
//! costs, how many there are in a second, and how many payments settle.

mod load;
mod parts;
mod payments;
mod recovery;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tollway_devnet::TestAccount;

use crate::child::Part;
use crate::cpu;
use crate::figure::{Figure, Spread};
use crate::table::say;

use load::Done;

pub(crate) use parts::{chain, facilitator};

/// Connections that ask at once.
const AT: usize = 64;
/// Payments that are verified in turn: no two askers have the same one at a time.
const VERIFIED: usize = 512;
/// Milliseconds between two blocks where payments settle.
const BLOCKS: u64 = 2_000;

/// What to measure beside, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FacilitatorArgs {
    /// The other program: `bench-peer`, built with optimisation.
    #[arg(long)]
    peer: PathBuf,
    /// Rounds; the median of each figure is reported.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement of `/verify` within a round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Seconds of each measurement of `/settle`, which is done once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..=120))]
    settle_seconds: u32,
}

/// A facilitator that listens.
struct Listening {
    part: Part,
    address: std::net::SocketAddr,
}

/// One load on one facilitator.
#[derive(Debug, Clone)]
struct Cost {
    /// CPU time of the facilitator for one request, in microseconds.
    cpu: f64,
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Measures everything, and prints it.
pub(crate) fn run(args: &FacilitatorArgs) -> anyhow::Result<()> {
    ensure!(!cfg!(debug_assertions), "figures of a build without optimisation say nothing: use --release");
    let folder = tempfile::tempdir()?;
    let mut figures = verify(args, folder.path())?;
    figures.push(settle(args, folder.path())?);
    figures.push(recovery::figure(args.rounds)?);
    let named: BTreeMap<&str, &Figure> = figures.iter().map(|figure| (figure.name, figure)).collect();
    say(&serde_json::to_string_pretty(&named)?)
}

/// A chain of our own.
fn start_chain(interval: u64) -> anyhow::Result<(Part, String)> {
    let mut chain = Part::start(&["chain".to_owned(), interval.to_string()])?;
    let url = chain.hear()?;
    Ok((chain, url))
}

impl Listening {
    fn ours(rpc: &str, store: &Path, batch: usize) -> anyhow::Result<Self> {
        let store = store.to_string_lossy().into_owned();
        Self::of(Part::start(&["facilitator".to_owned(), rpc.to_owned(), store, batch.to_string()])?)
    }

    fn theirs(peer: &Path, rpc: &str) -> anyhow::Result<Self> {
        let key = format!("{:#x}", TestAccount::new(parts::THEIRS).key);
        Self::of(Part::start_other(peer, &[rpc.to_owned()], &[("BENCH_PEER_KEY", key)])?)
    }

    fn of(mut part: Part) -> anyhow::Result<Self> {
        let line = part.hear()?;
        let address = line.rsplit("http://").next().and_then(|text| text.parse().ok());
        Ok(Self { part, address: address.with_context(|| format!("a facilitator said `{line}`"))? })
    }

    /// Asks with these requests in turn.
    fn load(&self, path: &str, requests: &[Vec<u8>], load: load::Load) -> anyhow::Result<(Cost, Done)> {
        let used = cpu::of_process(self.part.pid())?;
        let done = load::run(self.address, path, requests, load)?;
        let used = cpu::of_process(self.part.pid())?.saturating_sub(used).as_secs_f64();
        let answered = done.answered as f64;
        let rate = answered / done.seconds;
        Ok((Cost { cpu: used / answered * 1e6, rate, p50: done.p50, p99: done.p99 }, done))
    }
}

/// `/verify` of payments by EIP-3009, on a chain that stands still.
fn verify(args: &FacilitatorArgs, folder: &Path) -> anyhow::Result<Vec<Figure>> {
    let (_chain, rpc) = start_chain(0)?;
    let ours = Listening::ours(&rpc, &folder.join("verify"), 100)?;
    let theirs = Listening::theirs(&args.peer, &rpc)?;
    let requests: Vec<_> = payments::signed(VERIFIED, 0)?
        .iter()
        .map(|request| payments::post("127.0.0.1", "/verify", request))
        .collect::<anyhow::Result<_>>()?;
    let load = |seconds| load::Load { connections: AT, seconds: f64::from(seconds), expected: "\"isValid\":true" };
    let measured = |who: &Listening, seconds| who.load("/verify", &requests, load(seconds)).map(|(cost, _)| cost);
    for who in [&ours, &theirs] {
        measured(who, 1)?;
    }
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        eprintln!("verify: round {number} of {}", args.rounds);
        rounds.push((measured(&ours, args.seconds)?, measured(&theirs, args.seconds)?));
    }
    let median = |value: &dyn Fn(&(Cost, Cost)) -> f64| Spread::of(rounds.iter().map(value)).median;
    let (cpu, other) = (median(&|round| round.0.cpu), median(&|round| round.1.cpu));
    let (rate, other_rate) = (median(&|round| round.0.rate), median(&|round| round.1.rate));
    let (p50, p99) = (median(&|round| round.0.p50), median(&|round| round.0.p99));
    let (other_p50, other_p99) = (median(&|round| round.1.p50), median(&|round| round.1.p99));
    let note = format!(
        "{cpu:.0} us of CPU a /verify over {other:.0} us of x402-facilitator-local; latency at {AT} connections: p50 \
         {p50:.1} ms, p99 {p99:.1} ms, theirs {other_p50:.1} and {other_p99:.1}"
    );
    let ratios = Spread::of(rounds.iter().map(|(ours, theirs)| ours.cpu / theirs.cpu));
    let costs = Figure::new("facilitator_verify", &ratios, 0.333, &[("cpu_us", cpu), ("reference_us", other)]);
    let rates = Spread::of(rounds.iter().map(|(ours, theirs)| theirs.rate / ours.rate));
    let numbers = [("verifies_per_second", rate), ("reference_per_second", other_rate)];
    let throughput = Figure::new("facilitator_rate", &rates, 0.5, &numbers);
    let words = format!(
        "{rate:.0} /verify a second over {other_rate:.0} of theirs, chain and asker on the same machine (the ratio is \
         theirs over ours)"
    );
    Ok(vec![costs.with_note(note), throughput.with_note(words)])
}

/// Payments that settle in a second on a chain with slow blocks: alone, in company, and by the peer.
fn settle(args: &FacilitatorArgs, folder: &Path) -> anyhow::Result<Figure> {
    let mut rates = Vec::new();
    for (seed, (name, batch)) in [("alone", Some(1)), ("batched", Some(100)), ("theirs", None)].into_iter().enumerate()
    {
        eprintln!("settle: {name}");
        let (_chain, rpc) = start_chain(BLOCKS)?;
        let who = match batch {
            Some(batch) => Listening::ours(&rpc, &folder.join(name), batch)?,
            None => Listening::theirs(&args.peer, &rpc)?,
        };
        let seconds = f64::from(args.settle_seconds);
        let count = usize::try_from(args.settle_seconds)? * 1_000;
        let requests: Vec<_> = payments::signed(count, u64::try_from(seed)? + 1)?
            .iter()
            .map(|request| payments::post("127.0.0.1", "/settle", request))
            .collect::<anyhow::Result<_>>()?;
        let load = load::Load { connections: 4 * AT, seconds, expected: "\"success\":true" };
        rates.push(who.load("/settle", &requests, load)?.0);
    }
    let [alone, batched, theirs] = rates.as_slice() else { anyhow::bail!("a measurement is missing") };
    let note = format!(
        "{:.0} payments a second settle in batches of up to 100, {:.0} each in a transaction of its own, {:.0} by \
         x402-facilitator-local, blocks every {BLOCKS} ms, {} askers; latency p50 {:.0}, {:.0} and {:.0} ms",
        batched.rate,
        alone.rate,
        theirs.rate,
        4 * AT,
        batched.p50,
        alone.p50,
        theirs.p50
    );
    let numbers = [
        ("batched_per_second", batched.rate),
        ("alone_per_second", alone.rate),
        ("reference_per_second", theirs.rate),
        ("batched_cpu_us", batched.cpu),
        ("reference_us", theirs.cpu),
    ];
    Ok(Figure::new("facilitator_settle", &Spread::of([theirs.rate / batched.rate]), 1.0, &numbers).with_note(note))
}
