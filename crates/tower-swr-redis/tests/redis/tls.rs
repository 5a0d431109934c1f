//! Encrypted connections, and servers that are not who they should be.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::support::{Server, body, commit, free_port, in_time, key, lead, ready};
use tower_swr_core::{Committed, FarError, FarHealth, FarStore};
use tower_swr_redis::{Redis, RedisBuilder};

/// Who signs, for a server that is called `name`.
struct Authority {
    /// In PEM.
    root: String,
    folder: TempDir,
}

impl Authority {
    fn of(name: &str) -> Self {
        Self::until(name, 2100)
    }

    /// The certificate is good until this year.
    fn until(name: &str, year: i32) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = about.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(about, key);
        let key = KeyPair::generate().expect("a key");
        let mut about = CertificateParams::new([name.to_owned()]).expect("a name");
        about.not_after = rcgen::date_time_ymd(year, 1, 1);
        let signed = about.signed_by(&key, &issuer).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder for the certificate");
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("a file of our own");
        };
        write("key", key.serialize_pem());
        write("certificate", signed.pem());
        write("root", root.clone());
        Self { root, folder }
    }

    /// A server that shows the certificate, and the URL where it speaks encrypted.
    fn server(&self) -> (Server, String) {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let port = free_port();
        let settings = [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", file("certificate")),
            ("--tls-key-file", file("key")),
            ("--tls-ca-cert-file", file("root")),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        let settings: Vec<&str> = settings.iter().flat_map(|(k, v)| [*k, v]).collect();
        let server = Server::start_with(&settings);
        (server, format!("rediss://127.0.0.1:{port}"))
    }
}

async fn is_refused(builder: RedisBuilder, reason: &'static str) {
    // Seconds, for a machine that is busy: what is wrong must be found out, not how late that is.
    let builder = builder.dial_budget(Duration::from_secs(5));
    let redis = builder.connect().expect("sound settings");
    let expected = FarError::Unexpected { step: reason };
    let trouble = in_time("an opinion", redis.ready()).await;
    assert_eq!(trouble, Err(expected.clone()));
    assert_eq!(redis.get(&key("/a")).await, Err(FarError::Unavailable));
    assert!(redis.acquire(&key("/a"), None).await.is_err());
    let reason = expected;
    assert_eq!(redis.health(), FarHealth::Down { reason });
}

#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_used() {
    let authority = Authority::of("127.0.0.1");
    let (_server, url) = authority.server();
    let builder = Redis::builder(&url).root_certificate(authority.root);
    let redis = builder.connect().expect("sound settings");
    ready(&redis).await;
    let key = key("/a");
    let lease = lead(&redis, &key, None).await;
    assert_eq!(commit(lease, &key, "value").await, Ok(Committed::Stored));
    assert_eq!(body(&redis, &key).await.as_deref(), Some("value"));
}

#[tokio::test]
async fn a_certificate_that_somebody_else_signed_is_not_trusted() {
    let (_server, url) = Authority::of("127.0.0.1").server();
    let other = Authority::of("127.0.0.1").root;
    let reason = "TLS: a certificate of an unknown issuer";
    is_refused(Redis::builder(&url).root_certificate(other), reason).await;
    is_refused(Redis::builder(&url), reason).await;
}

#[tokio::test]
async fn a_certificate_of_another_server_is_not_trusted() {
    let authority = Authority::of("elsewhere.example");
    let (_server, url) = authority.server();
    let builder = Redis::builder(&url).root_certificate(authority.root);
    is_refused(builder, "TLS: a certificate of another server").await;
}

#[tokio::test]
async fn a_certificate_that_has_run_out_is_not_trusted() {
    let authority = Authority::until("127.0.0.1", 2020);
    let (_server, url) = authority.server();
    let builder = Redis::builder(&url).root_certificate(authority.root);
    is_refused(builder, "TLS: a certificate that has run out").await;
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_not_spoken_to_in_plain_text() {
    let authority = Authority::of("127.0.0.1");
    let server = Server::start();
    let url = server.url().replace("redis:", "rediss:");
    let builder = Redis::builder(&url).root_certificate(authority.root);
    let redis = builder.connect().expect("sound settings");
    let trouble = in_time("an opinion", redis.ready()).await;
    assert!(trouble.is_err(), "{trouble:?}");
    assert_eq!(redis.get(&key("/a")).await, Err(FarError::Unavailable));
    // What is no command is counted as none: nothing was asked but by this test.
    let about: String = server.ask(&["INFO", "commandstats"]);
    assert!(!about.contains("cmdstat_time"), "{about}");
}

#[test]
fn a_root_that_is_no_certificate_is_refused() {
    for root in [
        "",
        "secret",
        "-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n",
    ] {
        let builder = Redis::builder("rediss://localhost").root_certificate(root);
        let error = builder.connect().expect_err("it is none");
        assert_eq!(error.setting(), "root_certificate");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let root = Authority::of("localhost").root;
    let builder = Redis::builder("redis://localhost").root_certificate(root);
    let error = builder.connect().expect_err("the URL is not encrypted");
    assert_eq!(error.setting(), "root_certificate");
}
