//! A facilitator that answers to order and counts, and servers that answer raw bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tollway_core::clock::ManualClock;
use tollway_core::facilitator::{Facilitator, FacilitatorError, PaymentState, PaymentStatus};
use tollway_http::facilitator::{Allowance, ApiKey, Door, FacilitatorParts, FacilitatorService};
use tollway_http::server::{ServerOptions, serve};
use tollway_protocol::{
    Amount, FacilitatorRequest, Network, SettleResponse, Settlement, SupportedResponse, VerifyResponse, decode_json,
};
use url::Url;

use crate::rig::NOON;

pub(super) const HASH: &str = "0x89c91c789e57059b17285e7ba1716a1f5ff4c5dace0ea5a5135f26158d0421b9";
pub(super) const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";

/// Says yes to everything, unless told otherwise.
#[derive(Default)]
pub(super) struct Scripted {
    pub(super) settles: AtomicUsize,
    pub(super) finished: AtomicUsize,
    pub(super) refuse: Mutex<Option<FacilitatorError>>,
    /// When set, settling waits for it.
    pub(super) gate: Option<Arc<Notify>>,
    pub(super) gas_ceiling: u128,
    pub(super) gas_used: Option<u128>,
}

#[async_trait]
impl Facilitator for Scripted {
    async fn supported(&self) -> Result<SupportedResponse, FacilitatorError> {
        let kinds = json!({"kinds": [{"x402Version": 2, "scheme": "exact", "network": "eip155:84532"}],
            "extensions": [], "signers": {"eip155:*": [PAYEE]}});
        Ok(decode_json(kinds.to_string().as_bytes(), 4_096).unwrap())
    }

    async fn verify(&self, request: &FacilitatorRequest) -> Result<VerifyResponse, FacilitatorError> {
        if let Some(error) = self.refuse.lock().clone() {
            return Err(error);
        }
        let payer = Some("0x857b06519E91e3A54538791bDbb0E22373e36b66".to_owned());
        if request.payment_payload.payload.get("signature") == Some(&json!("0xbad")) {
            let reason = Some("invalid_exact_evm_signature".to_owned());
            return Ok(VerifyResponse::Invalid { reason, message: None, payer, attachments: Default::default() });
        }
        Ok(VerifyResponse::Valid { payer, attachments: Default::default() })
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Result<SettleResponse, FacilitatorError> {
        self.settles.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        self.finished.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = self.refuse.lock().clone() {
            return Err(error);
        }
        Ok(SettleResponse::Settled(Settlement {
            transaction: HASH.to_owned(),
            network: request.payment_requirements.network.clone(),
            payer: None,
            amount: None,
            attachments: Default::default(),
        }))
    }

    async fn status(&self, payment: &str) -> Result<Option<PaymentStatus>, FacilitatorError> {
        Ok((payment == HASH).then(|| PaymentStatus {
            payment: "p1".to_owned(),
            state: PaymentState::Settled,
            network: network(),
            payer: PAYEE.to_owned(),
            amount: Amount::new(1_000),
            transaction: Some(HASH.to_owned()),
            reason: None,
            gas: self.gas_used,
        }))
    }

    async fn gas_ceiling(&self, _: &Network) -> Result<u128, FacilitatorError> {
        Ok(self.gas_ceiling)
    }
}

pub(super) fn network() -> Network {
    "eip155:84532".parse().unwrap()
}

/// The body of a request to verify or settle, with this signature.
pub(super) fn body(signature: &str) -> serde_json::Value {
    let requirements = json!({"scheme": "exact", "network": "eip155:84532", "amount": "1000", "payTo": PAYEE,
        "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "maxTimeoutSeconds": 300});
    json!({"x402Version": 2, "paymentRequirements": requirements,
        "paymentPayload": {"x402Version": 2, "accepted": requirements, "payload": {"signature": signature}}})
}

pub(super) fn request(signature: &str) -> FacilitatorRequest {
    FacilitatorRequest::decode(body(signature).to_string().as_bytes()).unwrap()
}

/// One caller, `s3cret`, with this allowance.
pub(super) fn keyed(per_minute: u32, gas_per_day: Option<u128>) -> Door {
    let allowance = Allowance { per_minute, gas_per_day };
    Door::keyed(vec![ApiKey { name: "shop".to_owned(), digest: Door::digest("s3cret"), allowance }], None)
}

/// Serves a facilitator; where.
pub(super) async fn serving(facilitator: Arc<Scripted>, door: Door) -> Url {
    let cors = vec!["https://shop.example".to_owned()];
    let clock = Arc::new(ManualClock::at(NOON));
    let service = FacilitatorService::new(FacilitatorParts { facilitator, door, cors, clock });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(service), ServerOptions::default(), std::future::pending()));
    base(address)
}

pub(super) fn base(address: SocketAddr) -> Url {
    format!("http://{address}/").parse().unwrap()
}

/// Answers every connection with these bytes, then closes it, or hangs where `hang` says so.
pub(super) async fn raw(answer: &'static [u8], hang: bool) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer).await;
                if hang {
                    let _: () = std::future::pending().await;
                }
            });
        }
    });
    (base(address), asked)
}
