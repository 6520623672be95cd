//! What a block says about an order: never the transaction's status alone, always its own events.

use alloy_primitives::{B256, U256, b256};

use super::order::{Authorization, Order};
use crate::abi::EXACT_PROXY;
use crate::chain::rpc::{Log, Receipt};

/// `Transfer(address,address,uint256)` of ERC-20.
pub(super) const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
/// `AuthorizationUsed(address,bytes32)` of EIP-3009.
pub(super) const AUTHORIZATION_USED: B256 = b256!("98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5");

/// What the events of a transaction say about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The authorization was used and exactly this much moved from payer to payTo.
    Paid,
    /// The authorization was used, and something else moved.
    Mismatch,
    /// Nothing of it is there.
    Absent,
}

/// Reads the events of a transaction for the orders it carried. Each transfer counts for one order.
pub(super) fn read(receipt: &Receipt, orders: &[&Order]) -> Vec<Reading> {
    let mut taken = vec![false; receipt.logs.len()];
    orders.iter().map(|order| read_one(receipt, order, &mut taken)).collect()
}

fn read_one(receipt: &Receipt, order: &Order, taken: &mut [bool]) -> Reading {
    let transfer = free(receipt, taken, |log| is_transfer(log, order));
    let proof = match order.authorization {
        Authorization::Eip3009(nonce) => free(receipt, taken, |log| is_used(log, order, nonce)),
        // Permit2 keeps its nonces silently, so the proxy's own event stands for it.
        Authorization::Permit2(_) => free(receipt, taken, |log| log.address == EXACT_PROXY),
    };
    match (proof, transfer, order.authorization) {
        (Some(proof), Some(transfer), _) => {
            for index in [proof, transfer] {
                if let Some(taken) = taken.get_mut(index) {
                    *taken = true;
                }
            }
            Reading::Paid
        }
        (Some(_), None, Authorization::Eip3009(_)) => Reading::Mismatch,
        _ => Reading::Absent,
    }
}

/// The first event that fits and counts for nobody yet.
fn free(receipt: &Receipt, taken: &[bool], fits: impl Fn(&Log) -> bool) -> Option<usize> {
    let mut logs = receipt.logs.iter().zip(taken).enumerate();
    logs.find(|(_, (log, taken))| !**taken && fits(log)).map(|(index, _)| index)
}

/// Whether the authorization of an order was used in this event.
pub(super) fn is_used(log: &Log, order: &Order, nonce: B256) -> bool {
    log.address == order.asset && log.topics == [AUTHORIZATION_USED, order.payer.into_word(), nonce]
}

fn is_transfer(log: &Log, order: &Order) -> bool {
    log.address == order.asset
        && log.topics == [TRANSFER, order.payer.into_word(), order.pay_to.into_word()]
        && log.data.len() == 32
        && U256::from_be_slice(&log.data) == U256::from(order.amount.get())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes, keccak256};
    use tollway_ledger::{Hash, PaymentId};
    use tollway_protocol::Amount;

    use super::*;

    fn order(nonce: u8) -> Order {
        Order {
            id: PaymentId::from_bytes([nonce; 32]),
            digest: Hash::ZERO,
            network: "eip155:84532".parse().unwrap(),
            asset: Address::repeat_byte(1),
            payer: Address::repeat_byte(2),
            pay_to: Address::repeat_byte(3),
            amount: Amount::new(1_000),
            authorization: Authorization::Eip3009(B256::repeat_byte(nonce)),
            valid_before: 0,
            steps: vec![],
            shareable: true,
            approval: None,
        }
    }

    fn log(address: Address, topics: Vec<B256>, data: impl Into<Bytes>) -> Log {
        Log { address, topics, data: data.into(), transaction_hash: None, removed: false }
    }

    fn transfer(order: &Order, value: u64) -> Log {
        let topics = vec![TRANSFER, order.payer.into_word(), order.pay_to.into_word()];
        log(order.asset, topics, U256::from(value).to_be_bytes_vec())
    }

    fn used(order: &Order, nonce: u8) -> Log {
        let topics = vec![AUTHORIZATION_USED, order.payer.into_word(), B256::repeat_byte(nonce)];
        log(order.asset, topics, Bytes::new())
    }

    fn receipt(logs: Vec<Log>) -> Receipt {
        Receipt {
            transaction: B256::ZERO,
            block: 1,
            block_hash: B256::ZERO,
            succeeded: true,
            gas_used: 0,
            gas_price: 0,
            logs,
        }
    }

    #[test]
    fn the_topics_are_the_hashes_of_the_signatures() {
        assert_eq!(TRANSFER, keccak256("Transfer(address,address,uint256)"));
        assert_eq!(AUTHORIZATION_USED, keccak256("AuthorizationUsed(address,bytes32)"));
    }

    #[test]
    fn threat_20_only_the_exact_events_of_the_exact_asset_pay() {
        let one = order(1);
        let paid = receipt(vec![used(&one, 1), transfer(&one, 1_000)]);
        assert_eq!(read(&paid, &[&one]), [Reading::Paid]);
        let mut elsewhere = transfer(&one, 1_000);
        elsewhere.address = Address::repeat_byte(9);
        let mut to_other = transfer(&one, 1_000);
        to_other.topics[2] = B256::repeat_byte(9);
        for wrong in [transfer(&one, 999), elsewhere, to_other, log(one.asset, vec![TRANSFER], Bytes::new())] {
            assert_eq!(read(&receipt(vec![used(&one, 1), wrong]), &[&one]), [Reading::Mismatch]);
        }
        assert_eq!(read(&receipt(vec![used(&one, 2), transfer(&one, 1_000)]), &[&one]), [Reading::Absent]);
        assert_eq!(read(&receipt(vec![]), &[&one]), [Reading::Absent]);
    }

    #[test]
    fn one_transfer_pays_one_of_two_equal_orders() {
        let (one, two) = (order(1), order(2));
        let logs = vec![used(&one, 1), transfer(&one, 1_000), used(&two, 2)];
        assert_eq!(read(&receipt(logs), &[&one, &two]), [Reading::Paid, Reading::Mismatch]);
    }
}
