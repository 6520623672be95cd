//! A running chain: started on a thread of its own, stopped when dropped.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use alloy_primitives::{Address, Bytes, U256};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{
    TestAccount,
    addresses::USDC,
    chain::{Chain, Reorged},
    config::{DevnetConfig, Mining},
    contracts::Contract,
    faults::{Fault, Faults},
    genesis::{OWNER_SLOT, fund_usdc, genesis},
    rpc::{self, Node},
};

/// A chain that answers JSON-RPC until it is dropped.
///
/// What is changed by hand ([`Devnet::fund`], [`Devnet::mint_usdc`], [`Devnet::set_code`]) holds at once, without a
/// block, and belongs to the head: [`Devnet::reorg`] over that head takes it back.
#[derive(Debug)]
pub struct Devnet {
    node: Arc<Node>,
    address: SocketAddr,
    chain_id: u64,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Devnet {
    /// Starts a chain. It may be called with or without a runtime around it.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or no thread started.
    pub fn start(config: DevnetConfig) -> io::Result<Self> {
        let start = config.genesis_time.unwrap_or_else(|| (config.clock)());
        let mut genesis = genesis();
        for (address, amount) in config.funded {
            fund_usdc(&mut genesis, address, amount);
        }
        let chain = Chain::new(config.chain_id, config.mining, &genesis, config.clock, start);
        let node = Arc::new(Node { chain: RwLock::new(chain), faults: Faults::default() });
        let listener = TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = node.clone();
        let thread = std::thread::Builder::new().name("tollway-devnet".into()).spawn(move || {
            let outcome = runtime.block_on(run(served, listener, config.mining, stopped));
            if let Err(error) = outcome {
                tracing::error!(%error, "the chain no longer answers");
            }
            runtime.shutdown_timeout(Duration::from_secs(1));
        })?;
        Ok(Self { node, address, chain_id: config.chain_id, stop, thread: Some(thread) })
    }

    /// Where JSON-RPC is answered, such as `http://127.0.0.1:8545`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The chain's id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The number of the newest block.
    #[must_use]
    pub fn block_number(&self) -> u64 {
        self.node.chain.read().head().header.number
    }

    /// The chain's own time, in seconds since 1970: that of the next block, if it were made now.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.node.chain.read().pending_time()
    }

    /// How many transactions wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.node.chain.read().pool().len()
    }

    /// Gives an account more test USDC, in atomic units.
    pub fn mint_usdc(&self, to: Address, amount: U256) {
        self.mint_token(USDC, to, amount);
    }

    /// Gives an account more of a token that [`Devnet::install_token`] has put in its place.
    pub fn mint_token(&self, token: Address, to: Address, amount: U256) {
        self.node.chain.write().mint(token, to, amount);
    }

    /// Gives an account more ether, in wei.
    pub fn fund(&self, address: Address, wei: U256) {
        self.node.chain.write().add_balance(address, wei);
    }

    /// Sets an account's ether, in wei.
    pub fn set_balance(&self, address: Address, wei: U256) {
        self.node.chain.write().set_balance(address, wei);
    }

    /// Puts code at an address, or takes it away when empty. False, and nothing done, when the code begins like a
    /// delegation (EIP-7702) and is none.
    pub fn set_code(&self, address: Address, code: Bytes) -> bool {
        self.node.chain.write().set_code(address, code)
    }

    /// Sets a storage slot.
    pub fn set_slot(&self, address: Address, slot: U256, value: U256) {
        self.node.chain.write().set_slot(address, slot, value);
    }

    /// Puts a token at an address; the faucet may mint it.
    pub fn install_token(&self, token: Contract, address: Address) {
        let mut chain = self.node.chain.write();
        chain.set_code(address, token.runtime());
        chain.set_slot(address, OWNER_SLOT, TestAccount::faucet().address.into_word().into());
    }

    /// Puts a wallet that a key owns (ERC-1271) at an address.
    pub fn install_wallet(&self, owner: Address, address: Address) {
        let mut chain = self.node.chain.write();
        chain.set_code(address, Contract::Wallet.runtime());
        chain.set_slot(address, OWNER_SLOT, owner.into_word().into());
    }

    /// Makes a block of what waits, also while blocks are held; answers its number.
    pub fn mine(&self) -> u64 {
        self.node.chain.write().mine()
    }

    /// Moves the chain's clock forward.
    pub fn advance_time(&self, seconds: u64) {
        self.node.chain.write().advance_time(seconds);
    }

    /// Sets the base fee of the next block, in wei; those after it follow EIP-1559 from there.
    pub fn set_next_base_fee(&self, wei: u64) {
        self.node.chain.write().set_next_base_fee(wei);
    }

    /// Keeps the chain as it is, under a number. The newest sixteen are kept.
    pub fn snapshot(&self) -> u64 {
        self.node.chain.write().snapshot()
    }

    /// Goes back to a snapshot, which is used up with all later ones. False when it is not there.
    pub fn revert(&self, id: u64) -> bool {
        self.node.chain.write().revert(id)
    }

    /// Forgets all transactions that wait; answers how many.
    pub fn drop_pending(&self) -> usize {
        self.node.chain.write().drop_pending()
    }

    /// Makes no blocks but by [`Devnet::mine`] while on. When switched off, an instant chain makes a block of what
    /// waits.
    pub fn hold_blocks(&self, on: bool) {
        self.node.chain.write().hold(on);
    }

    /// Drops the newest blocks, never the oldest kept; answers how many. The next block differs from the one that had
    /// its number.
    pub fn reorg(&self, depth: usize, transactions: Reorged) -> usize {
        self.node.chain.write().reorg(depth, transactions)
    }

    /// Has the node misbehave on the next request for a method. Faults for one method wait in line.
    pub fn fail_next(&self, method: &str, fault: Fault) {
        self.node.faults.add(method, fault);
    }

    /// Forgets all faults that wait.
    pub fn clear_faults(&self) {
        self.node.faults.clear();
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        // Only the thread listens; when it is gone there is nothing to stop.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(node: Arc<Node>, listener: TcpListener, mining: Mining, stopped: watch::Receiver<bool>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let blocks = make_blocks(node.clone(), mining);
    tokio::select! {
        () = rpc::serve(listener, node, stopped) => {}
        () = blocks => {}
    }
    Ok(())
}

/// Makes a block every so often; forever.
async fn make_blocks(node: Arc<Node>, mining: Mining) {
    let Mining::Interval(period) = mining else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let node = node.clone();
        let made = tokio::task::spawn_blocking(move || {
            let mut chain = node.chain.write();
            if !chain.is_holding() {
                chain.mine();
            }
        });
        if made.await.is_err() {
            tracing::error!("a block could not be made");
        }
    }
}
