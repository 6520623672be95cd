//! Answers of an endpoint, decoded once. What a chain adds beside is ignored.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ChainError;

/// The newest block, as far as it concerns us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Of the block before.
    pub parent: B256,
    /// Unix second of the block.
    pub timestamp: u64,
    /// Wei for a unit of gas that are burnt.
    pub base_fee: u128,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// The contract that emitted it.
    pub address: Address,
    /// Its signature's hash and its indexed arguments.
    pub topics: Vec<B256>,
    /// Its other arguments.
    pub data: Bytes,
    /// The transaction in which it was emitted.
    pub transaction_hash: Option<B256>,
    /// Whether it left the chain.
    #[serde(default)]
    pub removed: bool,
}

/// What became of a transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub transaction: B256,
    /// Height of its block.
    pub block: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Whether it was carried out; a reverted one only cost gas.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei it paid for each unit of gas.
    pub gas_price: u128,
    /// Its events, in order.
    pub logs: Vec<Log>,
}

/// What the last blocks cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeHistory {
    /// Base fee of the block to come.
    pub next_base_fee: u128,
    /// The tip that was asked for in each of the blocks, at the percentile that was asked for.
    pub tips: Vec<u128>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockWire {
    number: U64,
    hash: B256,
    parent_hash: B256,
    timestamp: U64,
    base_fee_per_gas: Option<U256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptWire {
    transaction_hash: B256,
    block_number: Option<U64>,
    block_hash: Option<B256>,
    status: Option<U64>,
    gas_used: U256,
    effective_gas_price: Option<U256>,
    logs: Vec<Log>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeeHistoryWire {
    base_fee_per_gas: Vec<U256>,
    #[serde(default)]
    reward: Option<Vec<Vec<U256>>>,
}

#[derive(Deserialize)]
struct Reply {
    id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<ErrorWire>,
}

#[derive(Deserialize)]
struct ErrorWire {
    code: i64,
    #[serde(default)]
    message: String,
    data: Option<Value>,
}

/// `null` is a result; none at all is not.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The results of the replies to so many calls from `first` on, in whatever order they came.
pub(super) fn results(bytes: &[u8], first: u64, count: usize) -> Result<Vec<Result<Value, ChainError>>, ChainError> {
    let replies: Vec<Reply> = serde_json::from_slice(bytes).map_err(|_| malformed("not replies to a batch"))?;
    if replies.len() != count {
        return Err(malformed("as many replies as calls were expected"));
    }
    let mut answers = vec![Err(malformed("a call without a reply")); count];
    for reply in replies {
        let id = reply.id.as_ref().and_then(Value::as_u64);
        let place = id.and_then(|id| usize::try_from(id.checked_sub(first)?).ok());
        if let (Some(id), Some(answer)) = (id, place.and_then(|place| answers.get_mut(place))) {
            *answer = outcome(reply, id);
        }
    }
    Ok(answers)
}

/// The result of the reply to call `id`.
pub(super) fn result(bytes: &[u8], id: u64) -> Result<Value, ChainError> {
    outcome(serde_json::from_slice(bytes).map_err(|_| malformed("not a JSON-RPC reply"))?, id)
}

fn outcome(reply: Reply, id: u64) -> Result<Value, ChainError> {
    if let Some(error) = reply.error {
        let message = error.message.chars().take(500).collect();
        let data = error.data.and_then(|data| revert_data(&data));
        return Err(ChainError::Rejected { code: error.code, message, data });
    }
    if reply.id != Some(Value::from(id)) {
        return Err(malformed("the reply to another call"));
    }
    reply.result.ok_or_else(|| malformed("neither result nor error"))
}

/// Some servers put the returned bytes one level deeper.
fn revert_data(data: &Value) -> Option<Bytes> {
    let text = data.as_str().or_else(|| data.get("data")?.as_str())?;
    text.parse().ok()
}

pub(super) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ChainError> {
    serde_json::from_value(value).map_err(|error| malformed(&error.to_string()))
}

impl Head {
    pub(super) fn from_value(value: Value) -> Result<Self, ChainError> {
        let wire: BlockWire = from_value(value)?;
        Ok(Self {
            number: wire.number.to(),
            hash: wire.hash,
            parent: wire.parent_hash,
            timestamp: wire.timestamp.to(),
            base_fee: small(wire.base_fee_per_gas.unwrap_or_default())?,
        })
    }
}

impl Receipt {
    /// `None` while the transaction is in no block.
    pub(super) fn from_value(value: Value) -> Result<Option<Self>, ChainError> {
        let Some(wire) = from_value::<Option<ReceiptWire>>(value)? else {
            return Ok(None);
        };
        let (Some(block), Some(block_hash)) = (wire.block_number, wire.block_hash) else {
            return Ok(None);
        };
        Ok(Some(Self {
            transaction: wire.transaction_hash,
            block: block.to(),
            block_hash,
            succeeded: wire.status == Some(U64::from(1)),
            gas_used: u64::try_from(wire.gas_used).map_err(|_| malformed("gas"))?,
            gas_price: small(wire.effective_gas_price.unwrap_or_default())?,
            logs: wire.logs,
        }))
    }

    /// What it cost, in gwei, rounded up.
    #[must_use]
    pub fn cost_gwei(&self) -> u64 {
        let wei = self.gas_price.saturating_mul(u128::from(self.gas_used));
        u64::try_from(wei.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }
}

impl FeeHistory {
    pub(super) fn from_value(value: Value) -> Result<Self, ChainError> {
        let wire: FeeHistoryWire = from_value(value)?;
        let next = wire.base_fee_per_gas.last().ok_or_else(|| malformed("no base fee"))?;
        let tips = wire.reward.unwrap_or_default().into_iter().filter_map(|tips| tips.into_iter().next());
        Ok(Self { next_base_fee: small(*next)?, tips: tips.map(small).collect::<Result<_, _>>()? })
    }
}

fn small(value: U256) -> Result<u128, ChainError> {
    u128::try_from(value).map_err(|_| malformed("a sum of wei beyond all money"))
}

fn malformed(detail: &str) -> ChainError {
    ChainError::Malformed { detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replies_to_a_batch_are_told_apart_by_their_ids() {
        let bytes =
            br#"[{"id":8,"result":"b"},{"id":7,"error":{"code":-32005,"message":"busy"}},{"id":6,"result":"?"}]"#;
        let answers = results(bytes, 7, 3).unwrap();
        assert!(matches!(&answers[0], Err(ChainError::Rejected { code: -32_005, .. })));
        assert_eq!(answers[1], Ok(Value::from("b")));
        assert!(matches!(&answers[2], Err(ChainError::Malformed { .. })), "nobody answered it");
        let refused: &[u8] = br#"{"id":null,"error":{"code":-32600,"message":"no batches"}}"#;
        for wrong in [refused, b"[]", b"<html>", br#"[{"id":7,"result":1}]"#] {
            assert!(results(wrong, 7, 3).is_err());
        }
    }

    #[test]
    fn replies_are_results_refusals_or_nonsense() {
        assert_eq!(result(br#"{"jsonrpc":"2.0","id":7,"result":null}"#, 7), Ok(Value::Null));
        for wrong in [&b"<html>"[..], b"{}", br#"{"id":8,"result":1}"#, br#"{"id":"7","result":1}"#, b"[]", b""] {
            assert!(matches!(result(wrong, 7), Err(ChainError::Malformed { .. })), "{wrong:?}");
        }
        for data in [r#""0xdead""#, r#"{"data":"0xdead"}"#] {
            let reply = format!(r#"{{"id":7,"error":{{"code":3,"message":"execution reverted","data":{data}}}}}"#);
            let Err(ChainError::Rejected { code: 3, data: Some(data), .. }) = result(reply.as_bytes(), 7) else {
                panic!("{reply}");
            };
            assert_eq!(data.as_ref(), [0xde, 0xad]);
        }
    }

    #[test]
    fn a_receipt_without_a_block_is_none_and_one_without_a_status_no_success() {
        assert_eq!(Receipt::from_value(Value::Null), Ok(None));
        let hash = B256::repeat_byte(1);
        let mut wire = serde_json::json!({"transactionHash": hash, "blockNumber": null, "blockHash": null,
            "gasUsed": "0x5208", "logs": []});
        assert_eq!(Receipt::from_value(wire.clone()), Ok(None));
        wire["blockNumber"] = "0x5".into();
        wire["blockHash"] = hash.to_string().into();
        assert!(!Receipt::from_value(wire).unwrap().unwrap().succeeded);
    }

    proptest! {
        #[test]
        fn no_reply_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,200}") {
            let _ = result(&bytes, 1);
            let _ = Receipt::from_value(Value::String(text.clone()));
            let _ = Head::from_value(Value::String(text.clone()));
            let _ = FeeHistory::from_value(Value::String(text));
        }
    }
}
