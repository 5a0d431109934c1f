//! Encryption: whom to trust, and what is wrong with those who are not to be trusted.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{Client, ConnectionInfo, RedisError, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{CertificateError, Error as TlsError};

use crate::error::ConnectError;

const RULE: &str = "must be certificates in PEM";

/// Has `nodes` trusted if what signed their certificates is in `root`, and nothing else; by what the system trusts where
/// there is none.
pub(crate) fn trust(nodes: &mut [ConnectionInfo], root: Option<&[u8]>) -> Result<(), ConnectError> {
    // What encrypts is a matter of the process. An application that has chosen keeps its choice.
    if CryptoProvider::get_default().is_none() {
        // Fails where another thread was faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
    let Some(root) = root else {
        return Ok(());
    };
    let wrong = || ConnectError::new("root_certificate", RULE);
    if !root
        .windows(27)
        .any(|line| line == b"-----BEGIN CERTIFICATE-----")
    {
        return Err(wrong());
    }
    for node in nodes {
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(root.to_vec()),
        };
        let client = Client::build_with_tls(node.clone(), certificates).map_err(|_| wrong())?;
        *node = client.get_connection_info().clone();
    }
    Ok(())
}

/// What of encryption is wrong, if that is what `error` is about.
pub(crate) fn distrust(error: &RedisError) -> Option<&'static str> {
    type Shared = Arc<dyn Error + Send + Sync>;
    let cause = error.source()?;
    let cause = match cause.downcast_ref::<Shared>() {
        Some(shared) => shared.downcast_ref::<io::Error>()?,
        None => cause.downcast_ref::<io::Error>()?,
    };
    let error = cause.get_ref()?.downcast_ref::<TlsError>()?;
    Some(match error {
        TlsError::InvalidCertificate(reason) => match reason {
            // Another issuer of the same name is as unknown.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "TLS: a certificate of an unknown issuer"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "TLS: a certificate that has run out"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "TLS: a certificate of another server"
            }
            _ => "TLS: a certificate that is not valid",
        },
        TlsError::AlertReceived(_) => "TLS: refused by the server",
        _ => "TLS",
    })
}
