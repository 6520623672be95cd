//! From rounds to figures: what is compared with what, and what it should be.

use std::path::PathBuf;

use serde::Serialize;

use crate::figure::{Figure, Spread};
use crate::machine::{Machine, busy};
use crate::rounds::{AT, Bench, CONNECTIONS, HOSTILE, Round, Run};

/// Place of [`AT`] in [`CONNECTIONS`].
const MAIN: usize = 2;
const _: () = assert!(CONNECTIONS[MAIN] == AT);

/// What to do.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) dir: PathBuf,
}

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) figures: Vec<Figure>,
    pub(crate) curves: Vec<Curve>,
    pub(crate) machine: Machine,
    /// As [`Machine::busy_before`], after the last round.
    pub(crate) busy_after: String,
    pub(crate) plan: Plan,
}

/// Requests a second by connections.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// Connections, requests a second, 99th percentile of the latency in microseconds.
    pub(crate) points: Vec<(usize, f64, f64)>,
}

/// Runs all rounds.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir_in(&plan.dir)?;
    let machine = Machine::of(folder.path())?;
    let mut bench = Bench::start(folder.path(), plan.seconds)?;
    bench.warm_up()?;
    let mut rounds = Vec::new();
    for number in 1..=plan.rounds {
        eprintln!("round {number} of {}", plan.rounds);
        rounds.push(bench.round()?);
    }
    let mut figures = vec![paid(&rounds), demand(&rounds), free(&rounds), verify(&rounds), books(&rounds)];
    figures.extend(proxied("proxy_4_kib", &rounds, |round| round.small));
    figures.extend(proxied("proxy_1_mib", &rounds, |round| round.large));
    figures.push(pestered(&rounds));
    Ok(Report {
        figures,
        curves: vec![curve("paid", &rounds, |round| round.paid), curve("free", &rounds, |round| round.free)],
        machine,
        busy_after: busy(),
        plan: plan.clone(),
    })
}

impl Report {
    /// One object: a figure by name.
    pub(crate) fn json(&self) -> anyhow::Result<String> {
        let named = self.figures.iter().map(|figure| Ok((figure.name.to_owned(), serde_json::to_value(figure)?)));
        let object = named.collect::<anyhow::Result<serde_json::Map<_, _>>>()?;
        Ok(serde_json::to_string_pretty(&object)?)
    }
}

fn spread(rounds: &[Round], value: impl Fn(&Round) -> f64) -> Spread {
    Spread::of(rounds.iter().map(value))
}

fn median(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    spread(rounds, value).median
}

/// A paid request over what cannot be left out of one: a signature checked, two made, the free answer.
fn paid(rounds: &[Round]) -> Figure {
    let reference = |round: &Round| round.costs.verify + 2.0 * round.costs.sign + round.free[MAIN].cpu;
    let ratios = spread(rounds, |round| round.paid[MAIN].cpu / reference(round));
    let of = |value: fn(&Run) -> f64| median(rounds, |round| value(&round.paid[MAIN]));
    let (cpu, rate, p50, p99) = (of(|run| run.cpu), of(|run| run.rate), of(|run| run.p50), of(|run| run.p99));
    let (group, cores) = (of(|run| run.group), of(|run| run.cores));
    let reference = median(rounds, reference);
    let rates: Vec<String> =
        (0..CONNECTIONS.len()).map(|at| format!("{:.0}", median(rounds, |round| round.paid[at].rate))).collect();
    let note = format!(
        "{cpu:.1} us of CPU a paid request (signed, durable before its first byte) over {reference:.1} us \
         (one strict verification, two signatures, the free path); requests a second at {CONNECTIONS:?} connections: \
         {}; latency at {AT}: p50 {:.1} ms, p99 {:.1} ms; {group:.1} postings for each fsync; {cores:.2} processors in \
         use by the server",
        rates.join(", "),
        p50 / 1e3,
        p99 / 1e3,
    );
    let numbers = [
        ("cpu_us", cpu),
        ("reference_us", reference),
        ("requests_per_second", rate),
        ("p50_us", p50),
        ("p99_us", p99),
        ("postings_per_fsync", group),
        ("server_cores", cores),
    ];
    Figure::new("paid_deferred", &ratios, 1.7, &numbers).with_note(note)
}

/// The gate's demand over the same bytes from a server that knows nothing.
fn demand(rounds: &[Round]) -> Figure {
    let ratios = spread(rounds, |round| round.demand.cpu / round.bare.cpu);
    let (cpu, bare) = (median(rounds, |round| round.demand.cpu), median(rounds, |round| round.bare.cpu));
    let (rate, bare_rate) = (median(rounds, |round| round.demand.rate), median(rounds, |round| round.bare.rate));
    let note = format!(
        "{cpu:.1} us of CPU a 402 over {bare:.1} us of bare hyper with the same bytes; {rate:.0} a second over \
         {bare_rate:.0}, the client on the same machine"
    );
    let numbers = [
        ("cpu_us", cpu),
        ("reference_us", bare),
        ("requests_per_second", rate),
        ("reference_requests_per_second", bare_rate),
    ];
    Figure::new("demand_402", &ratios, rounded_up(1.0 / 0.85), &numbers).with_note(note)
}

fn rounded_up(goal: f64) -> f64 {
    (goal * 100.0).ceil() / 100.0
}

/// A free answer through the gate over the folder without one.
fn free(rounds: &[Round]) -> Figure {
    let ratios = spread(rounds, |round| round.free[MAIN].cpu / round.folder.cpu);
    let (cpu, folder) = (median(rounds, |round| round.free[MAIN].cpu), median(rounds, |round| round.folder.cpu));
    let rate = median(rounds, |round| round.free[MAIN].rate);
    let folder_rate = median(rounds, |round| round.folder.rate);
    let note = format!(
        "{cpu:.1} us of CPU a free answer over {folder:.1} us of the folder without a gate; {rate:.0} a second over \
         {folder_rate:.0}"
    );
    let numbers = [
        ("cpu_us", cpu),
        ("reference_us", folder),
        ("requests_per_second", rate),
        ("reference_requests_per_second", folder_rate),
    ];
    Figure::new("free_path", &ratios, 1.25, &numbers).with_note(note)
}

/// An answer that is passed on through the gate, over the same through nginx: one worker each.
fn proxied(name: &'static str, rounds: &[Round], runs: fn(&Round) -> (Run, Option<Run>)) -> Option<Figure> {
    let pairs: Vec<(Run, Run)> = rounds.iter().filter_map(|round| Some((runs(round).0, runs(round).1?))).collect();
    if pairs.is_empty() {
        return None;
    }
    let of = |value: fn(&Run) -> f64| {
        let side = |pick: fn(&(Run, Run)) -> Run| Spread::of(pairs.iter().map(|pair| value(&pick(pair)))).median;
        (side(|pair| pair.0), side(|pair| pair.1))
    };
    let ((cpu, nginx), (rate, nginx_rate)) = (of(|run| run.cpu), of(|run| run.rate));
    let note = format!(
        "{cpu:.1} us of CPU an answer through the gate over {nginx:.1} us through nginx; {rate:.0} a second over \
         {nginx_rate:.0}, upstream and client on the same machine"
    );
    let numbers = [
        ("cpu_us", cpu),
        ("reference_us", nginx),
        ("requests_per_second", rate),
        ("reference_requests_per_second", nginx_rate),
    ];
    let ratios = Spread::of(pairs.iter().map(|(ours, theirs)| ours.cpu / theirs.cpu));
    Some(Figure::new(name, &ratios, rounded_up(1.0 / 0.9), &numbers).with_note(note))
}

/// How much longer the slowest of a hundred free answers take while hostile clients hold connections.
fn pestered(rounds: &[Round]) -> Figure {
    let ratios = spread(rounds, |round| round.pestered.p99 / round.free[MAIN].p99);
    let (before, during) = (median(rounds, |round| round.free[MAIN].p99), median(rounds, |round| round.pestered.p99));
    let (rate, calm) = (median(rounds, |round| round.pestered.rate), median(rounds, |round| round.free[MAIN].rate));
    let note = format!(
        "p99 of the free page {:.1} ms with {HOSTILE} idle and slow connections beside, {:.1} ms without; {rate:.0} a \
         second over {calm:.0}",
        during / 1e3,
        before / 1e3,
    );
    let numbers = [("p99_us", during), ("reference_p99_us", before)];
    Figure::new("hostile_p99", &ratios, 2.0, &numbers).with_note(note)
}

/// The whole check of a signature over the arithmetic in it.
fn verify(rounds: &[Round]) -> Figure {
    let ratios = spread(rounds, |round| round.costs.read_and_verify / round.costs.verify);
    let of = |value: fn(&Round) -> f64| median(rounds, value);
    let (whole, verify) = (of(|round| round.costs.read_and_verify), of(|round| round.costs.verify));
    let sign = of(|round| round.costs.sign);
    let bytes = rounds.first().map_or(0, |round| round.costs.base_bytes);
    let note = format!(
        "{whole:.1} us of CPU to read a signature under the strict policy, rebuild its base of {bytes} bytes and \
         verify it, over {verify:.1} us of bare verify_strict; signing takes {sign:.1} us; {:.0} a second and thread",
        1e6 / whole
    );
    let numbers = [("cpu_us", whole), ("reference_us", verify), ("sign_us", sign)];
    Figure::new("verify", &ratios, 1.25, &numbers).with_note(note)
}

/// Lines a second of bare SQLite over postings a second of the books, on the same disk in groups of the same size.
fn books(rounds: &[Round]) -> Figure {
    let ratios = spread(rounds, |round| round.posted.bare_rate / round.posted.rate);
    let of = |value: fn(&Round) -> f64| median(rounds, value);
    let (rate, bare) = (of(|round| round.posted.rate), of(|round| round.posted.bare_rate));
    let group = of(|round| round.posted.group);
    let bytes = rounds.first().map_or(0, |round| round.posted.line_bytes);
    let note = format!(
        "{rate:.0} postings a second of 64 at once, {group:.1} in a commit; bare SQLite writes {bare:.0} lines of the \
         same {bytes} bytes a second in commits of that size, as durably, without index, check or chain"
    );
    let numbers = [("postings_per_second", rate), ("reference_lines_per_second", bare), ("postings_per_commit", group)];
    Figure::new("books", &ratios, 5.0, &numbers).with_note(note)
}

fn curve(name: &'static str, rounds: &[Round], runs: fn(&Round) -> [Run; 4]) -> Curve {
    let point = |(at, connections): (usize, &usize)| {
        (*connections, median(rounds, |round| runs(round)[at].rate), median(rounds, |round| runs(round)[at].p99))
    };
    Curve { name, points: CONNECTIONS.iter().enumerate().map(point).collect() }
}
