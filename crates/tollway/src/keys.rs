//! Key files: an Ed25519 private key as JWK, readable by its owner only.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use tollway_signatures::PrivateKey;

/// Longest key file read, in bytes.
const KEY_FILE_MAX: u64 = 4 * 1024;

/// Reads a key file.
///
/// # Errors
/// When it cannot be read, others may read it, or it holds no Ed25519 private key.
pub(crate) fn read(path: &Path) -> anyhow::Result<PrivateKey> {
    let meta = std::fs::metadata(path).with_context(|| {
        format!("cannot read the key {} (make one with `tollway keys new {}`)", path.display(), path.display())
    })?;
    if meta.len() > KEY_FILE_MAX {
        bail!("{} is too long to be a key", path.display());
    }
    refuse_readable_by_others(path, &meta)?;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the key {}", path.display()))?;
    PrivateKey::from_jwk(&text)
        .map_err(|refusal| anyhow::anyhow!("{} holds no Ed25519 private key: {}", path.display(), refusal))
}

/// Makes a new key file. An existing one is never overwritten.
pub(crate) fn create(path: &Path) -> anyhow::Result<PrivateKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let key = PrivateKey::from_seed(seed);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("cannot make the key {}", path.display()))?;
    file.write_all(key.to_jwk().as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all())?;
    Ok(key)
}

#[cfg(unix)]
fn refuse_readable_by_others(path: &Path, meta: &std::fs::Metadata) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "the key {} is open to others (mode {mode:o}); close it with `chmod 600 {}`",
            path.display(),
            path.display()
        );
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_: &Path, _: &std::fs::Metadata) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_for_its_owner_only_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.jwk");
        let key = create(&path).unwrap();
        assert_eq!(read(&path).unwrap().public().thumbprint(), key.public().thumbprint());
        assert!(create(&path).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("tollway keys new"));
        let path = folder.path().join("key.jwk");
        create(&path).unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert!(read(&path).is_err());
    }
}
