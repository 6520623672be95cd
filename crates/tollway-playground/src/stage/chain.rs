//! The money of the stage: a chain in this process, a fresh wallet with test USDC, a facilitator that settles on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tollway_core::clock::Clock;
use tollway_devnet::alloy_primitives::{Bytes, U256};
use tollway_devnet::{Devnet, DevnetConfig, TestAccount, USDC};
use tollway_evm::Address;
use tollway_evm::asset::{Assets, KnownAsset, network_of};
use tollway_evm::chain::rpc::{Rpc, RpcConfig};
use tollway_evm::chain::{Call, CallOutcome, ChainReader};
use tollway_evm::client::{LocalSigner, Signer};
use tollway_evm::facilitator::{EvmFacilitator, EvmNetwork};
use tollway_evm::settle::{SettleConfig, SettlePorts, Settler};
use tollway_evm::verify::{Verifier, VerifierOptions};
use tollway_ledger::Settlements;
use tollway_protocol::{Amount, Network};
use tollway_store::SqliteSettlements;
use zeroize::Zeroizing;

use super::StageError;

/// What a fresh wallet has, in atomic units of USDC: ten dollars.
pub const FIRST_MONEY: u64 = 10_000_000;
/// What the faucet gives at a time: five dollars.
pub const FAUCET_GIVES: u64 = 5_000_000;
/// A wallet with more gets nothing from the faucet: a hundred dollars.
const FAUCET_UP_TO: u64 = 100_000_000;
/// How long a writer waits for another on the same file.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// `balanceOf(address)`.
const BALANCE_OF: [u8; 4] = [0x70, 0xa0, 0x82, 0x31];
/// Test account whose ether pays for transactions.
const SENDER: u32 = 5;

/// The chain and the wallet on it.
pub struct Chain {
    devnet: Devnet,
    rpc: Rpc,
    wallet: Arc<dyn Signer>,
    network: Network,
    usdc: KnownAsset,
}

/// The faucet gives nothing to those who have enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the wallet has a hundred dollars already; spend some first")]
pub struct EnoughAlready;

impl Chain {
    /// Starts a chain with a wallet that nobody has used before.
    pub(super) fn start(clock: &Arc<dyn Clock>) -> Result<Self, StageError> {
        let wallet = fresh_wallet();
        let time = Arc::clone(clock);
        let devnet = Devnet::start(DevnetConfig {
            funded: vec![(wallet.address(), U256::from(FIRST_MONEY))],
            clock: Arc::new(move || time.now()),
            ..DevnetConfig::default()
        })?;
        let network = network_of(devnet.chain_id());
        let usdc = Assets::default().default_of(&network).cloned().ok_or(StageError::NoAsset)?;
        let rpc = Rpc::new(RpcConfig::new(devnet.chain_id(), vec![devnet.url()]))?;
        Ok(Self { devnet, rpc, wallet, network, usdc })
    }

    /// A facilitator that settles on this chain, with its books in `folder`.
    pub(super) async fn facilitator(
        &self,
        folder: &Path,
        clock: &Arc<dyn Clock>,
    ) -> Result<EvmFacilitator, StageError> {
        let books = SqliteSettlements::open(folder.join("facilitator.db"), BUSY_WAIT)?;
        let options = VerifierOptions { assets: Some(vec![USDC]), ..VerifierOptions::default() };
        let verifier = Verifier::new(self.network.clone(), Arc::new(self.rpc.clone()), options.clone())?;
        let ports = SettlePorts {
            rpc: self.rpc.clone(),
            books: Arc::new(books) as Arc<dyn Settlements>,
            clock: Arc::clone(clock),
        };
        // The chain makes a block as soon as there is a transaction: whoever looks often need not wait.
        let config = SettleConfig {
            gather: Duration::ZERO,
            batch: 1,
            poll_least: Duration::from_millis(5),
            poll_most: Duration::from_millis(50),
            ..SettleConfig::default()
        };
        let signer = signer_of(TestAccount::new(SENDER).key.0);
        let settler = Settler::start(self.network.clone(), ports, vec![signer], config).await?;
        Ok(EvmFacilitator::new([EvmNetwork { verifier, settler, options }], Arc::clone(clock)))
    }

    /// Gives the wallet more test USDC.
    ///
    /// # Errors
    /// [`EnoughAlready`], or when the chain does not answer.
    pub async fn faucet(&self) -> Result<Amount, StageError> {
        if self.balance(self.wallet.address()).await?.get() >= u128::from(FAUCET_UP_TO) {
            return Err(EnoughAlready.into());
        }
        self.devnet.mint_usdc(self.wallet.address(), U256::from(FAUCET_GIVES));
        self.balance(self.wallet.address()).await
    }

    /// What an account has, in atomic units of USDC.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn balance(&self, account: Address) -> Result<Amount, StageError> {
        let data = [&BALANCE_OF[..], account.into_word().as_slice()].concat();
        let call = Call { to: USDC, data: Bytes::from(data), gas: 100_000 };
        match self.rpc.calls(vec![call]).await?.as_slice() {
            [CallOutcome::Returned(word)] if word.len() == 32 => {
                let units = u128::try_from(U256::from_be_slice(word)).unwrap_or(u128::MAX);
                Ok(Amount::new(units))
            }
            _ => Err(StageError::Balance),
        }
    }

    /// Whoever holds the wallet's key. It signs and never shows it.
    pub fn wallet(&self) -> &Arc<dyn Signer> {
        &self.wallet
    }

    /// The network, as x402 writes it.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The asset that is paid with.
    pub fn usdc(&self) -> &KnownAsset {
        &self.usdc
    }

    /// The chain's number.
    pub fn chain_id(&self) -> u64 {
        self.devnet.chain_id()
    }

    /// How many blocks there are.
    pub fn block(&self) -> u64 {
        self.devnet.block_number()
    }

    /// A client of the chain.
    pub(crate) fn reader(&self) -> Arc<dyn ChainReader> {
        Arc::new(self.rpc.clone())
    }
}

/// An account of its own for whoever is paid.
pub(super) fn fresh_address() -> Address {
    fresh_wallet().address()
}

fn fresh_wallet() -> Arc<dyn Signer> {
    signer_of(crate::random())
}

fn signer_of(key: [u8; 32]) -> Arc<dyn Signer> {
    Arc::new(LocalSigner::new(Zeroizing::new(key)).expect("32 random bytes are a key but for chances of 2^-128"))
}
