//! A chain, books in a file, and a settler over both; payments signed by test accounts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use futures_util::future::join_all;
use serde_json::Map;
use tempfile::TempDir;
use tollway_core::clock::SystemClock;
use tollway_devnet::{Devnet, DevnetConfig, Mining, TestAccount, USDC};
use tollway_evm::chain::rpc::{Rpc, RpcConfig};
use tollway_evm::client::{LocalSigner, Signer};
use tollway_evm::payload::Eip3009Authorization;
use tollway_evm::settle::{Answer, Authorization, Order, SettleConfig, SettlePorts, Settler, Step};
use tollway_evm::typed_data::TokenDomain;
use tollway_ledger::{Hash, PaymentId, SettlementState, Settlements};
use tollway_protocol::{Amount, Network};
use tollway_store::SqliteSettlements;
use zeroize::Zeroizing;

sol! {
    function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s);
    function balanceOf(address account) returns (uint256);
}

mod whole {
    alloy_sol_types::sol! {
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature);
    }
}

/// Test accounts that send transactions begin here.
const SIGNERS: u32 = 5;

pub(crate) struct Stage {
    pub(crate) chain: Devnet,
    pub(crate) books: Arc<SqliteSettlements>,
    folder: TempDir,
}

pub(crate) fn network() -> Network {
    "eip155:84532".parse().unwrap()
}

pub(crate) fn payer() -> TestAccount {
    TestAccount::new(1)
}

pub(crate) fn pay_to() -> Address {
    Address::repeat_byte(0xaa)
}

pub(crate) fn open_books(path: PathBuf) -> Arc<SqliteSettlements> {
    Arc::new(SqliteSettlements::open(path, Duration::from_secs(5)).unwrap())
}

/// Impatient enough for tests: nothing here waits for a fixed time, it only looks more often.
pub(crate) fn config() -> SettleConfig {
    SettleConfig {
        window: Duration::from_secs(60),
        poll_least: Duration::from_millis(5),
        poll_most: Duration::from_millis(50),
        resend: Duration::from_millis(300),
        bump: Duration::from_millis(600),
        lost: Duration::from_millis(500),
        ..SettleConfig::default()
    }
}

pub(crate) fn rpc(url: &str) -> Rpc {
    rpc_of(vec![url.to_owned()])
}

pub(crate) fn rpc_of(urls: Vec<String>) -> Rpc {
    Rpc::new(RpcConfig { window: Duration::from_millis(1_000), ..RpcConfig::new(84_532, urls) }).unwrap()
}

pub(crate) fn signers(count: u32) -> Vec<Arc<dyn Signer>> {
    (SIGNERS..SIGNERS + count).map(|index| signer(TestAccount::new(index))).collect()
}

pub(crate) fn signer(account: TestAccount) -> Arc<dyn Signer> {
    Arc::new(LocalSigner::new(Zeroizing::new(account.key.0)).unwrap())
}

impl Stage {
    pub(crate) fn new(mining: Mining) -> Self {
        let chain = Devnet::start(DevnetConfig { mining, ..DevnetConfig::default() }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let books = open_books(folder.path().join("settlements"));
        Self { chain, books, folder }
    }

    /// Where the books are.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("settlements")
    }

    pub(crate) fn ports(&self) -> SettlePorts {
        self.ports_by(rpc(&self.chain.url()))
    }

    pub(crate) fn ports_by(&self, rpc: Rpc) -> SettlePorts {
        SettlePorts { rpc, books: Arc::clone(&self.books) as Arc<dyn Settlements>, clock: Arc::new(SystemClock) }
    }

    pub(crate) async fn settler(&self, count: u32, config: SettleConfig) -> Settler {
        Settler::start(network(), self.ports(), signers(count), config).await.unwrap()
    }

    pub(crate) async fn balance(&self, account: Address) -> U256 {
        balance_of(&rpc(&self.chain.url()), USDC, account).await
    }
}

pub(crate) async fn balance_of(rpc: &Rpc, asset: Address, account: Address) -> U256 {
    use tollway_evm::chain::{Call, CallOutcome, ChainReader};
    let call = Call { to: asset, data: balanceOfCall { account }.abi_encode().into(), gas: 100_000 };
    match rpc.calls(vec![call]).await.unwrap().as_slice() {
        [CallOutcome::Returned(word)] => U256::from_be_slice(word),
        other => panic!("{other:?}"),
    }
}

/// A payment of 1,000 units with a nonce made from a number.
pub(crate) fn payment(number: u64) -> Order {
    Payment { number, ..Payment::default() }.order()
}

pub(crate) struct Payment {
    pub(crate) from: TestAccount,
    pub(crate) asset: Address,
    pub(crate) amount: u64,
    pub(crate) number: u64,
    pub(crate) valid_before: u64,
    pub(crate) shareable: bool,
}

impl Default for Payment {
    fn default() -> Self {
        // The same whenever it is signed: one number is one payment.
        let valid_before = 4_000_000_000;
        Self { from: payer(), asset: USDC, amount: 1_000, number: 0, valid_before, shareable: true }
    }
}

impl Payment {
    pub(crate) fn order(&self) -> Order {
        let nonce = keccak256(self.number.to_be_bytes());
        let authorization = Eip3009Authorization {
            from: self.from.address,
            to: pay_to(),
            value: U256::from(self.amount),
            valid_after: U256::ZERO,
            valid_before: U256::from(self.valid_before),
            nonce,
            rest: Map::new(),
        };
        let domain = TokenDomain { name: "USDC", version: "2", chain_id: 84_532, contract: self.asset };
        let signature = self.from.sign(domain.transfer(&authorization));
        let call = transferWithAuthorizationCall {
            from: self.from.address,
            to: pay_to(),
            value: U256::from(self.amount),
            validAfter: U256::ZERO,
            validBefore: U256::from(self.valid_before),
            nonce,
            v: 27 + u8::from(signature.v()),
            r: signature.r().into(),
            s: signature.s().into(),
        };
        self.with_step(nonce, Step { to: self.asset, data: call.abi_encode().into(), gas: 160_000 })
    }

    /// The same from a wallet with code, which is given these bytes as its signature.
    pub(crate) fn by_wallet(&self, wallet: Address, gas: u64) -> Order {
        let nonce = keccak256(self.number.to_be_bytes());
        let call = whole::transferWithAuthorizationCall {
            from: wallet,
            to: pay_to(),
            value: U256::from(self.amount),
            validAfter: U256::ZERO,
            validBefore: U256::from(self.valid_before),
            nonce,
            signature: vec![1; 80].into(),
        };
        let order = self.with_step(nonce, Step { to: self.asset, data: call.abi_encode().into(), gas });
        let asset = self.asset.to_checksum(None).parse().unwrap();
        let id = PaymentId::derive(&network(), &asset, &wallet.to_checksum(None), &nonce);
        Order { id, payer: wallet, ..order }
    }

    fn with_step(&self, nonce: B256, step: Step) -> Order {
        let asset = self.asset.to_checksum(None).parse().unwrap();
        let payer = self.from.address.to_checksum(None);
        Order {
            id: PaymentId::derive(&network(), &asset, &payer, &nonce),
            digest: Hash::of(&step.data),
            network: network(),
            asset: self.asset,
            payer: self.from.address,
            pay_to: pay_to(),
            amount: Amount::new(self.amount.into()),
            authorization: Authorization::Eip3009(nonce),
            valid_before: self.valid_before,
            steps: vec![step],
            shareable: self.shareable,
            approval: None,
        }
    }
}

pub(crate) fn transaction(answer: &Answer) -> B256 {
    match answer {
        Answer::Settled { transaction, .. } => *transaction,
        other => panic!("{other:?}"),
    }
}

/// Asks again with the same payment as long as it is pending.
pub(crate) async fn settled_at_last(settler: &Settler, order: &Order) -> B256 {
    for _ in 0..1_000 {
        match settler.settle(order.clone()).await.unwrap() {
            Answer::Pending { .. } => tokio::time::sleep(Duration::from_millis(5)).await,
            answer => return transaction(&answer),
        }
    }
    panic!("it stayed pending");
}

/// Settles a payment in a future of its own.
pub(crate) fn one(settler: &Arc<Settler>, order: Order) -> impl Future<Output = Answer> + Send + 'static {
    let settler = Arc::clone(settler);
    async move { settler.settle(order).await.unwrap() }
}

/// Settles payments, all at once.
pub(crate) fn all(settler: &Arc<Settler>, orders: Vec<Order>) -> impl Future<Output = Vec<Answer>> + Send + 'static {
    let all: Vec<_> = orders.into_iter().map(|order| tokio::spawn(one(settler, order))).collect();
    async move { join_all(all).await.into_iter().map(Result::unwrap).collect() }
}

/// Looks until something holds; gives up after what is far too long for every test here.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it never came to hold");
}

/// Looks into the books until a payment is in such a state.
pub(crate) async fn reaches(books: &dyn Settlements, id: &PaymentId, wanted: impl Fn(&SettlementState) -> bool) {
    for _ in 0..5_000 {
        if books.lookup(id).await.unwrap().is_some_and(|record| wanted(&record.state)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never reached: {:?}", books.lookup(id).await);
}
