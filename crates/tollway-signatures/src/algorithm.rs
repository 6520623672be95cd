//! The two ports of a signature algorithm. The algorithm always comes from the key; a message may repeat its name and
//! must then repeat it rightly (RFC 9421, section 7.3.6).

use tollway_protocol::Refusal;

use crate::thumbprint::Thumbprint;

/// Makes signatures with one key.
pub trait Signer: Send + Sync {
    /// The algorithm's registered name, such as `ed25519`.
    fn algorithm(&self) -> &'static str;

    /// The thumbprint of the public key.
    fn thumbprint(&self) -> Thumbprint;

    /// Signs the bytes of a signature base.
    fn sign(&self, base: &[u8]) -> [u8; 64];
}

/// Checks signatures of one key.
pub trait Verifier: Send + Sync {
    /// The algorithm's registered name, such as `ed25519`.
    fn algorithm(&self) -> &'static str;

    /// The thumbprint, computed from the key itself.
    fn thumbprint(&self) -> &Thumbprint;

    /// Checks `signature` over the bytes of a signature base.
    ///
    /// # Errors
    /// `signature_invalid`.
    fn verify(&self, base: &[u8], signature: &[u8]) -> Result<(), Refusal>;
}
