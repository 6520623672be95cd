//! The settlement tried out at the latest block, by the way the signature has to be proved.

use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;

use super::case::Case;
use super::verified::{self, Proof, TokenSignature, Transfer, Transfer3009, TransferPermit2, Verified, gas};
use super::{Key, NOTHING, NotVerified, Verifier};
use crate::abi::{MULTICALL3, Multicall};
use crate::chain::{Call, CallOutcome, ChainError};
use crate::gas_sponsoring::Approval;
use crate::payload::ExactPayload;
use crate::signature::{ContractProof, Counterfactual, EoaSignature, Route, SignatureError};

/// What a simulation done ahead of time found, if one was done.
pub(super) type Optimistic = Option<Result<CallOutcome, ChainError>>;

impl Verifier {
    /// Tries the payment out for a payer whose key signed, while its code is still being asked for:
    /// most payers have none.
    pub(super) async fn simulate_for_key(&self, case: &Case<'_>, key: &Key) -> Optimistic {
        let (signature, proof) = key.as_ref().ok()?;
        let transfer = by_key(case, signature);
        if sends_first(&transfer) {
            return None;
        }
        let call = Call { gas: transfer.gas(&Proof::Eoa(*proof)), ..transfer.call(case.asset) };
        let outcome = self.ask(vec![call]).await;
        Some(outcome.map(|mut outcomes| outcomes.pop().unwrap_or(CallOutcome::Reverted(NOTHING))))
    }

    /// Proves the signature by its route and tries the payment out.
    pub(super) async fn simulate(
        &self,
        case: &Case<'_>,
        route: Route,
        key: &Key,
        optimistic: Optimistic,
    ) -> Result<Verified, NotVerified> {
        match route {
            Route::Key(signature) => {
                let proof = key.as_ref().map_err(|error| case.refuse_signature(*error))?.1;
                let transfer = by_key(case, &signature);
                match optimistic {
                    Some(outcome) => self.conclude(case, outcome?).await?,
                    None => self.check_standing(case).await?,
                }
                Ok(verified(case, Proof::Eoa(proof), transfer))
            }
            Route::Code(signature) => self.simulate_for_code(case, &signature).await,
            Route::Counterfactual(wallet) => self.simulate_deployed(case, wallet).await,
        }
    }

    async fn simulate_for_code(&self, case: &Case<'_>, signature: &Bytes) -> Result<Verified, NotVerified> {
        let transfer = by_code(case, signature);
        let question = ContractProof::call(case.payer(), case.digest, signature);
        let proved = |answer: &CallOutcome| {
            ContractProof::read(case.payer(), case.digest, answer).map_err(|error| case.refuse_signature(error))
        };
        if sends_first(&transfer) {
            let answers = self.ask(vec![question]).await?;
            let proof = Proof::Contract(proved(answers.first().unwrap_or(&CallOutcome::Returned(NOTHING)))?);
            self.check_standing(case).await?;
            return Ok(verified(case, proof, transfer));
        }
        let base = transfer.call(case.asset);
        let call = Call { gas: gas_with_wallet(&transfer), ..base };
        let mut answers = self.ask(vec![question, call]).await?.into_iter();
        let missing = || CallOutcome::Reverted(NOTHING);
        let proof = Proof::Contract(proved(&answers.next().unwrap_or_else(missing))?);
        self.conclude(case, answers.next().unwrap_or_else(missing)).await?;
        Ok(verified(case, proof, transfer))
    }

    /// Deploys the wallet, asks it, and settles, all inside one call that leaves nothing behind.
    async fn simulate_deployed(&self, case: &Case<'_>, wallet: Counterfactual) -> Result<Verified, NotVerified> {
        let transfer = by_code(case, &wallet.signature);
        let question = ContractProof::call(case.payer(), case.digest, &wallet.signature);
        let steps = [verified::deployment(&wallet), question, transfer.call(case.asset)];
        let step = |call: &Call| Multicall::Call3 { target: call.to, allowFailure: true, callData: call.data.clone() };
        let data = Multicall::aggregate3Call { calls: steps.iter().map(step).collect() }.abi_encode();
        let gas = gas::DEPLOYMENT + gas::WALLET + gas_with_wallet(&transfer);
        let answers = self.ask(vec![Call { to: MULTICALL3, data: data.into(), gas }]).await?;
        let [_, accepted, settled] =
            steps_of(answers.first()).ok_or_else(|| case.refuse_signature(SignatureError::NotAccepted))?;
        ContractProof::read(case.payer(), case.digest, &accepted).map_err(|error| case.refuse_signature(error))?;
        if sends_first(&transfer) {
            self.check_standing(case).await?;
        } else {
            self.conclude(case, settled).await?;
        }
        Ok(verified(case, Proof::Counterfactual(wallet), transfer))
    }
}

/// Whether something has to be sent before the call can be tried out.
fn sends_first(transfer: &Transfer) -> bool {
    matches!(transfer.approval(), Some(Approval::Transaction(_)))
}

fn by_key(case: &Case<'_>, signature: &EoaSignature) -> Transfer {
    transfer(case, TokenSignature::of_key(signature), signature.to_bytes())
}

fn by_code(case: &Case<'_>, signature: &Bytes) -> Transfer {
    transfer(case, TokenSignature::of_code(signature), signature.clone())
}

fn transfer(case: &Case<'_>, for_token: TokenSignature, for_permit2: Bytes) -> Transfer {
    match &case.payload {
        ExactPayload::Eip3009(payload) => Transfer::Eip3009(Box::new(Transfer3009 {
            authorization: payload.authorization.clone(),
            signature: for_token,
        })),
        ExactPayload::Permit2(payload) => Transfer::Permit2(Box::new(TransferPermit2 {
            authorization: payload.authorization.clone(),
            signature: for_permit2,
            approval: case.approval.clone(),
        })),
    }
}

/// The gas bound for a payer with code, before there is a proof to ask it of.
fn gas_with_wallet(transfer: &Transfer) -> u64 {
    transfer.own_gas() + gas::WALLET
}

/// The three outcomes inside Multicall3's answer.
fn steps_of(answer: Option<&CallOutcome>) -> Option<[CallOutcome; 3]> {
    let Some(CallOutcome::Returned(bytes)) = answer else { return None };
    let results = Multicall::aggregate3Call::abi_decode_returns(bytes).ok()?;
    let outcome = |result: Multicall::Result| match result.success {
        true => CallOutcome::Returned(result.returnData),
        false => CallOutcome::Reverted(result.returnData),
    };
    results.into_iter().map(outcome).collect::<Vec<_>>().try_into().ok()
}

fn verified(case: &Case<'_>, proof: Proof, transfer: Transfer) -> Verified {
    let (valid_after, valid_before) = match &case.payload {
        ExactPayload::Eip3009(payload) => {
            let signed = &payload.authorization;
            (verified::instant(signed.valid_after), verified::instant(signed.valid_before))
        }
        // A permit still holds in the second of its deadline.
        ExactPayload::Permit2(payload) => {
            let signed = &payload.authorization;
            (verified::instant(signed.valid_after), verified::instant(signed.deadline).saturating_add(1))
        }
    };
    Verified {
        id: case.payload.payment_id(case.network, case.asset),
        network: case.network.clone(),
        payer: case.payer(),
        asset: case.asset,
        amount: case.amount,
        pay_to: case.pay_to,
        nonce: case.payload.nonce(),
        valid_after,
        valid_before,
        proof,
        transfer,
    }
}
