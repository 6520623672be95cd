//! `vectors/evm/signed.json`: digests, signatures and transactions that another implementation made.

use std::path::Path;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tollway_evm::client::{LocalSigner, Signer};
use tollway_evm::gas_sponsoring::{AccountState, Approval, ERC20_APPROVAL, SignedApproval, Sponsored};
use tollway_evm::payload::{ExactPayload, Permit2Authorization};
use tollway_evm::signature::{Counterfactual, EoaSignature};
use tollway_evm::typed_data::{Permit, TokenDomain, permit2};
use tollway_evm::{EXACT_PROXY, PERMIT2};

#[derive(Deserialize)]
pub(crate) struct Vectors {
    key: B256,
    pub(crate) address: Address,
    rows: Vec<Row>,
    wrapped: Vec<Wrapped>,
    approvals: Vec<Approved>,
    refused_approvals: Vec<RefusedApproval>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    kind: String,
    domain: Domain,
    message: Value,
    digest: B256,
    signature: Bytes,
    compact: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Domain {
    name: String,
    #[serde(default)]
    version: String,
    chain_id: u64,
    verifying_contract: Address,
}

#[derive(Deserialize)]
struct Wrapped {
    name: String,
    factory: Address,
    data: Bytes,
    signature: Bytes,
    wrapped: Bytes,
}

#[derive(Deserialize)]
struct Approved {
    signed: Bytes,
}

#[derive(Deserialize)]
struct RefusedApproval {
    reason: String,
    signed: Bytes,
}

pub(crate) fn load() -> Vectors {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/evm/signed.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn signer(vectors: &Vectors) -> LocalSigner {
    LocalSigner::new(vectors.key.0.into()).unwrap()
}

fn number(value: &Value) -> U256 {
    U256::from_str_radix(value.as_str().unwrap(), 10).unwrap()
}

fn digest(row: &Row) -> B256 {
    let domain = TokenDomain {
        name: &row.domain.name,
        version: &row.domain.version,
        chain_id: row.domain.chain_id,
        contract: row.domain.verifying_contract,
    };
    let message = &row.message;
    let owner = |key: &str| serde_json::from_value::<Address>(message[key].clone()).unwrap();
    match row.kind.as_str() {
        "transfer" => match read(&json!({"signature": "0x", "authorization": message})) {
            ExactPayload::Eip3009(payload) => domain.transfer(&payload.authorization),
            ExactPayload::Permit2(_) => panic!("an authorization"),
        },
        "permit2" => {
            let mut message = message.clone();
            message["from"] = json!(Address::ZERO);
            match read(&json!({"signature": "0x", "permit2Authorization": message})) {
                ExactPayload::Permit2(payload) => permit2(row.domain.chain_id, &payload.authorization),
                ExactPayload::Eip3009(_) => panic!("a permit"),
            }
        }
        "permit" => domain.permit(&Permit {
            owner: owner("owner"),
            spender: owner("spender"),
            value: number(&message["value"]),
            nonce: number(&message["nonce"]),
            deadline: number(&message["deadline"]),
        }),
        other => panic!("{other}"),
    }
}

fn read(value: &Value) -> ExactPayload {
    ExactPayload::from_map(value.as_object().unwrap()).unwrap()
}

#[tokio::test]
async fn threat_80_digests_and_signatures_are_those_of_another_implementation() {
    let vectors = load();
    let signer = signer(&vectors);
    assert_eq!(signer.address(), vectors.address);
    assert!(vectors.rows.len() >= 7);
    for row in &vectors.rows {
        let digest = digest(row);
        assert_eq!(digest, row.digest, "{}", row.name);
        let ours = signer.sign_digest(digest).await.unwrap();
        assert_eq!(ours.to_bytes(), row.signature, "{}", row.name);
        for spelling in [&row.signature, &row.compact] {
            let proof = EoaSignature::parse(spelling).unwrap().prove(digest, vectors.address).unwrap();
            assert_eq!(proof.signer(), vectors.address, "{}", row.name);
        }
    }
}

#[test]
fn threat_80_every_signed_field_is_in_the_digest() {
    for row in &load().rows {
        for place in ["/domain/name", "/domain/chainId"] {
            let mut domain =
                Domain { name: row.domain.name.clone(), version: row.domain.version.clone(), ..row.domain };
            match place {
                "/domain/name" if row.kind != "permit2" => domain.name.push('x'),
                _ => domain.chain_id += 1,
            }
            let changed = Row {
                domain,
                message: row.message.clone(),
                name: String::new(),
                kind: row.kind.clone(),
                digest: row.digest,
                signature: Bytes::new(),
                compact: Bytes::new(),
            };
            assert_ne!(digest(&changed), row.digest, "{} {place}", row.name);
        }
    }
}

#[test]
fn wrapped_signatures_are_read_and_written_alike() {
    let vectors = load();
    assert!(!vectors.wrapped.is_empty());
    for row in &vectors.wrapped {
        let read = Counterfactual::parse(&row.wrapped).unwrap().unwrap();
        let expected =
            Counterfactual { factory: row.factory, calldata: row.data.clone(), signature: row.signature.clone() };
        assert_eq!(read, expected, "{}", row.name);
        assert_eq!(expected.encode(), row.wrapped, "{}", row.name);
    }
}

const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

fn authorization(from: Address) -> Permit2Authorization {
    Permit2Authorization {
        from,
        token: USDC.parse().unwrap(),
        amount: U256::from(10_000),
        spender: EXACT_PROXY,
        nonce: U256::ZERO,
        deadline: U256::from(1000),
        to: Address::repeat_byte(5),
        valid_after: U256::ZERO,
        rest: Map::new(),
        permitted_rest: Map::new(),
        witness_rest: Map::new(),
    }
}

fn approve(from: Address, signed: &Bytes) -> Result<Option<Approval>, String> {
    let authorization = authorization(from);
    let declared = Map::new();
    let echo = SignedApproval::echo(signed, from, authorization.token, &declared);
    let extensions = Map::from_iter([(ERC20_APPROVAL.to_owned(), echo)]);
    let payment = Sponsored { authorization: &authorization, chain_id: 84532, now: 0 };
    Approval::read(Some(&extensions), payment).map_err(|reason| reason.code().to_owned())
}

#[tokio::test]
async fn approval_transactions_are_those_of_another_implementation() {
    let vectors = load();
    let signer = signer(&vectors);
    let account = AccountState { nonce: 3, ..AccountState::at(0) };
    let (transaction, digest) = SignedApproval::unsigned(USDC.parse().unwrap(), 84532, account);
    let signature = signer.sign_digest(digest).await.unwrap();
    assert_eq!(SignedApproval::sign(transaction, &signature), vectors.approvals[0].signed);
    let Ok(Some(Approval::Transaction(read))) = approve(vectors.address, &vectors.approvals[0].signed) else {
        panic!("an approval");
    };
    assert_eq!((read.from, read.account_nonce, read.gas), (vectors.address, 3, 70_000));
    assert_eq!(read.cost, U256::from(70_000_000_000_000_u64));
}

#[test]
fn threat_19_a_sponsored_transaction_does_nothing_but_approve() {
    let vectors = load();
    assert!(vectors.refused_approvals.len() >= 7);
    for row in &vectors.refused_approvals {
        assert_eq!(approve(vectors.address, &row.signed), Err(row.reason.clone()));
    }
    let mut cut = vectors.approvals[0].signed.to_vec();
    cut.pop();
    assert_eq!(approve(vectors.address, &cut.into()), Err("erc20_approval_tx_parse_failed".to_owned()));
    assert_eq!(PERMIT2.to_checksum(None), "0x000000000022D473030F116dDEE9F6B43aC78BA3");
}
