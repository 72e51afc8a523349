//! HTTPS.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::guard::Guard;
use super::passage;
use super::serve::{Security, serve};
use crate::Sim;

/// A certificate and its key, to serve HTTPS with: TLS 1.2 and 1.3, by rustls on ring. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls(TlsAcceptor);

/// Why a certificate and its key can't be served with. It holds no part of the key.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TlsError(#[from] Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("the certificate can't be read; give a file in PEM form")]
    Certificate(#[source] pem::Error),
    #[error("the file holds no certificate in PEM form")]
    NoCertificate,
    #[error("the private key can't be read; give a file in PEM form")]
    Key(#[source] pem::Error),
    #[error(
        "the certificate and the private key don't belong together; give the key that the certificate was made for"
    )]
    Pair(#[source] rustls::Error),
}

impl TlsError {
    /// Whether it is the key's file that is wrong, rather than the certificate's or the two together.
    pub fn is_key(&self) -> bool {
        matches!(self.0, Kind::Key(_))
    }
}

impl ServerTls {
    /// Reads a chain of certificates, the server's own first, and the key of the first one, both in PEM form. It blocks.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if a file can't be read or the two don't belong together.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_file_iter(certificate).map_err(Kind::Certificate)?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(Kind::Certificate)?;
        if chain.is_empty() {
            return Err(Kind::NoCertificate.into());
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(Kind::Key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(Kind::Pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

impl Sim {
    /// As [`serve`](Self::serve), over TLS.
    ///
    /// Cancellation: as for [`serve`](Self::serve).
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub async fn serve_tls(
        &self,
        listener: TcpListener,
        tls: ServerTls,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let guard = Guard::new(self.settings().admin.clone(), listener.local_addr()?);
        serve(listener, passage(self.clone()).answering(), guard, Security::Tls(tls.0), stop).await
    }
}
