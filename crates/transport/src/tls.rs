//! Whom to trust, and the TLS settings made from it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use crate::config_error::ConfigError;
use crate::crypto::provider;

/// The certificate authorities that a server's certificate must go back to.
///
/// The system's authorities are read at the first https connection, not here, so that a machine that has none can
/// still talk plain http to itself. If none can be read then, that connection fails with
/// [`ErrorKind::Tls`](crate::ErrorKind) and the request is not sent.
#[derive(Clone)]
pub struct TrustedRoots {
    system: bool,
    added: Vec<CertificateDer<'static>>,
}

impl TrustedRoots {
    /// The authorities that this machine trusts, by its own verifier (macOS, Windows) or its certificate store.
    pub fn system() -> Self {
        Self { system: true, added: Vec::new() }
    }

    /// Nobody: only what is added counts. For a hub behind your own authority, or for a test.
    pub fn none() -> Self {
        Self { system: false, added: Vec::new() }
    }

    /// Adds every certificate of a PEM file.
    ///
    /// # Errors
    ///
    /// If the text holds no certificate, or one that can't be an authority.
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, ConfigError> {
        let before = self.added.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate
                .map_err(|error| ConfigError::new("a root certificate isn't PEM text", Some(error.into())))?;
            self = self.with_certificate(certificate)?;
        }
        if self.added.len() == before {
            return Err(ConfigError::new("the PEM text holds no certificate, and needs one", None));
        }
        Ok(self)
    }

    /// Adds one certificate in DER.
    ///
    /// # Errors
    ///
    /// If it can't be an authority.
    pub fn with_der(self, der: &[u8]) -> Result<Self, ConfigError> {
        self.with_certificate(CertificateDer::from(der.to_vec()))
    }

    fn with_certificate(mut self, certificate: CertificateDer<'static>) -> Result<Self, ConfigError> {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|error| ConfigError::new("a root certificate is no authority's", Some(error.into())))?;
        self.added.push(certificate);
        Ok(self)
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
        if self.system {
            return system_verifier(self.added.clone(), provider.clone());
        }
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.added.iter().cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build();
        Ok(verifier.map_err(|error| rustls::Error::Other(OtherError(Arc::new(error))))?)
    }
}

impl Default for TrustedRoots {
    /// The system's.
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for TrustedRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedRoots").field("system", &self.system).field("added", &self.added.len()).finish()
    }
}

#[cfg(not(target_os = "android"))]
fn system_verifier(
    added: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    Ok(Arc::new(rustls_platform_verifier::Verifier::new_with_extra_roots(added, provider)?))
}

/// Android's verifier takes no further authorities.
#[cfg(target_os = "android")]
fn system_verifier(
    added: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    if !added.is_empty() {
        return Err(rustls::Error::General("Android's verifier takes no added root certificates".to_owned()));
    }
    Ok(Arc::new(rustls_platform_verifier::Verifier::new(provider)?))
}

/// HTTP/1.1 over TLS 1.2 or 1.3, with the cryptography that the features chose. The process's default is never asked:
/// another library may have set it, or nobody.
pub(crate) fn client_config(roots: TrustedRoots) -> Result<ClientConfig, ConfigError> {
    let provider = provider();
    let verifier = LazyVerifier { roots, provider: provider.clone(), loaded: OnceLock::new() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::new("the cryptography knows neither TLS 1.2 nor 1.3", Some(error.into())))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // Early data would put a request on the wire before the handshake is proven, and could be replayed.
    config.enable_early_data = false;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads the authorities when the first certificate has to be judged, and judges as they do.
struct LazyVerifier {
    roots: TrustedRoots,
    provider: Arc<CryptoProvider>,
    loaded: OnceLock<Result<Arc<dyn ServerCertVerifier>, rustls::Error>>,
}

impl LazyVerifier {
    fn loaded(&self) -> Result<&Arc<dyn ServerCertVerifier>, rustls::Error> {
        self.loaded.get_or_init(|| self.roots.verifier(&self.provider)).as_ref().map_err(Clone::clone)
    }
}

impl fmt::Debug for LazyVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyVerifier").field("roots", &self.roots).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.loaded()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.loaded()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.loaded()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_can_be_trusted() {
        let authority = rcgen::generate_simple_self_signed(vec!["hub.example".to_owned()]).unwrap();
        let roots = TrustedRoots::none().with_pem(authority.cert.pem().as_bytes()).unwrap();
        let roots = roots.with_der(authority.cert.der()).unwrap();
        assert_eq!(format!("{roots:?}"), "TrustedRoots { system: false, added: 2 }");

        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(TrustedRoots::none().with_pem(pem.as_bytes()).is_err(), "{pem:?}");
        }
        assert!(TrustedRoots::none().with_der(b"\x30\x00").is_err());
    }

    #[test]
    fn a_machine_without_authorities_fails_at_the_first_certificate_and_not_before() {
        assert!(client_config(TrustedRoots::none()).is_ok());
        let verifier = LazyVerifier { roots: TrustedRoots::none(), provider: provider(), loaded: OnceLock::new() };
        assert!(!verifier.supported_verify_schemes().is_empty());
        assert!(verifier.loaded().is_err());
    }
}
