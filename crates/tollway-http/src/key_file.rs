//! Key files: an Ed25519 private key as JWK, readable by its owner only.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tollway_signatures::{PrivateKey, Refusal};

/// Longest key file read, in bytes.
const KEY_FILE_MAX: u64 = 4 * 1024;

/// Why there is no key. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read the key {} (make one with `tollway keys new {}`)", path.display(), path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be made: it exists already, or its folder does not.
    #[error("cannot make the key {}", .path.display())]
    NotMade {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Other users of the machine may read it.
    #[error("the key {} is open to others (mode {mode:o}); close it with `chmod 600 {}`", path.display(), path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Its content is not an Ed25519 private key.
    #[error("{} holds no Ed25519 private key: {refusal}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// The system gives no randomness.
    #[error("no randomness to make a key of: {0}")]
    NoRandomness(getrandom::Error),
}

/// Reads a key file.
///
/// # Errors
/// When it cannot be read, others may read it, or it holds no Ed25519 private key.
pub fn read(path: &Path) -> Result<PrivateKey, KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable { path: path.to_owned(), source };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if meta.len() > KEY_FILE_MAX {
        let source = io::Error::new(io::ErrorKind::InvalidData, "it is too long to be a key");
        return Err(unreadable(source));
    }
    refuse_readable_by_others(path, &meta)?;
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    PrivateKey::from_jwk(&text).map_err(|refusal| KeyFileError::NoKey { path: path.to_owned(), refusal })
}

/// Makes a new key file. An existing one is never overwritten.
///
/// # Errors
/// When it exists or cannot be written, or there is no randomness.
pub fn create(path: &Path) -> Result<PrivateKey, KeyFileError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(KeyFileError::NoRandomness)?;
    let key = PrivateKey::from_seed(seed);
    write(path, &key).map_err(|source| KeyFileError::NotMade { path: path.to_owned(), source })?;
    Ok(key)
}

/// Reads a key file, and makes it where there is none: a program's first start.
///
/// # Errors
/// Those of [`read`] and [`create`].
pub fn read_or_create(path: &Path) -> Result<PrivateKey, KeyFileError> {
    match read(path) {
        Err(KeyFileError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => create(path),
        other => other,
    }
}

fn write(path: &Path, key: &PrivateKey) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(key.to_jwk().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(unix)]
fn refuse_readable_by_others(path: &Path, meta: &std::fs::Metadata) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::OpenToOthers { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_: &Path, _: &std::fs::Metadata) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_for_its_owner_only_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.jwk");
        let key = read_or_create(&path).unwrap();
        assert_eq!(read_or_create(&path).unwrap().public().thumbprint(), key.public().thumbprint());
        assert!(matches!(create(&path), Err(KeyFileError::NotMade { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(read_or_create(&path).unwrap_err().to_string().contains("chmod 600"));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.jwk");
        assert!(read(&path).unwrap_err().to_string().contains("tollway keys new"));
        create(&path).unwrap();
        for text in ["{}".to_owned(), "x".repeat(5_000)] {
            std::fs::write(&path, &text).unwrap();
            assert!(read_or_create(&path).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
