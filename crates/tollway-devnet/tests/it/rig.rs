//! What the tests share: a chain, a client, signed transactions and signed words.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct, sol};
use serde_json::{Value, json};
use tollway_devnet::{Devnet, DevnetConfig, PERMIT2, TestAccount, USDC};

sol! {
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    struct ReceiveWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    struct CancelAuthorization {
        address authorizer;
        bytes32 nonce;
    }

    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }

    interface Usdc {
        function name() external view returns (string);
        function version() external view returns (string);
        function decimals() external view returns (uint8);
        function totalSupply() external view returns (uint256);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
        function balanceOf(address account) external view returns (uint256);
        function nonces(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        function mint(address to, uint256 value) external;
        function approve(address spender, uint256 value) external returns (bool);
        function transfer(address to, uint256 value) external returns (bool);
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature) external;
        function receiveWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature) external;
        function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature) external;
        function permit(address owner, address spender, uint256 value, uint256 deadline, bytes signature) external;

        event Transfer(address indexed from, address indexed to, uint256 value);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    }
}

/// An error as the node words it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Value,
}

/// A chain and a client of it.
pub(crate) struct Rig {
    pub(crate) chain: Devnet,
    http: reqwest::Client,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(DevnetConfig::default())
    }

    pub(crate) fn with(config: DevnetConfig) -> Self {
        Self { chain: Devnet::start(config).unwrap(), http: reqwest::Client::new() }
    }

    /// Posts any body; the answer as it came.
    pub(crate) fn post<B: Into<reqwest::Body>>(
        &self,
        body: B,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> + Send + use<B> {
        self.http.post(self.chain.url()).body(body).send()
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Result<Value, Refused> {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer: Value = self.post(body.to_string()).await.unwrap().json().await.unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
        match answer.get("error") {
            None => Ok(answer["result"].clone()),
            Some(error) => Err(Refused {
                code: error["code"].as_i64().unwrap(),
                message: error["message"].as_str().unwrap().to_owned(),
                data: error["data"].clone(),
            }),
        }
    }

    /// A quantity that a method answers.
    pub(crate) async fn number(&self, method: &str, params: Value) -> u64 {
        quantity(&self.ask(method, params).await.unwrap())
    }

    pub(crate) async fn call<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return, Refused> {
        let request = json!({ "to": to, "data": Bytes::from(call.abi_encode()) });
        let answer: Bytes = serde_json::from_value(self.ask("eth_call", json!([request, "latest"])).await?).unwrap();
        Ok(C::abi_decode_returns(&answer).unwrap())
    }

    pub(crate) async fn usdc(&self, account: Address) -> u64 {
        self.token(USDC, account).await
    }

    pub(crate) async fn token(&self, token: Address, account: Address) -> u64 {
        self.call(token, Usdc::balanceOfCall { account }).await.unwrap().to()
    }

    /// Sends a call from an account; its receipt.
    pub(crate) async fn send(&self, from: TestAccount, to: Address, call: impl SolCall) -> Value {
        self.send_raw(from, to, call.abi_encode()).await
    }

    pub(crate) async fn send_raw(&self, from: TestAccount, to: Address, data: Vec<u8>) -> Value {
        let nonce = self.number("eth_getTransactionCount", json!([from.address, "pending"])).await;
        let transaction = TxEip1559 { input: data.into(), ..self.transaction(nonce, to) };
        let hash = self.ask("eth_sendRawTransaction", json!([sign(from, transaction)])).await.unwrap();
        self.ask("eth_getTransactionReceipt", json!([hash])).await.unwrap()
    }

    /// A transaction without data that pays well.
    pub(crate) fn transaction(&self, nonce: u64, to: Address) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.chain.chain_id(),
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(to),
            ..TxEip1559::default()
        }
    }

    /// Signs words for a contract's domain.
    pub(crate) fn sign_for(&self, account: TestAccount, contract: Address, words: &impl SolStruct) -> Bytes {
        account.sign(words.eip712_signing_hash(&self.domain(contract))).as_bytes().into()
    }

    pub(crate) fn domain(&self, contract: Address) -> Eip712Domain {
        let is_permit2 = contract == PERMIT2;
        let name = if is_permit2 { "Permit2" } else { "USDC" };
        let version = (!is_permit2).then(|| "2".into());
        Eip712Domain::new(Some(name.into()), version, Some(U256::from(self.chain.chain_id())), Some(contract), None)
    }

    /// Words that move USDC, good for an hour.
    pub(crate) fn authorization(&self, from: Address, to: Address, value: u64, nonce: u8) -> TransferWithAuthorization {
        TransferWithAuthorization {
            from,
            to,
            value: U256::from(value),
            validAfter: U256::ZERO,
            validBefore: U256::from(self.chain.now() + 3_600),
            nonce: B256::repeat_byte(nonce),
        }
    }

    /// The call that brings them.
    pub(crate) fn bring(
        &self,
        signer: TestAccount,
        words: &TransferWithAuthorization,
    ) -> Usdc::transferWithAuthorization_1Call {
        transfer_call(words, self.sign_for(signer, USDC, words))
    }
}

pub(crate) fn transfer_call(
    words: &TransferWithAuthorization,
    signature: Bytes,
) -> Usdc::transferWithAuthorization_1Call {
    Usdc::transferWithAuthorization_1Call {
        from: words.from,
        to: words.to,
        value: words.value,
        validAfter: words.validAfter,
        validBefore: words.validBefore,
        nonce: words.nonce,
        signature,
    }
}

pub(crate) fn sign(account: TestAccount, transaction: TxEip1559) -> Bytes {
    let signature = account.sign(transaction.signature_hash());
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

pub(crate) fn quantity(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("not a quantity: {value}"));
    u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

pub(crate) fn succeeded(receipt: &Value) -> bool {
    receipt["status"] == "0x1"
}

/// The first four bytes of an error.
pub(crate) fn selector(error: &str) -> String {
    hex::encode_prefixed(&alloy_primitives::keccak256(error)[..4])
}

pub(crate) fn payer() -> TestAccount {
    TestAccount::new(1)
}

pub(crate) fn facilitator() -> TestAccount {
    TestAccount::new(2)
}

pub(crate) fn seller() -> Address {
    Address::repeat_byte(0x5e)
}
