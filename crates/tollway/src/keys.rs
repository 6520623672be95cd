//! Key files: an Ed25519 private key as JWK, readable by its owner only.

use std::path::Path;

use tollway_http::key_file;
use tollway_signatures::PrivateKey;

/// Reads a key file.
///
/// # Errors
/// When it cannot be read, others may read it, or it holds no Ed25519 private key.
pub(crate) fn read(path: &Path) -> anyhow::Result<PrivateKey> {
    Ok(key_file::read(path)?)
}

/// Makes a new key file. An existing one is never overwritten.
pub(crate) fn create(path: &Path) -> anyhow::Result<PrivateKey> {
    Ok(key_file::create(path)?)
}
