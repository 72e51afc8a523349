//! The cryptography that the features chose.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

#[cfg(feature = "rustls-aws-lc-rs")]
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(all(feature = "rustls-ring", not(feature = "rustls-aws-lc-rs")))]
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(not(any(feature = "rustls-ring", feature = "rustls-aws-lc-rs")))]
compile_error!("`__rustls` is not for use by hand: turn on `rustls-ring` or `rustls-aws-lc-rs`");
