//! Wallet files: a secp256k1 private key encrypted by a password (Web3 Secret Storage, version 3:
//! scrypt, AES-128-CTR, Keccak-256), as other wallets read and write them.

use std::io::Write as _;
use std::path::Path;

use aes::Aes128;
use alloy_primitives::{Address, hex, keccak256};
use anyhow::{Context as _, bail};
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use serde::{Deserialize, Serialize};
use tollway_evm::client::{LocalSigner, Signer as _};
use zeroize::Zeroizing;

type Cipher = ctr::Ctr128BE<Aes128>;

/// Longest keystore read, in bytes.
const FILE_MAX: u64 = 16 * 1024;
/// Cost of deriving the key: 2^17 blocks of 1 KiB, as other wallets use.
const LOG_N: u8 = 17;
const R: u32 = 8;
const P: u32 = 1;
/// Most memory a keystore may ask for, as the power of two of its `n`.
const LOG_N_MAX: u8 = 20;

#[derive(Serialize, Deserialize)]
struct Keystore {
    address: String,
    crypto: Crypto,
    id: String,
    version: u8,
}

#[derive(Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: KdfParams,
    mac: String,
}

#[derive(Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Serialize, Deserialize)]
struct KdfParams {
    dklen: u32,
    n: u32,
    p: u32,
    r: u32,
    salt: String,
}

/// A new private key.
pub(crate) fn fresh_key() -> anyhow::Result<Zeroizing<[u8; 32]>> {
    loop {
        let key = random::<32>()?;
        // All but one in 2^128 numbers of this length are keys.
        if LocalSigner::new(key.clone()).is_ok() {
            return Ok(key);
        }
    }
}

/// Encrypts a key into a new file, readable by its owner only. An existing one is never overwritten.
pub(crate) fn create(path: &Path, key: &Zeroizing<[u8; 32]>, password: &str) -> anyhow::Result<Address> {
    create_with(path, key, password, LOG_N)
}

fn create_with(path: &Path, key: &Zeroizing<[u8; 32]>, password: &str, log_n: u8) -> anyhow::Result<Address> {
    let address = LocalSigner::new(key.clone())?.address();
    let (salt, iv) = (random::<32>()?, random::<16>()?);
    let derived = derive(password, salt.as_ref(), log_n, R, P)?;
    let mut text = Zeroizing::new(**key);
    apply(&derived, &iv, text.as_mut());
    let id = random::<16>()?;
    let store = Keystore {
        address: hex::encode(address),
        crypto: Crypto {
            cipher: "aes-128-ctr".to_owned(),
            cipherparams: CipherParams { iv: hex::encode(*iv) },
            ciphertext: hex::encode(*text),
            kdf: "scrypt".to_owned(),
            kdfparams: KdfParams { dklen: 32, n: 1 << log_n, p: P, r: R, salt: hex::encode(*salt) },
            mac: hex::encode(mac(&derived, text.as_ref())),
        },
        id: uuid(*id),
        version: 3,
    };
    write(path, &serde_json::to_vec(&store)?)?;
    Ok(address)
}

/// Decrypts a keystore.
///
/// # Errors
/// When it cannot be read, is of another kind, or the password is not its own.
pub(crate) fn open(path: &Path, password: &str) -> anyhow::Result<LocalSigner> {
    let store = read(path)?;
    let crypto = &store.crypto;
    if store.version != 3 || crypto.cipher != "aes-128-ctr" || crypto.kdf != "scrypt" {
        bail!("{} is not a keystore of version 3 with scrypt and aes-128-ctr", path.display());
    }
    let field = |name: &str, text: &str| {
        hex::decode(text).with_context(|| format!("{}: `{name}` is not hexadecimal", path.display()))
    };
    let (salt, iv) = (field("salt", &crypto.kdfparams.salt)?, field("iv", &crypto.cipherparams.iv)?);
    let text = Zeroizing::new(field("ciphertext", &crypto.ciphertext)?);
    let params = &crypto.kdfparams;
    if !params.n.is_power_of_two() || params.n.ilog2() > u32::from(LOG_N_MAX) || params.dklen != 32 {
        bail!("{} asks for more memory than is given, or for another key length", path.display());
    }
    let log_n = u8::try_from(params.n.ilog2())?;
    let derived = derive(password, &salt, log_n, params.r, params.p)?;
    if mac(&derived, &text)[..] != field("mac", &crypto.mac)? {
        bail!("the password is not the one of {}", path.display());
    }
    let iv: [u8; 16] = iv.try_into().map_err(|_| anyhow::anyhow!("{}: `iv` has no 16 bytes", path.display()))?;
    let mut key = Zeroizing::new([0; 32]);
    if text.len() != key.len() {
        bail!("{} holds no key of 32 bytes", path.display());
    }
    key.copy_from_slice(&text);
    apply(&derived, &iv, key.as_mut());
    LocalSigner::new(key).with_context(|| format!("{} holds no private key", path.display()))
}

/// The address of a keystore, as it says itself: nothing is decrypted.
pub(crate) fn address(path: &Path) -> anyhow::Result<Address> {
    let store = read(path)?;
    store.address.parse().with_context(|| format!("{} names no address", path.display()))
}

/// The password: from a file, else from the environment, else from whoever is at the terminal.
pub(crate) fn password(file: Option<&Path>, twice: bool) -> anyhow::Result<Zeroizing<String>> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        return Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()));
    }
    if let Ok(password) = std::env::var("TOLLWAY_WALLET_PASSWORD") {
        return Ok(Zeroizing::new(password));
    }
    let asked = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
    let no_terminal = "no password: give --password-file or TOLLWAY_WALLET_PASSWORD";
    let password = asked("Password of the wallet: ").context(no_terminal)?;
    if twice && asked("Once more: ").context(no_terminal)? != password {
        bail!("the two passwords are not the same");
    }
    Ok(password)
}

fn read(path: &Path) -> anyhow::Result<Keystore> {
    let meta = std::fs::metadata(path).with_context(|| {
        format!("cannot read the wallet {0} (make one with `tollway wallet new {0}`)", path.display())
    })?;
    if meta.len() > FILE_MAX {
        bail!("{} is too long to be a keystore", path.display());
    }
    let text = std::fs::read(path).with_context(|| format!("cannot read the wallet {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a keystore", path.display()))
}

fn write(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("cannot make the wallet {}", path.display()))?;
    file.write_all(text).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all())?;
    Ok(())
}

fn derive(password: &str, salt: &[u8], log_n: u8, r: u32, p: u32) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    if r == 0 || p == 0 || r > 64 || p > 16 {
        bail!("the keystore's parameters are out of range");
    }
    let params = scrypt::Params::new(log_n, r, p).context("the keystore's parameters")?;
    let mut derived = Zeroizing::new([0; 32]);
    scrypt::scrypt(password.as_bytes(), salt, &params, derived.as_mut()).context("the keystore's parameters")?;
    Ok(derived)
}

fn apply(derived: &[u8; 32], iv: &[u8; 16], text: &mut [u8]) {
    let mut key = [0; 16];
    key.copy_from_slice(&derived[..16]);
    Cipher::new(&key.into(), &(*iv).into()).apply_keystream(text);
}

fn mac(derived: &[u8; 32], text: &[u8]) -> [u8; 32] {
    keccak256([&derived[16..], text].concat()).0
}

fn random<const N: usize>() -> anyhow::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(bytes)
}

/// RFC 9562 version 4.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scrypt vector of the Web3 Secret Storage definition.
    const PUBLISHED: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},"ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt","kdfparams":{"dklen":32,"n":262144,"p":8,"r":1,"salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},"mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},"address":"","id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

    #[test]
    fn the_published_keystore_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.json");
        std::fs::write(&path, PUBLISHED).unwrap();
        let key = hex::decode("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d").unwrap();
        let expected = LocalSigner::new(Zeroizing::new(key.try_into().unwrap())).unwrap().address();
        assert_eq!(open(&path, "testpassword").unwrap().address(), expected);
        assert!(open(&path, "testpasswort").unwrap_err().to_string().contains("password"));
    }

    #[test]
    fn threat_66_a_key_goes_in_and_comes_out_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.json");
        let key = fresh_key().unwrap();
        let made = create_with(&path, &key, "open sesame", 10).unwrap();
        assert_eq!(open(&path, "open sesame").unwrap().address(), made);
        assert_eq!(address(&path).unwrap(), made);
        assert!(create_with(&path, &key, "other", 10).is_err(), "never overwritten");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&hex::encode(*key)));
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777,
            0o600
        );
    }

    #[test]
    fn what_is_no_keystore_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.json");
        for (from, to) in [
            ("\"version\":3", "\"version\":1"),
            ("aes-128-ctr", "none"),
            ("\"n\":262144", "\"n\":4294967295"),
            ("\"n\":262144", "\"n\":2147483648"),
            ("\"r\":1", "\"r\":0"),
            ("\"dklen\":32", "\"dklen\":64"),
            ("83dbcc02", "zz"),
        ] {
            std::fs::write(&path, PUBLISHED.replace(from, to)).unwrap();
            assert!(open(&path, "testpassword").is_err(), "{to}");
        }
        std::fs::write(&path, "x".repeat(20_000)).unwrap();
        assert!(open(&path, "testpassword").unwrap_err().to_string().contains("too long"));
    }
}
