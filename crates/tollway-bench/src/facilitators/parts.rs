//! What takes part: a chain, our facilitator on it, and somebody else's program.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, Bytes, address};
use anyhow::Context as _;
use tokio::net::TcpListener;
use tollway_core::clock::{Clock, SystemClock};
use tollway_devnet::{Devnet, DevnetConfig, Mining, TestAccount, USDC};
use tollway_evm::asset::network_of;
use tollway_evm::chain::rpc::{Rpc, RpcConfig};
use tollway_evm::client::{LocalSigner, Signer};
use tollway_evm::facilitator::{EvmFacilitator, EvmNetwork};
use tollway_evm::settle::{SettleConfig, SettlePorts, Settler};
use tollway_evm::verify::{Verifier, VerifierOptions};
use tollway_http::facilitator::{Allowance, Door, FacilitatorParts, FacilitatorService};
use tollway_http::server::{ServerOptions, serve};
use tollway_store::SqliteSettlements;

use crate::table::say;

/// The chain that everything here happens on.
pub(crate) const CHAIN: u64 = 84_532;
/// Whose account pays for gas: ours, and the other one's.
pub(crate) const OURS: u32 = 5;
pub(crate) const THEIRS: u32 = 6;
/// Where the peer wants a contract to be; it is not called for accounts with keys.
const ITS_VALIDATOR: Address = address!("dAcD51A54883eb67D95FAEb2BBfdC4a9a6BD2a3B");

/// A chain with blocks at these intervals, or one for each transaction; until standard input ends.
pub(crate) fn chain(interval: u64) -> anyhow::Result<()> {
    let mining = match interval {
        0 => Mining::Instant,
        millis => Mining::Interval(Duration::from_millis(millis)),
    };
    let chain = Devnet::start(DevnetConfig { mining, ..DevnetConfig::default() })?;
    anyhow::ensure!(chain.set_code(ITS_VALIDATOR, Bytes::from_static(&[0])), "the chain takes no code");
    say(&chain.url())?;
    until_input_ends()
}

/// Our facilitator as its program builds it, with so many payments in a transaction at most.
pub(crate) fn facilitator(rpc: &str, store: &Path, batch: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let rpc = Rpc::new(RpcConfig::new(CHAIN, vec![rpc.to_owned()]))?;
        let options = VerifierOptions { assets: Some(vec![USDC]), ..VerifierOptions::default() };
        let verifier = Verifier::new(network_of(CHAIN), Arc::new(rpc.clone()), options.clone())?;
        let books = Arc::new(SqliteSettlements::open(store, Duration::from_secs(5))?);
        let key: Arc<dyn Signer> = Arc::new(LocalSigner::new(TestAccount::new(OURS).key.0.into())?);
        let config = SettleConfig { batch, ..SettleConfig::default() };
        let ports = SettlePorts { rpc, books, clock: Arc::clone(&clock) };
        let settler = Settler::start(network_of(CHAIN), ports, vec![key], config).await?;
        let network = EvmNetwork { verifier, settler, options };
        let facilitator = Arc::new(EvmFacilitator::new([network], Arc::clone(&clock)));
        let door = Door::open(Allowance { per_minute: u32::MAX, gas_per_day: None }, None);
        let parts = FacilitatorParts { facilitator, door, cors: vec![], clock };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(&format!("listening on http://{}", listener.local_addr()?))?;
        let ended = async {
            let _ = tokio::task::spawn_blocking(until_input_ends).await;
        };
        let service = Arc::new(FacilitatorService::new(parts));
        serve(listener, service, ServerOptions::default(), ended).await.context("our facilitator")
    })
}

fn until_input_ends() -> anyhow::Result<()> {
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).map(drop).context("standard input")
}
