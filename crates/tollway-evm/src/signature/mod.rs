//! Who signed: accounts with a key, accounts with code (EIP-1271, EIP-7702) and wallets that are not
//! deployed yet (ERC-6492).
//!
//! Code decides. Where the payer has code, only that code says whether a signature is its own, even
//! if the bytes recover to its address; where it has none, only its key does.

mod contract;
mod ecdsa;

use alloy_primitives::{Address, Bytes};

pub(crate) use contract::CHECK_GAS;
pub use contract::{ContractProof, Counterfactual};
pub(crate) use ecdsa::address_of;
pub use ecdsa::{EoaProof, EoaSignature};

/// Why a signature proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not 64 or 65 bytes, and the payer has no code that could read anything else.
    #[error("the signature is not 65 bytes, and the payer has no code to read it")]
    Length,
    /// `v` is none of 27, 28, 0 and 1.
    #[error("the signature's v is none of 27, 28, 0 and 1")]
    Parity,
    /// `s` is in the upper half: a second spelling of another signature.
    #[error("the signature's s is in the upper half")]
    HighS,
    /// `r` or `s` is zero or not below the order of the curve, or no key fits them.
    #[error("no key makes this signature")]
    NoKey,
    /// It was made by another key.
    #[error("the signature is another's")]
    OtherSigner,
    /// The payer's code does not accept it.
    #[error("the payer's contract does not accept the signature")]
    NotAccepted,
    /// It ends as ERC-6492 signatures do, but is none.
    #[error("the signature is not an ERC-6492 signature, though it ends as one")]
    Wrapping,
    /// The payer is to be deployed by a factory that is not on the list.
    #[error("the payer's wallet is not deployed, and its factory is not allowed here")]
    FactoryNotAllowed,
}

/// By which way a signature has to be proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// By recovery of the key.
    Key(EoaSignature),
    /// By the payer's code, which is given these bytes.
    Code(Bytes),
    /// By the code the payer will have once its factory was called.
    Counterfactual(Counterfactual),
}

impl Route {
    /// Chooses the way for a signature of a payer with this code.
    ///
    /// # Errors
    /// The signature cannot be proved by the way it has to be.
    pub fn choose(signature: &Bytes, code: &Bytes, factories: &[Address]) -> Result<Self, SignatureError> {
        let wrapped = Counterfactual::parse(signature)?;
        match (wrapped, code.is_empty()) {
            // A wallet that has been deployed since it signed.
            (Some(wrapped), false) => Ok(Self::Code(wrapped.signature)),
            (None, false) => Ok(Self::Code(signature.clone())),
            (None, true) => EoaSignature::parse(signature).map(Self::Key),
            (Some(wrapped), true) if factories.contains(&wrapped.factory) => Ok(Self::Counterfactual(wrapped)),
            (Some(_), true) => Err(SignatureError::FactoryNotAllowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTORY: Address = Address::repeat_byte(0xfa);

    #[test]
    fn threat_57_code_at_the_payer_always_decides() {
        let signature = Bytes::from([&[1; 32][..], &[2; 32], &[27]].concat());
        let delegated = Bytes::from([&[0xef, 1, 0][..], &[3; 20]].concat());
        for code in [Bytes::from_static(&[0x60]), delegated] {
            assert_eq!(Route::choose(&signature, &code, &[]), Ok(Route::Code(signature.clone())));
        }
        assert!(matches!(Route::choose(&signature, &Bytes::new(), &[]), Ok(Route::Key(_))));
        let odd = Bytes::from(vec![7; 66]);
        assert_eq!(Route::choose(&odd, &Bytes::new(), &[]), Err(SignatureError::Length));
        assert_eq!(Route::choose(&odd, &Bytes::from_static(&[1]), &[]), Ok(Route::Code(odd)));
    }

    #[test]
    fn threat_18_no_factory_is_called_that_is_not_on_the_list() {
        let inner = Bytes::from_static(&[9; 65]);
        let wrapped = Counterfactual { factory: FACTORY, calldata: Bytes::from_static(&[1]), signature: inner.clone() };
        let signature = wrapped.encode();
        let none = Bytes::new();
        assert_eq!(Route::choose(&signature, &none, &[]), Err(SignatureError::FactoryNotAllowed));
        let other = [Address::ZERO];
        assert_eq!(Route::choose(&signature, &none, &other), Err(SignatureError::FactoryNotAllowed));
        assert_eq!(Route::choose(&signature, &none, &[FACTORY]), Ok(Route::Counterfactual(wrapped)));
        let code = Bytes::from_static(&[1]);
        assert_eq!(Route::choose(&signature, &code, &[]), Ok(Route::Code(inner)));
    }
}
