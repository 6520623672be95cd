//! Connections to one upstream, whatever name a request gives: plain or TLS, HTTP/1.1 or HTTP/2.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tower::Service;

/// Which version of HTTP is spoken to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http2 {
    /// HTTP/1.1.
    Never,
    /// What the upstream chooses in the TLS handshake (ALPN); HTTP/1.1 without TLS.
    Negotiate,
    /// HTTP/2 from the first byte: without TLS the upstream has to know it (RFC 9113 section 3.3).
    Always,
}

/// Which certificates an upstream's own is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Those of the public web.
    Public,
    /// Those of this PEM file, and no others.
    File(PathBuf),
}

/// Why TLS to the upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of roots cannot be read as PEM.
    #[error("{path}: {error}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// It holds no certificate that could be a root.
    #[error("{0} holds no certificate to trust")]
    NoRoots(PathBuf),
    /// The upstream's host is no name that a certificate could be for.
    #[error("`{0}` is no name that a certificate could be for")]
    Name(String),
    /// The cryptography cannot be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

pub(super) type Connector = HttpsConnector<OneTarget>;

pub(super) fn connector(
    (scheme, authority): (&Scheme, &Authority),
    http2: Http2,
    roots: &Roots,
    wait: Duration,
) -> Result<Connector, TlsError> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(wait));
    let target = Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/").build();
    let name = || TlsError::Name(authority.to_string());
    let target = OneTarget { http, target: target.map_err(|_| name())? };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let server_name = ServerName::try_from(host.to_owned()).map_err(|_| name())?;
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls(roots)?)
        .https_or_http()
        .with_server_name_resolver(FixedServerNameResolver::new(server_name));
    Ok(match http2 {
        Http2::Never => builder.enable_http1().wrap_connector(target),
        Http2::Negotiate => builder.enable_http1().enable_http2().wrap_connector(target),
        Http2::Always => builder.enable_http2().wrap_connector(target),
    })
}

fn tls(roots: &Roots) -> Result<ClientConfig, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Public => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Roots::File(path) => {
            store.add_parsable_certificates(certificates(path)?);
            if store.is_empty() {
                return Err(TlsError::NoRoots(path.clone()));
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(store).with_no_client_auth())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |error| TlsError::Pem { path: path.to_owned(), error };
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(wrong)
}

/// Connects to the upstream, whatever host the request's URI names: over HTTP/2 that is the public one.
#[derive(Clone)]
pub(super) struct OneTarget {
    http: HttpConnector,
    target: Uri,
}

impl Service<Uri> for OneTarget {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.http.call(self.target.clone())
    }
}
