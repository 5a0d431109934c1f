//! Fields of an answer that are of one connection.

use http::HeaderMap;
use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};

/// Fields that end at this hop (RFC 9110 section 7.6.1) or at this proxy (RFC 9111 section 3.1), beside those that
/// `Connection` names.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes out what ends at this hop.
pub(crate) fn remove(fields: &mut HeaderMap) {
    for name in connection_fields(fields) {
        fields.remove(name);
    }
    for name in HOP_BY_HOP {
        fields.remove(name);
    }
}

fn connection_fields(fields: &HeaderMap) -> Vec<HeaderName> {
    let lists = fields.get_all(CONNECTION).into_iter();
    let members = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    members
        .filter_map(|member| HeaderName::from_bytes(member.trim_ascii()).ok())
        .collect()
}
