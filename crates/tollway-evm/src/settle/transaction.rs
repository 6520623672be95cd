//! Transactions: what carries which orders, how much gas it may use, and its bytes.

use alloy_consensus::transaction::RlpEcdsaDecodableTx;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};

use super::fees::Quote;
use super::order::{Order, Step};
use crate::abi::MULTICALL3;
use crate::chain::rpc::multicall_data;
use crate::client::{SignError, Signer};

/// What any transaction costs.
const BASE_GAS: u64 = 21_000;
/// What giving coins may take.
const GIFT_GAS: u64 = 50_000;
/// What a byte of calldata costs at most, and at least in all (EIP-7623).
const BYTE_GAS: u64 = 16;
const BYTE_FLOOR_GAS: u64 = 40;
/// What Multicall3 uses by itself, and for each call.
const MULTICALL_GAS: u64 = 30_000;
const MULTICALL_CALL_GAS: u64 = 8_000;
/// Bytes that it adds to the data of each.
const CALL_BYTES: u64 = 192;
/// Gas of a transaction of its own besides that of its calls, with the longest signature.
pub const OVERHEAD_GAS: u64 = 200_000;
/// The first byte of an EIP-1559 transaction.
const TYPE: u8 = 2;

/// A signed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) raw: Vec<u8>,
    pub(super) hash: B256,
}

/// The content of a transaction, without its account nonce and fees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) to: Address,
    pub(super) data: Bytes,
    pub(super) gas: u64,
    /// Wei that is given away.
    pub(super) value: u128,
}

impl Content {
    /// One call stands by itself; several go through Multicall3, where each may fail.
    pub(super) fn of(orders: &[Order]) -> Self {
        let steps: Vec<&Step> = orders.iter().flat_map(|order| &order.steps).collect();
        if let [step] = steps.as_slice() {
            return Self { to: step.to, data: step.data.clone(), gas: with_data(step.gas, &step.data), value: 0 };
        }
        let data = multicall_data(steps.iter().map(|step| (step.to, &step.data)));
        let shares = |order: &Order| share(order, orders.len() > 1);
        let gas = orders.iter().map(shares).fold(MULTICALL_GAS, u64::saturating_add);
        Self { to: MULTICALL3, gas: with_data(gas, &data), data, value: 0 }
    }

    /// Nothing, to oneself: only uses up the account nonce.
    pub(super) fn empty(signer: Address) -> Self {
        Self { to: signer, data: Bytes::new(), gas: BASE_GAS, value: 0 }
    }

    /// Coins for an account, and nothing else. One that has code may look at what it gets.
    pub(super) fn gift(account: Address, value: u128) -> Self {
        Self { to: account, data: Bytes::new(), gas: GIFT_GAS, value }
    }

    /// The content of a transaction that was made before.
    pub(super) fn of_raw(raw: &[u8]) -> Option<Self> {
        let (TYPE, mut rest) = raw.split_first().map(|(kind, rest)| (*kind, rest))? else {
            return None;
        };
        let (transaction, _) = TxEip1559::rlp_decode_with_signature(&mut rest).ok()?;
        let to = transaction.to.to().copied()?;
        let value = u128::try_from(transaction.value).ok()?;
        Some(Self { to, data: transaction.input, gas: transaction.gas_limit, value })
    }

    /// Its bytes with an account nonce and fees.
    ///
    /// # Errors
    /// [`SignError`] if the key's holder does not sign.
    pub(super) async fn sign(
        &self,
        signer: &dyn Signer,
        chain_id: u64,
        nonce: u64,
        fees: Quote,
    ) -> Result<Signed, SignError> {
        let transaction = TxEip1559 {
            chain_id,
            nonce,
            gas_limit: self.gas,
            max_fee_per_gas: fees.max_fee,
            max_priority_fee_per_gas: fees.tip.min(fees.max_fee),
            to: TxKind::Call(self.to),
            value: U256::from(self.value),
            access_list: Default::default(),
            input: self.data.clone(),
        };
        let signature = signer.sign_digest(transaction.signature_hash()).await?;
        let (r, s) = (signature.r().into(), signature.s().into());
        let signed = transaction.into_signed(Signature::new(r, s, signature.v() == 28));
        Ok(Signed { raw: signed.encoded_2718(), hash: *signed.hash() })
    }
}

/// Gas that an order adds to a shared transaction, for the bound on its size.
pub(super) fn gas_in_batch(order: &Order) -> u64 {
    let bytes: u64 = order.steps.iter().map(|step| length(&step.data).saturating_add(CALL_BYTES)).sum();
    share(order, true).saturating_add(bytes.saturating_mul(BYTE_GAS))
}

/// Gas that the calls of an order may use. Bounds are half as much again as honest calls take; in
/// company that reserve is left out, for what one does not use is there for the others.
fn share(order: &Order, in_company: bool) -> u64 {
    let gas = |step: &Step| {
        let gas = if in_company { step.gas / 3 * 2 } else { step.gas };
        // A call is given at most 63 of 64 parts of what is left (EIP-150).
        gas.saturating_add(gas / 63).saturating_add(MULTICALL_CALL_GAS)
    };
    order.steps.iter().map(gas).fold(0, u64::saturating_add)
}

/// What a transaction needs besides the gas of its calls.
fn with_data(gas: u64, data: &Bytes) -> u64 {
    let bytes = length(data);
    let usual = gas.saturating_add(bytes.saturating_mul(BYTE_GAS));
    BASE_GAS.saturating_add(usual.max(bytes.saturating_mul(BYTE_FLOOR_GAS)))
}

fn length(data: &Bytes) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::client::LocalSigner;

    #[tokio::test]
    async fn what_was_signed_reads_back() {
        let key = LocalSigner::new(Zeroizing::new([7; 32])).unwrap();
        let content = Content { to: MULTICALL3, data: vec![1, 2, 3].into(), gas: 99_000, value: 7 };
        let fees = Quote { max_fee: 1_000, tip: 2_000 };
        let signed = content.sign(&key, 84_532, 5, fees).await.unwrap();
        assert_eq!(alloy_primitives::keccak256(&signed.raw), signed.hash);
        assert_eq!(Content::of_raw(&signed.raw), Some(content.clone()));
        assert_eq!(content.sign(&key, 84_532, 5, fees).await.unwrap(), signed);
        assert_ne!(content.sign(&key, 84_532, 6, fees).await.unwrap().hash, signed.hash);
        for length in 0..signed.raw.len() {
            assert_eq!(Content::of_raw(&signed.raw[..length]), None);
        }
    }
}
