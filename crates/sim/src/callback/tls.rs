//! TLS to a receiver: rustls with ring's cryptography.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::diagnosis::{Diagnosis, TlsFault};
use super::url::Host;

/// Whose word is taken for a receiver's certificate.
#[derive(Clone, Debug, Default)]
pub(crate) enum Trust {
    /// The authorities that this machine trusts.
    #[default]
    System,
    /// These authorities alone: for receivers behind one's own, and for tests.
    Only(Arc<RootCertStore>),
}

/// TLS as a client, set up at the first receiver that needs it: the machine's authorities are hundreds of files.
#[derive(Debug, Default)]
pub(super) struct Tls {
    trust: Trust,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust, config: OnceCell::new() }
    }

    /// Shakes hands. The certificate must be the host's, be it a name or an address.
    ///
    /// Dropping the future closes the connection.
    pub(super) async fn connect(&self, host: &Host, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Diagnosis> {
        let config = self.config().await?;
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Diagnosis::Tls(TlsFault::WrongName))?,
            Host::Address(IpAddr::V4(address)) => ServerName::from(*address),
            Host::Address(IpAddr::V6(address)) => ServerName::from(*address),
        };
        let handshake = TlsConnector::from(config).connect(name, tcp);
        handshake.await.map_err(|error| fault(&error).map_or(Diagnosis::LostInTls, Diagnosis::Tls))
    }

    /// A failure is not kept: authorities can be installed while the hub runs.
    async fn config(&self) -> Result<Arc<ClientConfig>, Diagnosis> {
        let made = self.config.get_or_try_init(|| async {
            let trust = self.trust.clone();
            let made = tokio::task::spawn_blocking(move || client_config(trust)).await;
            match made {
                Ok(Ok(config)) => Ok(Arc::new(config)),
                Ok(Err(error)) => {
                    tracing::error!(%error, "TLS for call-backs can't be set up");
                    Err(Diagnosis::Tls(TlsFault::NoAuthorities))
                }
                Err(_) => Err(Diagnosis::Tls(TlsFault::NoAuthorities)),
            }
        });
        made.await.cloned()
    }
}

/// HTTP/1.1 over TLS 1.2 or 1.3. The process's default cryptography is never asked: another library may have set it.
fn client_config(trust: Trust) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = match trust {
        Trust::System => {
            let verifier: Arc<dyn ServerCertVerifier> = Arc::new(rustls_platform_verifier::Verifier::new(provider)?);
            config.dangerous().with_custom_certificate_verifier(verifier)
        }
        Trust::Only(roots) => config.with_root_certificates(roots),
    };
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// What was wrong with TLS, if it was TLS that failed and not the socket under it.
pub(super) fn fault(error: &(dyn Error + 'static)) -> Option<TlsFault> {
    causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()).map(|error| match error {
        rustls::Error::InvalidCertificate(certificate) => of_certificate(certificate),
        rustls::Error::NoCertificatesPresented => TlsFault::Certificate,
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => TlsFault::NotTls,
        rustls::Error::AlertReceived(_) => TlsFault::Alert,
        rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => TlsFault::Incompatible,
        _ => TlsFault::Other,
    })
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    use CertificateError as E;
    match error {
        E::UnknownIssuer => TlsFault::UnknownAuthority,
        E::NotValidForName | E::NotValidForNameContext { .. } => TlsFault::WrongName,
        E::Expired | E::ExpiredContext { .. } => TlsFault::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => TlsFault::NotYetValid,
        _ => TlsFault::Certificate,
    }
}

/// An error and its causes, outermost first. An `io::Error` keeps what it wraps to itself: its `source` is the cause of the
/// wrapped error.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|wrapped| wrapped as &(dyn Error + 'static)),
        None => error.source(),
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, RootCertStore};

    use super::{TlsFault, Trust, client_config, fault};

    #[test]
    fn faults_have_names() {
        let check = |error: Error, expected: TlsFault| {
            let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
            assert_eq!(fault(&wrapped), Some(expected), "{wrapped}");
        };
        check(CertificateError::UnknownIssuer.into(), TlsFault::UnknownAuthority);
        check(CertificateError::NotValidForName.into(), TlsFault::WrongName);
        check(CertificateError::Expired.into(), TlsFault::Expired);
        check(CertificateError::NotValidYet.into(), TlsFault::NotYetValid);
        check(CertificateError::Revoked.into(), TlsFault::Certificate);
        check(InvalidMessage::InvalidContentType.into(), TlsFault::NotTls);
        check(Error::AlertReceived(AlertDescription::HandshakeFailure), TlsFault::Alert);
        check(Error::NoApplicationProtocol, TlsFault::Incompatible);
        check(Error::DecryptError, TlsFault::Other);
        assert_eq!(fault(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }

    #[test]
    fn http_1_1_is_all_that_is_offered() {
        let config = client_config(Trust::Only(Arc::new(RootCertStore::empty()))).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
        assert!(!config.enable_early_data);
    }
}
