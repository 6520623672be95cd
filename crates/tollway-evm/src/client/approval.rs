//! The approval of Permit2 that a payment brings along where the wallet has given none.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use serde_json::{Map, Value};

use super::{ClientError, ExactWallet, Order, SignError, Terms};
use crate::abi::{PERMIT2, Token};
use crate::chain::{Call, CallOutcome, ChainReader};
use crate::gas_sponsoring::{self, AccountState, EIP2612, ERC20_APPROVAL, SignedApproval, SignedPermit};
use crate::typed_data::Permit;

/// Gas of reading one number of a token.
const READ_GAS: u64 = 100_000;

impl ExactWallet<'_> {
    /// The demand's extensions, with an approval in one of them where Permit2 may not yet move the
    /// amount.
    pub(super) async fn approve(
        &self,
        order: &Order<'_>,
        terms: &Terms<'_>,
    ) -> Result<Option<Map<String, Value>>, ClientError> {
        let extensions = order.extensions.cloned();
        let Some((_, chain)) = self.chain else { return Ok(extensions) };
        let owner = self.signer.address();
        let standing = read_standing(chain, terms.asset, owner).await?;
        if standing.allowance >= terms.amount {
            return Ok(extensions);
        }
        let permits = declared(order, EIP2612).zip(standing.permits).filter(|_| terms.domain.is_some());
        let extension = match (permits, declared(order, ERC20_APPROVAL)) {
            (Some((declared, nonce)), _) => (EIP2612, self.permit_approval(terms, nonce, declared).await?),
            (None, Some(declared)) => {
                let account = match self.account {
                    None => chain.account(owner).await?.ok_or(ClientError::AllowanceRequired)?,
                    Some(account) => account,
                };
                (ERC20_APPROVAL, self.transaction_approval(terms, account, declared).await?)
            }
            (None, None) => return Err(ClientError::AllowanceRequired),
        };
        let mut extensions = extensions.unwrap_or_default();
        extensions.insert(extension.0.to_owned(), extension.1);
        Ok(Some(extensions))
    }

    async fn permit_approval(
        &self,
        terms: &Terms<'_>,
        nonce: U256,
        declared: &Map<String, Value>,
    ) -> Result<Value, ClientError> {
        let permit = Permit {
            owner: self.signer.address(),
            spender: PERMIT2,
            value: terms.amount,
            nonce,
            deadline: U256::from(terms.valid_before),
        };
        let domain = terms.domain.as_ref().ok_or(super::OfferFault::Domain)?;
        let digest = domain.permit(&permit);
        let signature = self.signer.sign_digest(digest).await?;
        signature.prove(digest, permit.owner).map_err(SignError::from)?;
        Ok(SignedPermit { permit, signature }.echo(terms.asset, declared))
    }

    async fn transaction_approval(
        &self,
        terms: &Terms<'_>,
        account: AccountState,
        declared: &Map<String, Value>,
    ) -> Result<Value, ClientError> {
        let (transaction, digest) = SignedApproval::unsigned(terms.asset, terms.chain_id, account);
        let owner = self.signer.address();
        let signature = self.signer.sign_digest(digest).await?;
        signature.prove(digest, owner).map_err(SignError::from)?;
        let signed = SignedApproval::sign(transaction, &signature);
        Ok(SignedApproval::echo(&signed, owner, terms.asset, declared))
    }
}

/// What a token says of an owner.
struct Standing {
    /// How much Permit2 may move.
    allowance: U256,
    /// The owner's next permit nonce; `None` if the token takes no permits.
    permits: Option<U256>,
}

async fn read_standing(chain: &dyn ChainReader, asset: Address, owner: Address) -> Result<Standing, ClientError> {
    let ask = |data: Vec<u8>| Call { to: asset, data: data.into(), gas: READ_GAS };
    let calls = vec![
        ask(Token::allowanceCall { owner, spender: PERMIT2 }.abi_encode()),
        ask(Token::noncesCall { owner }.abi_encode()),
    ];
    let outcomes = chain.calls(calls).await?;
    let number = |at: usize| match outcomes.get(at) {
        Some(CallOutcome::Returned(bytes)) if bytes.len() == 32 => Some(U256::from_be_slice(bytes)),
        _ => None,
    };
    Ok(Standing { allowance: number(0).unwrap_or_default(), permits: number(1) })
}

fn declared<'a>(order: &Order<'a>, name: &str) -> Option<&'a Map<String, Value>> {
    gas_sponsoring::declared(order.extensions, name)
}
