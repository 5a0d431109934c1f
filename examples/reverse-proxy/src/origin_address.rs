//! Where the origin is.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The address of an origin: `http://` with a host, and a port where it is not 80.
///
/// ```
/// use reverse_proxy::OriginAddress;
///
/// let origin: OriginAddress = "http://127.0.0.1:8000".parse().expect("an address");
/// assert_eq!(origin.to_string(), "http://127.0.0.1:8000");
/// assert!("https://example.com".parse::<OriginAddress>().is_err());
/// assert!("http://example.com/shop".parse::<OriginAddress>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginAddress(Authority);

impl OriginAddress {
    /// Where to send a request for `path`. Only the connection is chosen by it: `Host` stays what the client sent.
    pub(crate) fn uri(&self, path: Option<PathAndQuery>) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.0.clone());
        parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        Uri::from_parts(parts).expect("a scheme, an authority and a path make a URI")
    }
}

impl FromStr for OriginAddress {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, ParseOriginError> {
        let parts = text
            .parse::<Uri>()
            .map_err(|_| ParseOriginError)?
            .into_parts();
        let is_bare = parts.path_and_query.is_none_or(|path| path == "/");
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority)) if scheme == Scheme::HTTP && is_bare => {
                let has_user = authority.as_str().contains('@');
                let is_named = !authority.host().is_empty();
                // A port that is none would be taken for 80.
                let behind = authority.as_str().rsplit(']').next().unwrap_or_default();
                let has_port = authority.port_u16().is_some() || !behind.contains(':');
                (is_named && !has_user && has_port)
                    .then_some(Self(authority))
                    .ok_or(ParseOriginError)
            }
            _ => Err(ParseOriginError),
        }
    }
}

impl fmt::Display for OriginAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// The text is no address of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOriginError;

impl fmt::Display for ParseOriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("give http://, a host and perhaps a port, such as http://127.0.0.1:8000")
    }
}

impl Error for ParseOriginError {}
