//! TLS to a receiver: rustls with ring's cryptography.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::diagnosis::{Diagnosis, TlsFault};
use super::url::Host;

/// The most bytes of a file of authorities: four times what all of a browser's take.
const AUTHORITIES_MAX: usize = 1024 * 1024;

/// Whose word is taken for a receiver's certificate.
#[derive(Clone, Debug, Default)]
pub(crate) enum Trust {
    /// The authorities that this machine trusts.
    #[default]
    System,
    /// These authorities alone: for receivers behind one's own, and for tests.
    Only(Arc<RootCertStore>),
}

/// A file that gives no authorities.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    #[error("the file can't be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the file has more than {} KiB", AUTHORITIES_MAX / 1024)]
    TooLarge,
    #[error("the file's PEM breaks off or can't be read")]
    NotPem(#[from] pem::Error),
    #[error("the file holds no certificate in PEM form")]
    NoCertificate,
    #[error("certificate {number} of the file can't be read as an authority's")]
    NotAuthority { number: usize, source: rustls::Error },
}

impl Trust {
    /// The authorities in a file alone, in PEM form; what else it holds is passed over. It blocks.
    pub(crate) fn only(file: &Path) -> Result<Self, AuthorityError> {
        let mut pem = Vec::new();
        // What is too long for memory must not be read into it first: it may be a device.
        File::open(file)?.take(AUTHORITIES_MAX as u64 + 1).read_to_end(&mut pem)?;
        if pem.len() > AUTHORITIES_MAX {
            return Err(AuthorityError::TooLarge);
        }
        let mut roots = RootCertStore::empty();
        for (certificate, number) in CertificateDer::pem_slice_iter(&pem).zip(1..) {
            roots.add(certificate?).map_err(|source| AuthorityError::NotAuthority { number, source })?;
        }
        if roots.is_empty() { Err(AuthorityError::NoCertificate) } else { Ok(Self::Only(Arc::new(roots))) }
    }
}

/// TLS as a client, set up at the first receiver that needs it: the machine's authorities are hundreds of files.
#[derive(Debug)]
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
    use std::path::Path;
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, RootCertStore};

    use super::{AUTHORITIES_MAX, TlsFault, Trust, client_config, fault};

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

    /// What a file of authorities is taken for: how many, or why it isn't taken.
    #[test]
    fn authorities_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        let check = |content: &str, expected: Result<usize, &str>| {
            std::fs::write(&file, content).unwrap();
            let trusted = Trust::only(&file).map(|trust| match trust {
                Trust::Only(roots) => roots.len(),
                Trust::System => panic!("nobody asked for the system's"),
            });
            match (trusted, expected) {
                (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected, "{content}"),
                (trusted, expected) => assert_eq!(trusted.ok(), expected.ok(), "{content}"),
            }
        };
        let key = KeyPair::generate().unwrap();
        let one = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        let (none, nonsense) = ("the file holds no certificate in PEM form", "-----BEGIN CERTIFICATE-----\nAAAA\n");
        check(&one, Ok(1));
        check(&format!("the bank's\n{one}{}\n{one}", key.serialize_pem()), Ok(2));
        check("", Err(none));
        check("no PEM", Err(none));
        check(&key.serialize_pem(), Err(none));
        check(nonsense, Err("the file's PEM breaks off or can't be read"));
        let other = format!("{one}{nonsense}-----END CERTIFICATE-----\n");
        check(&other, Err("certificate 2 of the file can't be read as an authority's"));
        check(&" ".repeat(AUTHORITIES_MAX), Err(none));
        check(&" ".repeat(AUTHORITIES_MAX + 1), Err("the file has more than 1024 KiB"));
        let absent = Trust::only(Path::new("/nowhere/at/all.pem")).unwrap_err().to_string();
        assert!(absent.starts_with("the file can't be read: "), "{absent}");
        assert!(Trust::only(folder.path()).is_err(), "a folder is no file");
    }
}
