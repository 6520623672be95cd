//! Signatures of accounts with a key, in the only spellings that chains and tokens accept.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, SECP256K1};

use super::SignatureError;

/// An ECDSA signature in its one canonical form: `s` in the lower half, `v` 27 or 28.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EoaSignature {
    r: B256,
    s: B256,
    odd: bool,
}

/// That an account's own key signed a digest. Only [`EoaSignature::prove`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EoaProof {
    signer: Address,
    digest: B256,
}

impl EoaProof {
    /// Whose key.
    #[must_use]
    pub const fn signer(&self) -> Address {
        self.signer
    }

    /// What was signed.
    #[must_use]
    pub const fn digest(&self) -> B256 {
        self.digest
    }
}

impl EoaSignature {
    /// Reads 65 bytes (`r`, `s`, `v` of 27, 28, 0 or 1) or the 64 bytes of EIP-2098.
    ///
    /// # Errors
    /// Any other length or `v`, an `s` in the upper half, or numbers no signature has.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let signature = match bytes.len() {
            65 => {
                let odd = match bytes[64] {
                    0 | 27 => false,
                    1 | 28 => true,
                    _ => return Err(SignatureError::Parity),
                };
                Self { r: B256::from_slice(&bytes[..32]), s: B256::from_slice(&bytes[32..64]), odd }
            }
            64 => {
                let mut s = B256::from_slice(&bytes[32..]);
                let odd = s[0] & 0x80 != 0;
                s[0] &= 0x7f;
                Self { r: B256::from_slice(&bytes[..32]), s, odd }
            }
            _ => return Err(SignatureError::Length),
        };
        signature.recoverable()?;
        if signature.s > HALF_ORDER { Err(SignatureError::HighS) } else { Ok(signature) }
    }

    /// The first number.
    #[must_use]
    pub const fn r(&self) -> B256 {
        self.r
    }

    /// The second number.
    #[must_use]
    pub const fn s(&self) -> B256 {
        self.s
    }

    /// 27 or 28, as contracts want it.
    #[must_use]
    pub const fn v(&self) -> u8 {
        if self.odd { 28 } else { 27 }
    }

    /// The 65 bytes that every contract reads.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        [self.r.as_slice(), self.s.as_slice(), &[self.v()]].concat().into()
    }

    /// Whose key signed `digest`.
    ///
    /// # Errors
    /// [`SignatureError::NoKey`].
    pub fn recover(&self, digest: B256) -> Result<Address, SignatureError> {
        let message = Message::from_digest(digest.0);
        let key = SECP256K1.recover_ecdsa(message, &self.recoverable()?).map_err(|_| SignatureError::NoKey)?;
        Ok(address_of(&key))
    }

    /// Proves that `payer`'s own key signed `digest`.
    ///
    /// # Errors
    /// [`SignatureError::NoKey`] or [`SignatureError::OtherSigner`].
    pub fn prove(&self, digest: B256, payer: Address) -> Result<EoaProof, SignatureError> {
        let signer = self.recover(digest)?;
        if signer == payer { Ok(EoaProof { signer, digest }) } else { Err(SignatureError::OtherSigner) }
    }

    fn recoverable(&self) -> Result<RecoverableSignature, SignatureError> {
        let id = if self.odd { RecoveryId::One } else { RecoveryId::Zero };
        let zero = self.r.is_zero() || self.s.is_zero();
        let mut numbers = [0; 64];
        numbers[..32].copy_from_slice(self.r.as_slice());
        numbers[32..].copy_from_slice(self.s.as_slice());
        let read = RecoverableSignature::from_compact(&numbers, id).map_err(|_| SignatureError::NoKey);
        if zero { Err(SignatureError::NoKey) } else { read }
    }
}

/// The address of a public key: the end of its hash.
pub(crate) fn address_of(key: &secp256k1::PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

/// Half of the curve's order, rounded down.
const HALF_ORDER: B256 = alloy_primitives::b256!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use proptest::prelude::*;
    use secp256k1::SecretKey;

    use super::*;

    const DIGEST: B256 = B256::repeat_byte(0x42);

    fn signed(seed: u8) -> (Address, [u8; 65]) {
        let key = SecretKey::from_byte_array([seed; 32]).unwrap();
        let (id, numbers) = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(DIGEST.0), &key).serialize_compact();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&numbers);
        bytes[64] = if id == RecoveryId::One { 28 } else { 27 };
        (address_of(&key.public_key(SECP256K1)), bytes)
    }

    #[test]
    fn every_spelling_of_v_is_the_same_signature() {
        for seed in 1..20 {
            let (payer, bytes) = signed(seed);
            let proof = EoaSignature::parse(&bytes).unwrap().prove(DIGEST, payer).unwrap();
            assert_eq!((proof.signer(), proof.digest()), (payer, DIGEST));
            let mut low = bytes;
            low[64] -= 27;
            assert_eq!(EoaSignature::parse(&low).unwrap().to_bytes().as_ref(), bytes);
            let mut compact = [0; 64];
            compact.copy_from_slice(&bytes[..64]);
            compact[32] |= (bytes[64] - 27) << 7;
            assert_eq!(EoaSignature::parse(&compact), EoaSignature::parse(&bytes));
        }
    }

    #[test]
    fn threat_64_the_mirrored_signature_is_refused() {
        let order = U256::from_be_slice(&alloy_primitives::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let (_, bytes) = signed(3);
        let s = U256::from_be_slice(&bytes[32..64]);
        let mut mirrored = bytes;
        mirrored[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        mirrored[64] = if bytes[64] == 27 { 28 } else { 27 };
        assert_eq!(EoaSignature::parse(&mirrored), Err(SignatureError::HighS));
        assert_eq!(U256::from_be_bytes(HALF_ORDER.0), order >> 1);
    }

    #[test]
    fn numbers_no_signature_has_are_refused() {
        let (payer, bytes) = signed(5);
        let with = |range: std::ops::Range<usize>, value: u8| {
            let mut bytes = bytes;
            bytes[range].fill(value);
            EoaSignature::parse(&bytes)
        };
        assert_eq!(with(0..32, 0), Err(SignatureError::NoKey));
        assert_eq!(with(32..64, 0), Err(SignatureError::NoKey));
        assert_eq!(with(0..32, 0xff), Err(SignatureError::NoKey));
        for v in [2, 26, 29, 255] {
            assert_eq!(with(64..65, v), Err(SignatureError::Parity));
        }
        for length in [0, 1, 63, 66, 130] {
            assert_eq!(EoaSignature::parse(&vec![1; length]), Err(SignatureError::Length));
        }
        let signature = EoaSignature::parse(&bytes).unwrap();
        assert_eq!(signature.prove(DIGEST, Address::ZERO), Err(SignatureError::OtherSigner));
        assert_eq!(signature.prove(B256::ZERO, payer), Err(SignatureError::OtherSigner));
    }

    #[test]
    fn threat_10_no_flipped_bit_is_believed() {
        let (payer, bytes) = signed(7);
        for bit in 0..65 * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let proof = EoaSignature::parse(&flipped).and_then(|signature| signature.prove(DIGEST, payer));
            assert!(proof.is_err(), "bit {bit}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn threat_10_any_bytes_are_nobodys_signature(bytes in prop::collection::vec(any::<u8>(), 60..70)) {
            if let Ok(signature) = EoaSignature::parse(&bytes) {
                prop_assert!(signature.prove(DIGEST, Address::repeat_byte(1)).is_err());
                prop_assert_eq!(EoaSignature::parse(&signature.to_bytes()), Ok(signature));
            }
        }
    }
}
