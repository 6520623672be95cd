//! One payment laid beside the seller's requirements: all that can be judged without a chain.

use alloy_primitives::{Address, B256, U256};
use serde_json::Value;
use tollway_protocol::{Amount, FacilitatorRequest, Network};

use super::{Key, Refused, VerifierOptions};
use crate::abi::EXACT_PROXY;
use crate::asset::Method;
use crate::gas_sponsoring::{Approval, MARGIN, Sponsored};
use crate::payload::fields::address;
use crate::payload::{ExactPayload, PayloadFault};
use crate::reason::ExactReason;
use crate::signature::{EoaSignature, SignatureError};
use crate::typed_data::{self, TokenDomain};

/// A payment and the terms it has to meet. Nothing in it is believed yet.
pub(super) struct Case<'a> {
    pub(super) network: &'a Network,
    pub(super) payload: ExactPayload,
    pub(super) asset: Address,
    pub(super) pay_to: Address,
    pub(super) amount: Amount,
    /// The token's name and version as the offer says them; always there for EIP-3009.
    pub(super) domain: Option<TokenDomain<'a>>,
    pub(super) digest: B256,
    /// The approval that came along, for Permit2.
    pub(super) approval: Option<Approval>,
    chain_id: u64,
}

impl<'a> Case<'a> {
    /// Reads the payment and checks scheme, domain and network, in this order.
    pub(super) fn read(
        request: &'a FacilitatorRequest,
        (network, chain_id): (&'a Network, u64),
        options: &VerifierOptions,
        now: u64,
    ) -> Result<Self, Refused> {
        let payload = ExactPayload::from_map(&request.payment_payload.payload).map_err(|error| {
            let form = error.fault == PayloadFault::Form;
            let reason = if form { ExactReason::UnsupportedPayloadType } else { ExactReason::InvalidPayload };
            Refused { reason, message: error.to_string(), payer: None }
        })?;
        let refuse = |reason| Refused::because(reason, Some(payload.payer()));
        let (accepted, offer) = (&request.payment_payload.accepted, &request.payment_requirements);
        if accepted.scheme != "exact" || offer.scheme != "exact" {
            let permit2 = payload.method() == Method::Permit2;
            return Err(refuse(if permit2 { ExactReason::UnsupportedPayloadType } else { ExactReason::Scheme }));
        }
        let asset = address(offer.asset.as_str()).ok_or_else(|| refuse(ExactReason::InvalidRequirements))?;
        let pay_to = address(&offer.pay_to).ok_or_else(|| refuse(ExactReason::InvalidRequirements))?;
        let text = |key| offer.extra(key).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
        let domain = text("name").zip(text("version")).map(|(name, version)| TokenDomain {
            name,
            version,
            chain_id,
            contract: asset,
        });
        if domain.is_none() && payload.method() == Method::Eip3009 {
            return Err(refuse(ExactReason::MissingDomain));
        }
        if accepted.network != offer.network || offer.network != *network {
            return Err(refuse(ExactReason::NetworkMismatch));
        }
        // The seller's terms say how its asset moves; an asset may not know the other way.
        if Method::of_extra(offer.extra.as_ref()) != Some(payload.method()) {
            return Err(refuse(ExactReason::UnsupportedPayloadType));
        }
        if options.assets.as_ref().is_some_and(|assets| !assets.contains(&asset)) {
            return Err(refuse(ExactReason::AssetNotAllowed));
        }
        let digest = match (&payload, &domain) {
            (ExactPayload::Eip3009(payload), Some(domain)) => domain.transfer(&payload.authorization),
            (ExactPayload::Eip3009(_), None) => return Err(refuse(ExactReason::MissingDomain)),
            (ExactPayload::Permit2(payload), _) => typed_data::permit2(chain_id, &payload.authorization),
        };
        let amount = offer.amount;
        let mut case = Self { network, payload, asset, pay_to, amount, domain, digest, approval: None, chain_id };
        case.approval = case.read_approval(request, options, now)?;
        Ok(case)
    }

    pub(super) fn payer(&self) -> Address {
        self.payload.payer()
    }

    pub(super) fn is_permit2(&self) -> bool {
        self.payload.method() == Method::Permit2
    }

    pub(super) fn units(&self) -> U256 {
        U256::from(self.amount.get())
    }

    /// Whether the payer's key signed. That it did not says nothing yet: the payer may have code.
    pub(super) fn key(&self) -> Key {
        let signature = EoaSignature::parse(self.payload.signature())?;
        Ok((signature, signature.prove(self.digest, self.payer())?))
    }

    /// Recipient, window, amount and what else the payload says itself, in the reference's order.
    pub(super) fn terms(&self, now: u64) -> Result<(), ExactReason> {
        let soon = U256::from(now.saturating_add(MARGIN));
        let now = U256::from(now);
        let checks: &[(bool, ExactReason)] = match &self.payload {
            ExactPayload::Eip3009(payload) => {
                let signed = &payload.authorization;
                &[
                    (signed.to == self.pay_to, ExactReason::RecipientMismatch),
                    (signed.valid_before >= soon, ExactReason::ValidBefore),
                    (signed.valid_after <= now, ExactReason::ValidAfter),
                    (signed.value == self.units(), ExactReason::ValueMismatch),
                ]
            }
            ExactPayload::Permit2(payload) => {
                let signed = &payload.authorization;
                &[
                    (signed.spender == EXACT_PROXY, ExactReason::Permit2Spender),
                    (signed.to == self.pay_to, ExactReason::Permit2Recipient),
                    (signed.deadline >= soon, ExactReason::Permit2Deadline),
                    (signed.valid_after <= now, ExactReason::Permit2NotYetValid),
                    (signed.amount == self.units(), ExactReason::Permit2Amount),
                    (signed.token == self.asset, ExactReason::Permit2Token),
                ]
            }
        };
        checks.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, reason)| Err(*reason))
    }

    pub(super) fn refuse(&self, reason: ExactReason) -> Refused {
        Refused::because(reason, Some(self.payer()))
    }

    pub(super) fn refuse_signature(&self, error: SignatureError) -> Refused {
        let reason = match error {
            SignatureError::FactoryNotAllowed => ExactReason::FactoryNotAllowed,
            _ if self.is_permit2() => ExactReason::Permit2Signature,
            _ => ExactReason::Signature,
        };
        Refused { reason, message: error.to_string(), payer: Some(self.payer()) }
    }

    fn read_approval(
        &self,
        request: &FacilitatorRequest,
        options: &VerifierOptions,
        now: u64,
    ) -> Result<Option<Approval>, Refused> {
        let ExactPayload::Permit2(payload) = &self.payload else { return Ok(None) };
        // Terms come first; an approval that fits wrong terms helps nobody.
        if self.terms(now).is_err() {
            return Ok(None);
        }
        let sponsored = Sponsored { authorization: &payload.authorization, chain_id: self.chain_id, now };
        let approval = Approval::read(request.payment_payload.extensions.as_ref(), sponsored)
            .map_err(|reason| self.refuse(reason))?;
        Ok(approval.filter(|approval| match approval {
            Approval::Permit(_) => options.permit_approvals,
            Approval::Transaction(_) => options.transaction_approvals,
        }))
    }
}
