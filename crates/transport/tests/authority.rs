//! A certificate authority made for one test run, and servers that it vouches for, or doesn't.

use asaanbill_transport::TrustedRoots;
use asaanbill_transport::contract::Wire;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec!["A test's own authority".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Trust in this authority alone.
    pub(crate) fn roots(&self) -> TrustedRoots {
        TrustedRoots::none().with_pem(self.pem().as_bytes()).unwrap()
    }

    /// A server that is what it says.
    pub(crate) fn localhost(&self) -> Wire {
        self.vouch(&CertificateParams::new(vec!["localhost".to_owned()]).unwrap())
    }

    /// A server that answers at `localhost` with somebody else's certificate.
    pub(crate) fn another_host(&self) -> Wire {
        self.vouch(&CertificateParams::new(vec!["hub.example".to_owned()]).unwrap())
    }

    /// A server whose certificate is past its time.
    pub(crate) fn expired(&self) -> Wire {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.vouch(&params)
    }

    fn vouch(&self, params: &CertificateParams) -> Wire {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Wire::tls(&certificate.pem(), &key.serialize_pem()).unwrap()
    }
}
