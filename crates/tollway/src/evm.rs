//! Builds what pays and settles on EVM chains, from configuration and arguments.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, hex};
use anyhow::{Context as _, bail};
use tollway_core::clock::Clock;
use tollway_evm::asset::{Assets, KnownAsset, Method, chain_id};
use tollway_evm::chain::rpc::{Rpc, RpcConfig};
use tollway_evm::client::Signer;
use tollway_evm::facilitator::{EvmFacilitator, EvmNetwork};
use tollway_evm::settle::{ApprovalGas, FeePolicy, SettleConfig, SettlePorts, Settler};
use tollway_evm::verify::{Verifier, VerifierOptions};
use tollway_ledger::Settlements;
use tollway_protocol::{Network, Scale};
use tollway_store::SqliteSettlements;

use crate::config::{AssetConfig, Coins, FacilitatorConfig, NetworkConfig};
use crate::keystore;

/// How long a writer waits for another process on the same file.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Builds a facilitator and takes up what it left undecided.
pub(crate) async fn facilitator(config: &FacilitatorConfig, clock: Arc<dyn Clock>) -> anyhow::Result<EvmFacilitator> {
    let store = config.path(&config.store);
    let books = SqliteSettlements::open(&store, BUSY_WAIT).with_context(|| format!("the store {}", store.display()))?;
    let books: Arc<dyn Settlements> = Arc::new(books);
    let mut networks = Vec::new();
    for network in &config.networks {
        let built = evm_network(config, network, Arc::clone(&books), Arc::clone(&clock)).await;
        networks.push(built.with_context(|| format!("[[networks]] {}", network.network))?);
    }
    Ok(EvmFacilitator::new(networks, clock))
}

async fn evm_network(
    config: &FacilitatorConfig,
    network: &NetworkConfig,
    books: Arc<dyn Settlements>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<EvmNetwork> {
    let rpc = rpc(&network.network, network.rpc.clone(), network.rpc_per_second)?;
    rpc.check().await.context("`rpc`")?;
    let keys = signers(config, network)?;
    let options = verifier_options(network)?;
    let verifier = Verifier::new(network.network.clone(), Arc::new(rpc.clone()), options.clone())?;
    let settle = SettleConfig {
        confirmations: u64::from(network.confirmations.max(1)),
        window: network.settle_wait(),
        gather: network.batch_window(),
        batch: if network.batch_window().is_zero() { 1 } else { SettleConfig::default().batch },
        fees: FeePolicy {
            max_fee: network.max_fee_gwei.map_or(FeePolicy::default().max_fee, |fee| fee.0),
            ..FeePolicy::default()
        },
        approval_gas: approval_gas(network),
        ..SettleConfig::default()
    };
    let ports = SettlePorts { rpc, books, clock };
    let settler = Settler::start(network.network.clone(), ports, keys, settle).await?;
    Ok(EvmNetwork { verifier, settler, options })
}

/// What payers are given for their approvals: nothing unless configured.
fn approval_gas(network: &NetworkConfig) -> ApprovalGas {
    let approvals = network.approvals.unwrap_or_default();
    let gwei = |coins: Coins| u64::try_from(coins.0 / 1_000_000_000).unwrap_or(u64::MAX);
    ApprovalGas {
        most: approvals.gas_most.map_or(0, |coins| coins.0),
        daily_gwei: approvals.gas_per_day.map_or(0, gwei),
    }
}

/// A client of a network.
pub(crate) fn rpc(network: &Network, endpoints: Vec<String>, rate: Option<u32>) -> anyhow::Result<Rpc> {
    let chain_id = chain_id(network).with_context(|| format!("{network} is no EVM chain"))?;
    Ok(Rpc::new(RpcConfig { rate, ..RpcConfig::new(chain_id, endpoints) })?)
}

fn signers(config: &FacilitatorConfig, network: &NetworkConfig) -> anyhow::Result<Vec<Arc<dyn Signer>>> {
    let password_file = network.password_file.as_deref().map(|file| config.path(file));
    let password = keystore::password(password_file.as_deref(), false)?;
    let mut signers: Vec<Arc<dyn Signer>> = Vec::new();
    for file in &network.signers {
        let signer = keystore::open(&config.path(file), &password)?;
        if signers.iter().any(|other| other.address() == signer.address()) {
            bail!("two of `signers` are the account {}", signer.address());
        }
        signers.push(Arc::new(signer));
    }
    Ok(signers)
}

/// Only known assets are moved: an unknown contract could burn gas as it likes.
fn verifier_options(network: &NetworkConfig) -> anyhow::Result<VerifierOptions> {
    let assets = assets(&network.network, &network.assets)?;
    let allowed: Vec<_> =
        assets.iter().filter(|asset| asset.network == network.network).map(|asset| asset.address).collect();
    if allowed.is_empty() {
        bail!("no asset is known there: name one under [[networks.assets]]");
    }
    let factories = network.wallet_factories.iter().map(|text| contract(text));
    Ok(VerifierOptions {
        assets: Some(allowed),
        factories: factories.collect::<anyhow::Result<_>>()?,
        transaction_approvals: network.approvals.is_some(),
        approval_gas: approval_gas(network).most,
        ..VerifierOptions::default()
    })
}

/// The assets that are known on a network: the built-in ones and the configured ones.
pub(crate) fn assets(network: &Network, configured: &[AssetConfig]) -> anyhow::Result<Assets> {
    let known = configured.iter().map(|asset| {
        Ok(KnownAsset {
            network: network.clone(),
            address: contract(&asset.address)?,
            name: asset.name.clone().into(),
            version: asset.version.clone().into(),
            scale: Scale::new(asset.decimals).with_context(|| format!("`decimals` of {}", asset.symbol))?,
            symbol: asset.symbol.clone().into(),
            method: if asset.permit2 { Method::Permit2 } else { Method::Eip3009 },
            permits: false,
        })
    });
    Ok(Assets::with(known.collect::<anyhow::Result<Vec<_>>>()?))
}

/// An address as configurations write it.
pub(crate) fn contract(text: &str) -> anyhow::Result<Address> {
    text.parse().with_context(|| format!("`{text}` is not an address"))
}

/// The key of a wallet: a keystore, or a bare key where that was asked for by name.
pub(crate) fn wallet_key(file: Option<&Path>, password_file: Option<&Path>) -> anyhow::Result<Arc<dyn Signer>> {
    let Some(file) = file else {
        let text = std::env::var("TOLLWAY_WALLET_KEY").context("TOLLWAY_WALLET_KEY is not set")?;
        return Ok(Arc::new(bare_key(&text)?));
    };
    let password = keystore::password(password_file, false)?;
    Ok(Arc::new(keystore::open(file, &password)?))
}

/// A private key in hexadecimal.
pub(crate) fn bare_key(text: &str) -> anyhow::Result<tollway_evm::client::LocalSigner> {
    Ok(tollway_evm::client::LocalSigner::new(key_bytes(text)?)?)
}

/// The bytes of a private key in hexadecimal; the text never stands in an error.
pub(crate) fn key_bytes(text: &str) -> anyhow::Result<zeroize::Zeroizing<[u8; 32]>> {
    let bytes = hex::decode_to_array(text.trim()).ok();
    bytes.map(zeroize::Zeroizing::new).context("a private key is 64 hexadecimal digits")
}
