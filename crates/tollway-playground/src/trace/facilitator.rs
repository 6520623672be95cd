//! A facilitator that tells the timeline what was verified and settled.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use tollway_core::facilitator::{Facilitator, FacilitatorError, PaymentStatus};
use tollway_protocol::{FacilitatorRequest, Network, SettleResponse, SupportedResponse, VerifyResponse};

use super::event::{Kind, Part, Scheme};
use super::timeline::Timeline;
use super::wire::pretty;

/// Asks another facilitator, and tells what it said.
pub struct SeenFacilitator {
    inner: Arc<dyn Facilitator>,
    timeline: Timeline,
}

impl SeenFacilitator {
    /// Watches a facilitator.
    pub fn new(inner: Arc<dyn Facilitator>, timeline: Timeline) -> Self {
        Self { inner, timeline }
    }

    fn tell<T: Serialize>(
        &self,
        kind: Kind,
        title: String,
        request: &FacilitatorRequest,
        answer: &Result<T, FacilitatorError>,
    ) {
        let said = match answer {
            Ok(answer) => Part::new("Facilitator's answer", pretty(answer)),
            Err(error) => Part::new("No answer", error.to_string()),
        };
        let asked = Part::new("Facilitator's request", pretty(request));
        self.timeline.add(kind, Scheme::Exact, title, vec![said, asked]);
    }
}

#[async_trait]
impl Facilitator for SeenFacilitator {
    async fn supported(&self) -> Result<SupportedResponse, FacilitatorError> {
        self.inner.supported().await
    }

    async fn verify(&self, request: &FacilitatorRequest) -> Result<VerifyResponse, FacilitatorError> {
        let answer = self.inner.verify(request).await;
        let title = match &answer {
            Ok(VerifyResponse::Valid { .. }) => "the payment would settle".to_owned(),
            Ok(VerifyResponse::Invalid { reason, .. }) => {
                format!("the payment would not settle: {}", reason.as_deref().unwrap_or("no reason given"))
            }
            Err(error) => error.to_string(),
        };
        self.tell(Kind::Verify, title, request, &answer);
        answer
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Result<SettleResponse, FacilitatorError> {
        let answer = self.inner.settle(request).await;
        let title = match &answer {
            Ok(SettleResponse::Settled(settled)) => format!("settled by {}", settled.transaction),
            Ok(SettleResponse::Failed(failed)) => {
                format!("not settled: {}", failed.reason.as_deref().unwrap_or("no reason given"))
            }
            Err(error) => error.to_string(),
        };
        self.tell(Kind::Settle, title, request, &answer);
        answer
    }

    async fn status(&self, payment: &str) -> Result<Option<PaymentStatus>, FacilitatorError> {
        self.inner.status(payment).await
    }

    async fn gas_ceiling(&self, network: &Network) -> Result<u128, FacilitatorError> {
        self.inner.gas_ceiling(network).await
    }

    async fn ready(&self) -> Result<(), FacilitatorError> {
        self.inner.ready().await
    }
}
