//! Several calls in one: Multicall3's `aggregate3`, deployed at the same address on every chain.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;

use super::{Call, CallOutcome, ChainError};
use crate::abi::Multicall::{Call3, Result as Result3, aggregate3Call};

/// Gas that Multicall3 itself uses, and for each of its calls.
const BASE_GAS: u64 = 50_000;
const CALL_GAS: u64 = 8_000;

/// The call of `aggregate3` that makes all these calls, each of which may fail.
pub(crate) fn encode<'a>(calls: impl IntoIterator<Item = (Address, &'a Bytes)>) -> Bytes {
    let calls =
        calls.into_iter().map(|(target, data)| Call3 { target, allowFailure: true, callData: data.clone() }).collect();
    aggregate3Call { calls }.abi_encode().into()
}

pub(super) fn decode(returned: &[u8], count: usize) -> Result<Vec<CallOutcome>, ChainError> {
    let malformed = |detail: &str| ChainError::Malformed { detail: detail.to_owned() };
    let results = aggregate3Call::abi_decode_returns(returned).map_err(|_| malformed("not results of aggregate3"))?;
    if results.len() != count {
        return Err(malformed("as many results as calls were expected"));
    }
    let outcome = |result: Result3| match result.success {
        true => CallOutcome::Returned(result.returnData),
        false => CallOutcome::Reverted(result.returnData),
    };
    Ok(results.into_iter().map(outcome).collect())
}

/// Gas for all these calls together.
pub(super) fn gas<'a>(calls: impl IntoIterator<Item = &'a Call>, cap: u64) -> u64 {
    // A call is given at most 63 of 64 parts of what is left (EIP-150).
    let part = |call: &Call| call.gas.saturating_add(call.gas / 63).saturating_add(CALL_GAS);
    calls.into_iter().map(part).fold(BASE_GAS, u64::saturating_add).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_in_order_and_in_number() {
        let results = vec![
            Result3 { success: true, returnData: vec![1].into() },
            Result3 { success: false, returnData: vec![].into() },
        ];
        let bytes = aggregate3Call::abi_encode_returns(&results);
        let outcomes = decode(&bytes, 2).unwrap();
        assert_eq!(outcomes, [CallOutcome::Returned(vec![1].into()), CallOutcome::Reverted(Bytes::new())]);
        assert!(decode(&bytes, 3).is_err());
        assert!(decode(&bytes[..40], 2).is_err());
        assert!(decode(&[], 1).is_err());
    }

    #[test]
    fn gas_covers_every_call_within_the_cap() {
        let call = Call { to: Address::ZERO, data: Bytes::new(), gas: 63_000 };
        assert_eq!(gas([&call, &call], u64::MAX), 50_000 + 2 * 72_000);
        assert_eq!(gas([&call], 1_000), 1_000);
    }
}
