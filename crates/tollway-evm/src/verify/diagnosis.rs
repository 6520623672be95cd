//! Why a settlement that was tried out failed, by asking the chain once more, in the reference's order.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};

use super::case::Case;
use super::verified::allowance;
use super::{NotVerified, Refused, Verifier, revert};
use crate::abi::{EXACT_PROXY, ExactProxy, Token};
use crate::chain::{Call, CallOutcome, ChainError};
use crate::gas_sponsoring::{Approval, SignedApproval};
use crate::payload::ExactPayload;
use crate::reason::ExactReason;

/// Gas of reading one value of a token, behind whatever proxies it has.
pub(super) const READ_GAS: u64 = 100_000;
/// Bytes of a token's name or version that are read.
const MOST_TEXT: usize = 1024;

impl Verifier {
    /// Passes a settlement that would succeed, and finds out why one would not.
    pub(super) async fn conclude(&self, case: &Case<'_>, outcome: CallOutcome) -> Result<(), NotVerified> {
        let message = match &outcome {
            // Some tokens say no by returning false.
            CallOutcome::Returned(bytes) if bytes.len() == 32 && bytes.iter().all(|byte| *byte == 0) => {
                "the token returned false".to_owned()
            }
            CallOutcome::Returned(_) => return Ok(()),
            CallOutcome::Reverted(data) => revert::words(data),
        };
        let reason = match &case.payload {
            ExactPayload::Eip3009(_) => self.diagnose_token(case).await?,
            ExactPayload::Permit2(_) => self.diagnose_permit2(case).await?,
        };
        Err(match reason {
            Some(reason) => case.refuse(reason).into(),
            None if case.is_permit2() => unknown(case, ExactReason::Permit2Simulation, message).into(),
            None => unknown(case, ExactReason::SimulationFailed, message).into(),
        })
    }

    /// What has to hold for a payment whose approval is a transaction: it cannot be tried out before
    /// that was sent.
    pub(super) async fn check_standing(&self, case: &Case<'_>) -> Result<(), NotVerified> {
        if let Some(reason) = self.diagnose_permit2(case).await? {
            return Err(case.refuse(reason).into());
        }
        match &case.approval {
            Some(Approval::Transaction(approval)) => self.check_approval(case, approval).await,
            Some(Approval::Permit(_)) | None => Ok(()),
        }
    }

    /// Whether a payer's transaction can come into a block: it is the account's next one, offers what
    /// gas costs, and can be paid for. One that is not needed may be anything.
    async fn check_approval(&self, case: &Case<'_>, approval: &SignedApproval) -> Result<(), NotVerified> {
        let allowed = self.ask(vec![allowance(case.asset, case.payer())]).await?;
        if allowed.first().and_then(number).unwrap_or_default() >= case.units() {
            return Ok(());
        }
        let standing = self.chain.standing(case.payer()).await?;
        let Some(standing) = standing else { return Ok(()) };
        let fee = approval.cost.checked_div(U256::from(approval.gas)).unwrap_or_default();
        let funds = standing.coins.saturating_add(U256::from(self.options.approval_gas));
        let words = match () {
            () if approval.account_nonce != standing.nonce => "the approval is not its account's next transaction",
            () if fee < U256::from(standing.base_fee) => "the approval offers less for gas than the chain takes",
            () if funds < approval.cost => "the payer cannot pay for the gas of its approval",
            () => return Ok(()),
        };
        Err(unknown(case, ExactReason::ApprovalBroadcast, words.to_owned()).into())
    }

    async fn diagnose_token(&self, case: &Case<'_>) -> Result<Option<ExactReason>, ChainError> {
        let read = |data: Vec<u8>| Call { to: case.asset, data: data.into(), gas: READ_GAS };
        let (authorizer, nonce) = (case.payer(), case.payload.nonce());
        let answers = self
            .ask(vec![
                read(Token::authorizationStateCall { authorizer, nonce }.abi_encode()),
                read(Token::nameCall {}.abi_encode()),
                read(Token::versionCall {}.abi_encode()),
                read(Token::balanceOfCall { account: authorizer }.abi_encode()),
            ])
            .await?;
        let [state, name, version, balance] = four(&answers)?;
        let differs = |answer, said: &str| text(answer).is_some_and(|text| text != said);
        let (said_name, said_version) = case.domain.as_ref().map_or(("", ""), |domain| (domain.name, domain.version));
        Ok(match number(state) {
            None => Some(ExactReason::Eip3009NotSupported),
            Some(used) if !used.is_zero() => Some(ExactReason::NonceUsed),
            _ if differs(name, said_name) => Some(ExactReason::TokenName),
            _ if differs(version, said_version) => Some(ExactReason::TokenVersion),
            _ if number(balance).is_some_and(|balance| balance < case.units()) => {
                Some(ExactReason::InsufficientBalance)
            }
            _ => None,
        })
    }

    async fn diagnose_permit2(&self, case: &Case<'_>) -> Result<Option<ExactReason>, ChainError> {
        let owner = case.payer();
        let answers = self
            .ask(vec![
                Call { to: EXACT_PROXY, data: ExactProxy::PERMIT2Call {}.abi_encode().into(), gas: READ_GAS },
                Call {
                    to: case.asset,
                    data: Token::balanceOfCall { account: owner }.abi_encode().into(),
                    gas: READ_GAS,
                },
                allowance(case.asset, owner),
                Call { to: crate::PERMIT2, data: Bytes::from_static(&DOMAIN_SEPARATOR), gas: READ_GAS },
            ])
            .await?;
        let [proxy, balance, allowed, permit2] = four(&answers)?;
        let below = |answer| number(answer).unwrap_or_default() < case.units();
        Ok(match number(proxy).and(number(permit2)) {
            None => Some(ExactReason::Permit2ProxyNotDeployed),
            Some(_) if below(balance) => Some(ExactReason::Permit2Balance),
            Some(_) if case.approval.is_none() && below(allowed) => Some(ExactReason::Permit2Allowance),
            Some(_) => None,
        })
    }
}

/// `DOMAIN_SEPARATOR()`: what Permit2 answers wherever it is deployed.
const DOMAIN_SEPARATOR: [u8; 4] = [0x36, 0x44, 0xe5, 0x15];

fn unknown(case: &Case<'_>, reason: ExactReason, message: String) -> Refused {
    Refused { message, ..case.refuse(reason) }
}

fn four(answers: &[CallOutcome]) -> Result<[&CallOutcome; 4], ChainError> {
    let [first, second, third, fourth] = answers else {
        return Err(ChainError::Malformed { detail: "an answer is missing".to_owned() });
    };
    Ok([first, second, third, fourth])
}

fn number(answer: &CallOutcome) -> Option<U256> {
    match answer {
        CallOutcome::Returned(bytes) if bytes.len() == 32 => Some(U256::from_be_slice(bytes)),
        _ => None,
    }
}

/// A token's own name, or `None` if it has none that can be read.
fn text(answer: &CallOutcome) -> Option<String> {
    match answer {
        CallOutcome::Returned(bytes) if bytes.len() <= MOST_TEXT => String::abi_decode(bytes).ok(),
        _ => None,
    }
}
