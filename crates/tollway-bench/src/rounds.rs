//! One round: every load in turn against one serving process, its CPU time read before and after.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};

use crate::books::{self, Posted};
use crate::child::Part;
use crate::cpu;
use crate::crypto::{self, Costs};
use crate::load::Sent;
use crate::orders::Buyer;
use crate::relay::{At, LARGE, Nginx, SMALL};
use crate::stage::{Addresses, Counts, FREE, PAID};

/// Keep-alive connections of the curve; figures of CPU time are taken at [`AT`].
pub(crate) const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];
/// Connections that hostile clients hold.
pub(crate) const HOSTILE: usize = 5_000;
/// Connections at which requests are compared.
pub(crate) const AT: usize = 64;
/// Paid requests signed for each second: more than two processors can serve.
const SIGNED_PER_SECOND: u32 = 8_000;

/// One load and what it cost the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Requests a second.
    pub(crate) rate: f64,
    /// CPU time of the serving process for one request, in microseconds.
    pub(crate) cpu: f64,
    /// Processors the server was using.
    pub(crate) cores: f64,
    /// Latencies, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Postings for each commit; 0 where nothing was sold.
    pub(crate) group: f64,
}

impl Run {
    /// A run of which nothing was sold; `used` are seconds of processor time.
    fn of(sent: &Sent, used: f64) -> Self {
        Self {
            rate: sent.answered as f64 / sent.seconds,
            cpu: used / sent.answered as f64 * 1e6,
            cores: used / sent.seconds,
            p50: f64::from(sent.p50),
            p99: f64::from(sent.p99),
            group: 0.0,
        }
    }
}

/// Everything once.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// By [`CONNECTIONS`].
    pub(crate) paid: [Run; 4],
    pub(crate) free: [Run; 4],
    pub(crate) demand: Run,
    pub(crate) bare: Run,
    pub(crate) folder: Run,
    /// Through the gate with one worker, and through nginx where it is installed.
    pub(crate) small: (Run, Option<Run>),
    pub(crate) large: (Run, Option<Run>),
    /// The free page while hostile clients hold connections.
    pub(crate) pestered: Run,
    pub(crate) costs: Costs,
    pub(crate) posted: Posted,
}

/// The serving process, and how long to ask it.
pub(crate) struct Bench<'a> {
    dir: &'a Path,
    seconds: u32,
    server: Part,
    /// What stands behind proxies lives as long as they do.
    _upstream: Part,
    relay: (Part, std::net::SocketAddr),
    nginx: Option<Nginx>,
    addresses: Addresses,
    buyer: Buyer,
    seed: u64,
}

impl<'a> Bench<'a> {
    /// Starts the server on a folder of its own below `dir`.
    pub(crate) fn start(dir: &'a Path, seconds: u32) -> anyhow::Result<Self> {
        let mut server = Part::start(&["serve".to_owned(), dir.to_string_lossy().into_owned()])?;
        let addresses: Addresses = server.hear_json()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        let seed = u64::try_from(since.as_micros())?;
        let buyer = runtime.block_on(Buyer::learn(addresses.gate, addresses.agent, seed))?;
        let mut upstream = Part::start(&["upstream".to_owned()])?;
        let behind: At = upstream.hear_json()?;
        let mut relay =
            Part::start(&["relay".to_owned(), dir.to_string_lossy().into_owned(), behind.address.to_string()])?;
        let relay = {
            let at: At = relay.hear_json()?;
            (relay, at.address)
        };
        let nginx = Nginx::start(dir, behind.address)?;
        Ok(Self { dir, seconds, server, _upstream: upstream, relay, nginx, addresses, buyer, seed })
    }

    /// Fills caches, opens files, fetches the key directory.
    pub(crate) fn warm_up(&mut self) -> anyhow::Result<()> {
        let seconds = std::mem::replace(&mut self.seconds, 1);
        self.paid(AT)?;
        self.free(AT)?;
        self.seconds = seconds;
        Ok(())
    }

    pub(crate) fn round(&mut self) -> anyhow::Result<Round> {
        // What is compared stands side by side, so that a slow minute meets both.
        let costs = crypto::measure(&self.buyer)?;
        let (paid, free) = (self.paid(AT)?, self.free(AT)?);
        let small = self.relayed(SMALL)?;
        let large = self.relayed(LARGE)?;
        let folder = self.unpaid(self.addresses.folder, FREE, 200, AT)?;
        let demand = self.unpaid(self.addresses.gate, PAID, 402, AT)?;
        let bare = self.unpaid(self.addresses.bare, PAID, 402, AT)?;
        let mut round = Round {
            paid: [paid; 4],
            free: [free; 4],
            demand,
            bare,
            folder,
            small,
            large,
            pestered: self.pestered()?,
            costs,
            posted: books::measure(self.dir, f64::from(self.seconds))?,
        };
        for (at, connections) in CONNECTIONS.into_iter().enumerate().filter(|(_, connections)| *connections != AT) {
            round.paid[at] = self.paid(connections)?;
            round.free[at] = self.free(connections)?;
        }
        Ok(round)
    }

    fn free(&mut self, connections: usize) -> anyhow::Result<Run> {
        self.unpaid(self.addresses.gate, FREE, 200, connections)
    }

    /// Through the gate, and through nginx.
    fn relayed(&mut self, path: &str) -> anyhow::Result<(Run, Option<Run>)> {
        let ours = self.load_one(self.relay.0.pid(), self.relay.1, path)?;
        let nginx = self.nginx.as_ref().map(|nginx| (nginx.pid(), nginx.address));
        let theirs = nginx.map(|(pid, address)| self.load_one(pid, address, path)).transpose()?;
        Ok((ours, theirs))
    }

    fn load_one(&self, pid: u32, address: std::net::SocketAddr, path: &str) -> anyhow::Result<Run> {
        let arguments = [format!("--address={address}"), format!("--path={path}")];
        let mut load = self.ready(&arguments, AT)?;
        let used = cpu::of_process(pid)?;
        load.say("go")?;
        let sent: Sent = load.hear_json()?;
        Ok(Run::of(&sent, cpu::of_process(pid)?.saturating_sub(used).as_secs_f64()))
    }

    /// The free page once more, while hostile clients hold connections to the same server.
    fn pestered(&mut self) -> anyhow::Result<Run> {
        let mut hold = Part::start(&["hold".to_owned(), self.addresses.gate.to_string(), HOSTILE.to_string()])?;
        ensure!(hold.hear()? == "ready", "hostile clients did not get ready");
        self.free(AT)
    }

    fn unpaid(
        &mut self,
        address: std::net::SocketAddr,
        path: &str,
        status: u16,
        connections: usize,
    ) -> anyhow::Result<Run> {
        self.load(
            &[format!("--address={address}"), format!("--path={path}"), format!("--status={status}")],
            connections,
        )
        .map(|(run, _)| run)
    }

    fn paid(&mut self, connections: usize) -> anyhow::Result<Run> {
        self.seed += 1;
        let arguments = [
            format!("--address={}", self.addresses.gate),
            format!("--buy-as={}", self.addresses.agent),
            format!("--signed={}", self.seconds * SIGNED_PER_SECOND),
            format!("--seed={}", self.seed),
        ];
        let (run, charged) = self.load(&arguments, connections)?;
        ensure!(charged.is_some(), "not every paid answer was charged exactly once");
        Ok(run)
    }

    /// The run, and the postings where they are as many as the answers.
    fn load(&mut self, arguments: &[String], connections: usize) -> anyhow::Result<(Run, Option<u64>)> {
        let mut load = self.ready(arguments, connections)?;
        let (counts, used) = (self.counts()?, cpu::of_process(self.server.pid())?);
        load.say("go")?;
        let sent: Sent = load.hear_json()?;
        let used = cpu::of_process(self.server.pid())?.saturating_sub(used).as_secs_f64();
        let now = self.counts()?;
        let (postings, batches) = (now.postings - counts.postings, now.batches - counts.batches);
        let group = if batches == 0 { 0.0 } else { postings as f64 / batches as f64 };
        let run = Run { group, ..Run::of(&sent, used) };
        Ok((run, (postings == sent.answered).then_some(postings)))
    }

    fn ready(&self, arguments: &[String], connections: usize) -> anyhow::Result<Part> {
        let mut arguments: Vec<String> = [&["load".to_owned()], arguments].concat();
        arguments.push(format!("--connections={connections}"));
        arguments.push(format!("--seconds={}", self.seconds));
        let mut load = Part::start(&arguments)?;
        ensure!(load.hear()? == "ready", "the load did not get ready");
        Ok(load)
    }

    fn counts(&mut self) -> anyhow::Result<Counts> {
        self.server.say("counts")?;
        self.server.hear_json()
    }
}
