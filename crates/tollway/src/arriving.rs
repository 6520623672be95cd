//! A facilitator whose chains may be away when it starts: it serves at once, is not ready until every
//! chain has answered, and tries again until then.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tollway_core::clock::Clock;
use tollway_core::facilitator::{Facilitator, FacilitatorError, PaymentStatus};
use tollway_evm::chain::ChainError;
use tollway_evm::facilitator::EvmFacilitator;
use tollway_evm::settle::StartError;
use tollway_protocol::{FacilitatorRequest, Network, SettleResponse, SupportedResponse, VerifyResponse};

use crate::config::FacilitatorConfig;
use crate::evm;

/// Time between two tries.
const AGAIN: Duration = Duration::from_secs(2);

/// A facilitator that is there, or is going to be.
pub(crate) struct Arriving {
    there: Arc<OnceCell<EvmFacilitator>>,
    trying: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(trying) = &self.trying {
            trying.abort();
        }
    }
}

/// Builds a facilitator. Only a chain that does not answer is waited for: whatever else is wrong is
/// wrong with the configuration, and said at once.
pub(crate) async fn facilitator(config: Arc<FacilitatorConfig>, clock: Arc<dyn Clock>) -> anyhow::Result<Arriving> {
    let there = Arc::new(OnceCell::new());
    match evm::facilitator(&config, Arc::clone(&clock)).await {
        Ok(facilitator) => {
            // Nobody else has the cell yet.
            let _ = there.set(facilitator);
            Ok(Arriving { there, trying: None })
        }
        Err(error) if is_away(&error) => {
            eprintln!("not ready, and tried again: {error:#}");
            let arrived = Arc::clone(&there);
            let trying = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(AGAIN).await;
                    match evm::facilitator(&config, Arc::clone(&clock)).await {
                        Ok(facilitator) => {
                            let _ = arrived.set(facilitator);
                            tracing::info!("every chain answers: ready");
                            return;
                        }
                        Err(error) => tracing::warn!(error = format!("{error:#}"), "not ready yet"),
                    }
                }
            });
            Ok(Arriving { there, trying: Some(trying) })
        }
        Err(error) => Err(error),
    }
}

/// Whether a chain did not answer, or not with anything of a chain's.
fn is_away(error: &anyhow::Error) -> bool {
    let away = |error: &ChainError| matches!(error, ChainError::Unreachable { .. } | ChainError::Timeout);
    error.chain().any(|cause| match (cause.downcast_ref::<ChainError>(), cause.downcast_ref::<StartError>()) {
        (Some(error), _) | (None, Some(StartError::Chain(error))) => away(error),
        (None, _) => false,
    })
}

impl Arriving {
    fn there(&self) -> Result<&EvmFacilitator, FacilitatorError> {
        let away = || FacilitatorError::Unreachable { detail: "a chain has not answered since the start".to_owned() };
        self.there.get().ok_or_else(away)
    }
}

#[async_trait]
impl Facilitator for Arriving {
    async fn supported(&self) -> Result<SupportedResponse, FacilitatorError> {
        self.there()?.supported().await
    }

    async fn verify(&self, request: &FacilitatorRequest) -> Result<VerifyResponse, FacilitatorError> {
        self.there()?.verify(request).await
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Result<SettleResponse, FacilitatorError> {
        // What an earlier process has sent is not known before its books are taken up.
        let there = self.there().map_err(|error| FacilitatorError::NoAnswer { detail: error.to_string() })?;
        there.settle(request).await
    }

    async fn status(&self, payment: &str) -> Result<Option<PaymentStatus>, FacilitatorError> {
        self.there()?.status(payment).await
    }

    async fn gas_ceiling(&self, network: &Network) -> Result<u128, FacilitatorError> {
        self.there()?.gas_ceiling(network).await
    }

    async fn ready(&self) -> Result<(), FacilitatorError> {
        self.there()?.ready().await
    }
}
