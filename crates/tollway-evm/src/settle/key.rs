//! The key of an account that sends transactions and pays their fees.

use std::fmt;

use alloy_primitives::{Address, B256, Signature, U256, keccak256};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

/// A signer of transactions. It never shows its key.
pub struct SettlementKey {
    secret: SecretKey,
    address: Address,
}

/// The bytes are no private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a private key of secp256k1")]
pub struct KeyError;

impl SettlementKey {
    /// The key with this number.
    ///
    /// # Errors
    /// [`KeyError`] for zero and for numbers beyond the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = SecretKey::from_byte_array(*bytes).map_err(|_| KeyError)?;
        let public = PublicKey::from_secret_key(SECP256K1, &secret).serialize_uncompressed();
        let address = Address::from_slice(&keccak256(&public[1..])[12..]);
        Ok(Self { secret, address })
    }

    /// Its account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    pub(super) fn sign(&self, digest: B256) -> Signature {
        let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.secret);
        let (recovery, bytes) = signature.serialize_compact();
        let (r, s) = bytes.split_at(32);
        let odd = i32::from(recovery) & 1 == 1;
        Signature::new(U256::from_be_slice(r), U256::from_be_slice(s), odd)
    }
}

impl Drop for SettlementKey {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl fmt::Debug for SettlementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SettlementKey").field(&self.address).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_known_one_and_the_key_stays_hidden() {
        let mut bytes = [0; 32];
        bytes[31] = 1;
        let key = SettlementKey::from_bytes(&bytes).unwrap();
        assert_eq!(key.address().to_checksum(None), "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
        assert_eq!(format!("{key:?}"), "SettlementKey(0x7e5f4552091a69125d5dfcb7b8c2659029395bdf)");
        let digest = B256::repeat_byte(7);
        assert_eq!(key.sign(digest).recover_address_from_prehash(&digest), Ok(key.address()));
        assert!(SettlementKey::from_bytes(&[0; 32]).is_err());
    }
}
