//! Accounts with known keys. They are printed, committed and the same everywhere: whoever sends value to one of them on
//! a real network has given it away.

use alloy_primitives::{Address, B256, Signature, U256, keccak256};
use secp256k1::{Message, PublicKey, SecretKey};

/// What the keys are made from: number `i` has the key `keccak256(SEED ‖ " " ‖ i in decimal)`.
pub const SEED: &str = "tollway devnet test account";

/// How many accounts have ether and USDC from genesis on. Number 0 is the faucet, who may mint.
pub const TEST_ACCOUNTS: u32 = 10;

/// An account whose key everybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestAccount {
    /// Its address.
    pub address: Address,
    /// Its private key.
    pub key: B256,
}

impl TestAccount {
    /// Account number `index`; any number has one, the first [`TEST_ACCOUNTS`] have money.
    #[must_use]
    pub fn new(index: u32) -> Self {
        Self::from_key(keccak256(format!("{SEED} {index}")))
    }

    /// The account that may mint test USDC.
    #[must_use]
    pub fn faucet() -> Self {
        Self::new(0)
    }

    /// Signs a digest: `r`, `s` (the low one) and the parity.
    #[must_use]
    pub fn sign(&self, digest: B256) -> Signature {
        let secret = self.secret();
        let signed = secp256k1::global::SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), &secret);
        let (recovery, bytes) = signed.serialize_compact();
        let parity = i32::from(recovery) % 2 == 1;
        Signature::new(U256::from_be_slice(&bytes[..32]), U256::from_be_slice(&bytes[32..]), parity)
    }

    fn from_key(key: B256) -> Self {
        let account = Self { address: Address::ZERO, key };
        let public = PublicKey::from_secret_key_global(&account.secret());
        let hash = keccak256(&public.serialize_uncompressed()[1..]);
        Self { address: Address::from_slice(&hash[12..]), key }
    }

    fn secret(&self) -> SecretKey {
        SecretKey::from_byte_array(self.key.0).expect("a hash is a key but for chances of 2^-128")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_leads_back_to_its_account() {
        let account = TestAccount::new(3);
        let digest = keccak256("digest");
        let signature = account.sign(digest);
        assert_eq!(signature.recover_address_from_prehash(&digest).unwrap(), account.address);
        assert_ne!(account.address, TestAccount::faucet().address);
    }
}
