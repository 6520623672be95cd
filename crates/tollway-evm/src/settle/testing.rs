//! Orders for tests.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use tollway_ledger::{Hash, PaymentId};
use tollway_protocol::Amount;

use super::order::{Authorization, Order, Step};

/// An order that differs from another with another number.
pub(crate) fn order(number: u8) -> Arc<Order> {
    Arc::new(Order {
        id: PaymentId::from_bytes([number; 32]),
        digest: Hash::of(&[number]),
        network: "eip155:84532".parse().unwrap(),
        asset: Address::repeat_byte(1),
        payer: Address::repeat_byte(2),
        pay_to: Address::repeat_byte(3),
        amount: Amount::new(1_000),
        authorization: Authorization::Eip3009(B256::repeat_byte(number)),
        valid_before: u64::MAX,
        steps: vec![Step { to: Address::repeat_byte(1), data: Bytes::from(vec![number; 4]), gas: 100_000 }],
        shareable: true,
        approval: None,
    })
}
