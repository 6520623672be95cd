//! TLS for the server (rustls): a certificate that can be exchanged while connections are open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// A certificate chain and its key, from two PEM files.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read as PEM.
    #[error("{path}: {error}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// The key is of no supported kind, or not the certificate's.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn read(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let current = RwLock::new(certified(chain, key)?);
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), current })
    }

    /// Reads the files again. New connections get the new certificate; a wrong one is refused and
    /// the old one stays.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn reload(&self) -> Result<(), CertificateError> {
        let fresh = certified(&self.chain, &self.key)?;
        *self.current.write() = fresh;
        Ok(())
    }

    /// What a server needs to accept TLS 1.2 and 1.3, offering HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// When the cryptography cannot be set up.
    pub fn acceptor(self: Arc<Self>) -> Result<TlsAcceptor, CertificateError> {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

fn certified(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |error| CertificateError::Pem { path, error }
    };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(chain).and_then(Iterator::collect).map_err(wrong(chain))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(wrong(key))?;
    let certified = CertifiedKey::from_der(certificates, key, &ring::default_provider())?;
    certified.keys_match()?;
    Ok(Arc::new(certified))
}
