//! A facilitator of exact payments on EVM networks, in this process (x402 v2, `/verify`, `/settle`,
//! `/supported`).

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use async_trait::async_trait;
use serde_json::Map;
use tollway_core::clock::Clock;
use tollway_core::facilitator::{Facilitator, FacilitatorError, PaymentState, PaymentStatus};
use tollway_ledger::{PaymentId, SettlementRecord, SettlementState};
use tollway_protocol::response::Attachments;
use tollway_protocol::{
    FacilitatorRequest, Network, Reason, SettleFailure, SettleResponse, Settlement, SupportedKind, SupportedResponse,
    VerifyResponse, v1,
};

use crate::gas_sponsoring;
use crate::payload::ExactPayload;
use crate::settle::{self, Answer, Order, SettleError, Settler, reasons};
use crate::verify::{NotVerified, Refused, Verifier, VerifierOptions, gas};

/// The scheme.
const SCHEME: &str = "exact";

/// One network: who verifies and who settles there.
pub struct EvmNetwork {
    /// Verifies.
    pub verifier: Verifier,
    /// Settles.
    pub settler: Settler,
    /// What the verifier lets pass, for `/supported`.
    pub options: VerifierOptions,
}

/// A facilitator of exact payments on one or more EVM networks.
pub struct EvmFacilitator {
    networks: BTreeMap<Network, EvmNetwork>,
    clock: Arc<dyn Clock>,
}

/// A payment as far as it can be read without asking anybody.
struct Read {
    payload: ExactPayload,
    id: PaymentId,
    digest: tollway_ledger::Hash,
}

impl EvmFacilitator {
    /// A facilitator for these networks.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = EvmNetwork>, clock: Arc<dyn Clock>) -> Self {
        let named = networks.into_iter().map(|network| (network.settler.network().clone(), network));
        Self { networks: named.collect(), clock }
    }

    /// The networks.
    pub fn networks(&self) -> impl Iterator<Item = &EvmNetwork> {
        self.networks.values()
    }

    /// Settles on its network: what is known keeps its outcome, what is new is verified first.
    async fn settle_on(
        &self,
        network: &EvmNetwork,
        request: &FacilitatorRequest,
    ) -> Result<SettleResponse, FacilitatorError> {
        let read = read(request);
        if let Some(known) = self.known(network, request, read.as_ref()).await? {
            return Ok(known);
        }
        let verified = match network.verifier.verify(request, self.clock.now()).await {
            Ok(verified) => verified,
            Err(NotVerified::Unavailable(error)) => {
                return Err(FacilitatorError::Unreachable { detail: error.to_string() });
            }
            Err(NotVerified::Refused(refused)) => {
                // It may have been settled while it was verified.
                let known = self.known(network, request, read.as_ref()).await?;
                return Ok(known.unwrap_or_else(|| refusal(&refused, network.settler.network())));
            }
        };
        let Some(read) = read else {
            return Err(FacilitatorError::Malformed { detail: "a verified payment that cannot be read".to_owned() });
        };
        let order = Order::of(&verified, read.digest);
        let payer = order.payer;
        let answer = network.settler.settle(order).await;
        response(answer, network.settler.network(), payer)
    }

    /// The outcome of a payment that was claimed here, under the same terms.
    async fn known(
        &self,
        network: &EvmNetwork,
        request: &FacilitatorRequest,
        read: Option<&Read>,
    ) -> Result<Option<SettleResponse>, FacilitatorError> {
        let Some(read) = read else { return Ok(None) };
        let record = network.settler.known(&read.id).await.map_err(unanswered)?;
        let Some(record) = record.filter(|record| is_same(record, read, request)) else {
            return Ok(None);
        };
        let order = Order::of_claim(&record.claim)
            .map_err(|error| FacilitatorError::Malformed { detail: error.to_string() })?;
        let answer = network.settler.settle(order).await;
        response(answer, network.settler.network(), read.payload.payer()).map(Some)
    }

    fn network(&self, request: &FacilitatorRequest) -> Option<&EvmNetwork> {
        self.networks.get(&request.payment_requirements.network)
    }
}

#[async_trait]
impl Facilitator for EvmFacilitator {
    async fn supported(&self) -> Result<SupportedResponse, FacilitatorError> {
        let kind = |version, network: &str| SupportedKind {
            x402_version: version,
            scheme: SCHEME.to_owned(),
            network: network.to_owned(),
            extra: None,
            rest: Map::new(),
        };
        let second = self.networks.keys().map(|network| kind(2, network.as_str()));
        let first = self.networks.keys().filter_map(v1::network_name).map(|name| kind(1, name));
        let kinds = second.chain(first).collect();
        let any = |says: fn(&VerifierOptions) -> bool| self.networks().any(|network| says(&network.options));
        let extensions = [
            (gas_sponsoring::EIP2612, any(|options| options.permit_approvals)),
            (gas_sponsoring::ERC20_APPROVAL, any(|options| options.transaction_approvals)),
        ];
        let extensions = extensions.into_iter().filter(|(_, any)| *any).map(|(name, _)| name.to_owned()).collect();
        let mut signers: Vec<_> = self.networks().flat_map(|network| network.settler.signers()).collect();
        signers.sort_unstable();
        signers.dedup();
        let signers = signers.into_iter().map(|signer| signer.to_checksum(None)).collect::<Vec<_>>();
        let signers = Map::from_iter([("eip155:*".to_owned(), signers.into())]);
        Ok(SupportedResponse { kinds, extensions, signers, rest: Map::new() })
    }

    async fn verify(&self, request: &FacilitatorRequest) -> Result<VerifyResponse, FacilitatorError> {
        let Some(network) = self.network(request) else {
            return Ok(VerifyResponse::Invalid {
                reason: Some(Reason::UnsupportedNetwork.code().to_owned()),
                message: Some(Reason::UnsupportedNetwork.meaning().to_owned()),
                payer: None,
                attachments: Attachments::default(),
            });
        };
        network.settler.ready().map_err(unanswered)?;
        match network.verifier.verify(request, self.clock.now()).await {
            Ok(verified) => Ok(VerifyResponse::Valid {
                payer: Some(verified.payer.to_checksum(None)),
                attachments: Attachments::default(),
            }),
            Err(NotVerified::Refused(refused)) => Ok(refused.response()),
            Err(NotVerified::Unavailable(error)) => Err(FacilitatorError::NoAnswer { detail: error.to_string() }),
        }
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Result<SettleResponse, FacilitatorError> {
        let Some(network) = self.network(request) else {
            return Ok(SettleResponse::Failed(SettleFailure {
                reason: Some(Reason::UnsupportedNetwork.code().to_owned()),
                message: Some(Reason::UnsupportedNetwork.meaning().to_owned()),
                transaction: None,
                network: Some(request.payment_requirements.network.clone()),
                payer: None,
                amount: None,
                attachments: Attachments::default(),
            }));
        };
        self.settle_on(network, request).await
    }

    async fn status(&self, payment: &str) -> Result<Option<PaymentStatus>, FacilitatorError> {
        for network in self.networks() {
            let record = if let Ok(id) = payment.parse::<PaymentId>() {
                network.settler.known(&id).await.map_err(unanswered)?
            } else if let Ok(transaction) = payment.parse::<B256>() {
                network.settler.carried_by(transaction).await.map_err(unanswered)?.into_iter().next()
            } else {
                return Ok(None);
            };
            if let Some(record) = record.filter(|record| record.claim.network == *network.settler.network()) {
                let gas = network.settler.gas_of(&record).await;
                return Ok(Some(status(record, gas)));
            }
        }
        Ok(None)
    }

    async fn gas_ceiling(&self, network: &Network) -> Result<u128, FacilitatorError> {
        let Some(network) = self.networks.get(network) else { return Ok(0) };
        let most = gas::PERMIT2 + gas::APPROVAL + gas::WALLET + settle::OVERHEAD_GAS;
        let fee = network.settler.fee_now().await.map_err(unanswered)?;
        Ok(fee.saturating_mul(u128::from(most)).saturating_add(network.options.approval_gas))
    }

    async fn ready(&self) -> Result<(), FacilitatorError> {
        for network in self.networks() {
            network.settler.ready().map_err(unanswered)?;
            network.settler.answers().await.map_err(unanswered)?;
        }
        Ok(())
    }
}

/// What can be read of a payment, if it is one.
fn read(request: &FacilitatorRequest) -> Option<Read> {
    let payload = ExactPayload::from_map(&request.payment_payload.payload).ok()?;
    let asset: Address = request.payment_requirements.asset.as_str().parse().ok()?;
    let id = payload.payment_id(&request.payment_requirements.network, asset);
    let digest = settle::digest(&payload, asset);
    Some(Read { payload, id, digest })
}

/// Whether a record is of this payment, and the seller asks for what was claimed.
fn is_same(record: &SettlementRecord, read: &Read, request: &FacilitatorRequest) -> bool {
    let asked = &request.payment_requirements;
    let pay_to = asked.pay_to.parse::<Address>().ok();
    record.claim.digest == read.digest
        && asked.scheme == SCHEME
        && record.claim.amount == asked.amount
        && pay_to.is_some()
        && record.claim.pay_to.parse::<Address>().ok() == pay_to
}

fn response(
    answer: Result<Answer, SettleError>,
    network: &Network,
    payer: Address,
) -> Result<SettleResponse, FacilitatorError> {
    let hash = |transaction: B256| format!("{transaction:#x}");
    let payer = Some(payer.to_checksum(None));
    let failed = |reason: String, transaction: Option<B256>, message: Option<&str>| {
        SettleResponse::Failed(SettleFailure {
            reason: Some(reason),
            message: message.map(str::to_owned),
            transaction: transaction.map(hash),
            network: Some(network.clone()),
            payer: payer.clone(),
            amount: None,
            attachments: Attachments::default(),
        })
    };
    Ok(match answer.map_err(unanswered)? {
        Answer::Settled { transaction, .. } => SettleResponse::Settled(Settlement {
            transaction: hash(transaction),
            network: network.clone(),
            payer,
            amount: None,
            attachments: Attachments::default(),
        }),
        Answer::Failed { reason, transaction } => failed(reason, transaction, None),
        Answer::Pending { transaction } => {
            let message = "the transaction was sent and is not confirmed; ask again with the same payment";
            failed(reasons::PENDING.to_owned(), Some(transaction), Some(message))
        }
    })
}

fn refusal(refused: &Refused, network: &Network) -> SettleResponse {
    SettleResponse::Failed(SettleFailure {
        reason: Some(refused.reason.code().to_owned()),
        message: Some(refused.message.clone()),
        transaction: None,
        network: Some(network.clone()),
        payer: refused.payer.map(|payer| payer.to_checksum(None)),
        amount: None,
        attachments: Attachments::default(),
    })
}

/// Only what was declined is certain not to have been sent.
fn unanswered(error: SettleError) -> FacilitatorError {
    match error {
        SettleError::Declined { detail } => FacilitatorError::Declined { detail },
        other => FacilitatorError::NoAnswer { detail: other.to_string() },
    }
}

fn status(record: SettlementRecord, gas: Option<u128>) -> PaymentStatus {
    let transaction = record.state.transaction().map(|hash| format!("{:#x}", B256::from(hash)));
    let (state, reason) = match record.state {
        SettlementState::Claimed => (PaymentState::Claimed, None),
        SettlementState::Broadcast { .. } => (PaymentState::Pending, None),
        SettlementState::Unknown { .. } => (PaymentState::Unknown, None),
        SettlementState::Settled { .. } => (PaymentState::Settled, None),
        SettlementState::Failed { reason, .. } => (PaymentState::Failed, Some(reason)),
    };
    PaymentStatus {
        payment: record.claim.id.to_string(),
        state,
        network: record.claim.network,
        payer: record.claim.payer,
        amount: record.claim.amount,
        transaction,
        reason,
        gas,
    }
}
