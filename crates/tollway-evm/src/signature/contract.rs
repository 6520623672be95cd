//! Signatures of accounts with code (EIP-1271), and of wallets that a factory has yet to deploy
//! (ERC-6492).

use alloy_primitives::{Address, B256, Bytes, b256};
use alloy_sol_types::{SolCall, SolValue};

use super::SignatureError;
use crate::abi::{Wallet, Wrapped};
use crate::chain::{Call, CallOutcome};

/// What an ERC-6492 signature ends with.
const MARK: B256 = b256!("6492649264926492649264926492649264926492649264926492649264926492");
/// What a contract answers that accepts a signature.
const MAGIC: [u8; 4] = [0x16, 0x26, 0xba, 0x7e];
/// Gas a wallet may burn to check a signature: passkeys without a precompile take about 350,000.
pub(crate) const CHECK_GAS: u64 = 500_000;

/// That an account's code accepted a signature over a digest, at the block that was asked. Only
/// [`ContractProof::read`] makes one. Code may change its mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContractProof {
    wallet: Address,
    digest: B256,
}

/// A signature of a wallet that is not deployed yet, and how to deploy it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterfactual {
    /// Who deploys it.
    pub factory: Address,
    /// What the factory is called with.
    pub calldata: Bytes,
    /// What the wallet will accept.
    pub signature: Bytes,
}

impl ContractProof {
    /// Whose code.
    #[must_use]
    pub const fn wallet(&self) -> Address {
        self.wallet
    }

    /// What was signed.
    #[must_use]
    pub const fn digest(&self) -> B256 {
        self.digest
    }

    /// The question whether a wallet accepts a signature.
    #[must_use]
    pub fn call(wallet: Address, digest: B256, signature: &Bytes) -> Call {
        let data = Wallet::isValidSignatureCall { hash: digest, signature: signature.clone() }.abi_encode();
        Call { to: wallet, data: data.into(), gas: CHECK_GAS }
    }

    /// Reads the wallet's answer to [`ContractProof::call`].
    ///
    /// # Errors
    /// [`SignatureError::NotAccepted`]: anything but 32 bytes that begin with the magic word and go
    /// on with zeros.
    pub fn read(wallet: Address, digest: B256, answer: &CallOutcome) -> Result<Self, SignatureError> {
        let CallOutcome::Returned(bytes) = answer else { return Err(SignatureError::NotAccepted) };
        let accepted = bytes.len() == 32 && bytes[..4] == MAGIC && bytes[4..].iter().all(|byte| *byte == 0);
        if accepted { Ok(Self { wallet, digest }) } else { Err(SignatureError::NotAccepted) }
    }
}

impl Counterfactual {
    /// Reads a signature that may be wrapped; `None` if it is not.
    ///
    /// # Errors
    /// [`SignatureError::Wrapping`]: it has the mark, and its parts cannot be read.
    pub fn parse(signature: &Bytes) -> Result<Option<Self>, SignatureError> {
        let Some(parts) = signature.strip_suffix(MARK.as_slice()) else { return Ok(None) };
        let parts = Wrapped::abi_decode_params_validate(parts).map_err(|_| SignatureError::Wrapping)?;
        // A wrapper inside a wrapper would be unwrapped by some readers and not by others.
        if parts.signature.ends_with(MARK.as_slice()) {
            return Err(SignatureError::Wrapping);
        }
        Ok(Some(Self { factory: parts.factory, calldata: parts.factoryCalldata, signature: parts.signature }))
    }

    /// The signature as it travels.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let parts = Wrapped {
            factory: self.factory,
            factoryCalldata: self.calldata.clone(),
            signature: self.signature.clone(),
        };
        [parts.abi_encode_params().as_slice(), MARK.as_slice()].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_magic_word_is_a_yes() {
        let (wallet, digest) = (Address::repeat_byte(1), B256::repeat_byte(2));
        let read = |bytes: &[u8]| ContractProof::read(wallet, digest, &CallOutcome::Returned(bytes.to_vec().into()));
        let mut yes = [0; 32];
        yes[..4].copy_from_slice(&MAGIC);
        let proof = read(&yes).unwrap();
        assert_eq!((proof.wallet(), proof.digest()), (wallet, digest));
        let mut dirty = yes;
        dirty[31] = 1;
        let mut right_aligned = [0; 32];
        right_aligned[28..].copy_from_slice(&MAGIC);
        for no in
            [&[][..], &MAGIC, &[0; 32], &[1; 32], &[0xff; 32], &dirty, &right_aligned, &[&yes[..], &[0; 32]].concat()]
        {
            assert_eq!(read(no), Err(SignatureError::NotAccepted));
        }
        let reverted = CallOutcome::Reverted(yes.to_vec().into());
        assert_eq!(ContractProof::read(wallet, digest, &reverted), Err(SignatureError::NotAccepted));
    }

    #[test]
    fn a_wrapper_in_a_wrapper_is_refused() {
        let inner = Counterfactual { factory: Address::ZERO, calldata: Bytes::new(), signature: Bytes::new() };
        assert_eq!(Counterfactual::parse(&inner.encode()), Ok(Some(inner.clone())));
        let outer = Counterfactual { signature: inner.encode(), ..inner };
        assert_eq!(Counterfactual::parse(&outer.encode()), Err(SignatureError::Wrapping));
        assert_eq!(Counterfactual::parse(&MARK.to_vec().into()), Err(SignatureError::Wrapping));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn threat_70_any_wrapper_is_read_or_refused(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in 0..200_usize,
        ) {
            let whole = Counterfactual {
                factory: Address::repeat_byte(7),
                calldata: vec![1; 70].into(),
                signature: vec![2; 65].into(),
            };
            let mut bytes = whole.encode().to_vec();
            let parts = bytes.len() - 32;
            for (place, byte) in &edits {
                bytes[place.index(parts)] = *byte;
            }
            bytes.drain(..cut.min(parts) * usize::from(cut % 2 == 0));
            if let Ok(Some(read)) = Counterfactual::parse(&bytes.into()) {
                prop_assert_eq!(Counterfactual::parse(&read.encode()), Ok(Some(read)));
            }
        }
    }
}
