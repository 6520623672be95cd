//! Whoever holds a payer's key.

use std::fmt;

use alloy_primitives::{Address, B256};
use async_trait::async_trait;
use secp256k1::ecdsa::RecoveryId;
use secp256k1::{Message, SECP256K1, SecretKey};
use zeroize::Zeroizing;

use crate::signature::{EoaSignature, SignatureError};

/// Signs digests for one address. A key on another machine, in hardware or in this process.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Whose signatures these are.
    fn address(&self) -> Address;

    /// Signs a digest as it is, without any prefix.
    async fn sign_digest(&self, digest: B256) -> Result<EoaSignature, SignError>;
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The holder of the key could not be asked.
    #[error("the signer cannot be asked: {detail}")]
    Unavailable {
        /// For the log.
        detail: String,
    },
    /// The holder of the key does not sign this.
    #[error("the signer refuses: {detail}")]
    Refused {
        /// For the log.
        detail: String,
    },
    /// What came back is no signature of this address.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// A key in this process. Its bytes are wiped when it goes, and nothing prints them.
pub struct LocalSigner {
    key: Zeroizing<[u8; 32]>,
    address: Address,
}

/// The bytes are no key: zero, or not below the order of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a private key")]
pub struct NotAKey;

impl LocalSigner {
    /// Takes a private key.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn new(key: Zeroizing<[u8; 32]>) -> Result<Self, NotAKey> {
        let mut secret = SecretKey::from_byte_array(*key).map_err(|_| NotAKey)?;
        let address = crate::signature::address_of(&secret.public_key(SECP256K1));
        secret.non_secure_erase();
        Ok(Self { key, address })
    }

    fn sign(&self, digest: B256) -> Result<EoaSignature, SignError> {
        let mut secret = SecretKey::from_byte_array(*self.key).expect("checked when it was taken");
        let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), &secret);
        secret.non_secure_erase();
        let (id, numbers) = signature.serialize_compact();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&numbers);
        bytes[64] = match id {
            RecoveryId::Zero => 27,
            RecoveryId::One => 28,
            // `r` overflowed the curve's order: once in 2^127 digests, and no contract takes it.
            RecoveryId::Two | RecoveryId::Three => return Err(SignatureError::Parity.into()),
        };
        Ok(EoaSignature::parse(&bytes)?)
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner").field("address", &self.address).finish_non_exhaustive()
    }
}

#[async_trait]
impl Signer for LocalSigner {
    fn address(&self) -> Address {
        self.address
    }

    async fn sign_digest(&self, digest: B256) -> Result<EoaSignature, SignError> {
        self.sign(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_66_a_key_is_never_printed() {
        let signer = LocalSigner::new(Zeroizing::new([0xab; 32])).unwrap();
        let shown = format!("{signer:?} {signer:#?}");
        assert!(!shown.to_lowercase().contains("abab") && !shown.contains("171"), "{shown}");
        assert!(shown.contains(&format!("{:?}", signer.address)));
    }

    #[test]
    fn what_is_signed_recovers_to_the_address() {
        let signer = LocalSigner::new(Zeroizing::new([7; 32])).unwrap();
        for n in 0..64_u8 {
            let digest = B256::repeat_byte(n);
            assert_eq!(signer.sign(digest).unwrap().recover(digest), Ok(signer.address));
        }
        for bytes in [[0; 32], [0xff; 32]] {
            assert_eq!(LocalSigner::new(Zeroizing::new(bytes)).err(), Some(NotAKey));
        }
    }
}
