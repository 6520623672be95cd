//! Signed payments, as the requests that a seller sends to its facilitator.

use alloy_primitives::{Address, B256, keccak256};
use anyhow::Context as _;
use serde_json::json;
use tollway_core::clock::{Clock as _, SystemClock};
use tollway_devnet::{TestAccount, USDC};
use tollway_evm::client::{ExactWallet, LocalSigner, Order, Version};
use tollway_protocol::{FacilitatorRequest, PaymentPayload, PaymentRequirements};

/// Who pays.
const PAYER: u32 = 1;
/// Who is paid.
const PAY_TO: Address = Address::repeat_byte(0xaa);

/// So many payments by EIP-3009; `seed` makes them others than those of another seed.
pub(crate) fn signed(count: usize, seed: u64) -> anyhow::Result<Vec<FacilitatorRequest>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let offer: PaymentRequirements = serde_json::from_value(json!({"scheme": "exact", "network": "eip155:84532",
        "amount": "10", "asset": USDC.to_checksum(None), "payTo": PAY_TO.to_checksum(None),
        "maxTimeoutSeconds": 3_600, "extra": {"name": "USDC", "version": "2"}}))?;
    let signer = LocalSigner::new(TestAccount::new(PAYER).key.0.into())?;
    let now = SystemClock.now();
    (0..count)
        .map(|number| {
            let nonce: B256 = keccak256([seed.to_be_bytes(), u64::try_from(number)?.to_be_bytes()].concat());
            let order = Order { requirements: &offer, extensions: None, version: Version::V2, now, nonce };
            let paid = runtime.block_on(ExactWallet::new(&signer).pay(&order))?;
            let payload = PaymentPayload::new(offer.clone(), paid.payload.to_map());
            Ok(FacilitatorRequest::new(payload, offer.clone()))
        })
        .collect()
}

/// A request's bytes.
pub(crate) fn post(host: &str, path: &str, request: &FacilitatorRequest) -> anyhow::Result<Vec<u8>> {
    let body = serde_json::to_vec(request).context("a request is plain data")?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Ok([head.into_bytes(), body].concat())
}
