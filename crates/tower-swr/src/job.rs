//! A refresh as a worker is told of it: which request to make, and what of it there is no need to make.
//!
//! Whoever can read the queue reads it. So it says no more than the answer depends on: the URI, and the fields that are on
//! the route's list, on which no secret can ever be.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use tower_swr_core::{Digest, FarKey, ServerTime, Version};

use crate::far::{Pen, Reader};
use crate::key::sent_uri;
use crate::question::Question;
use crate::request::{self, FORWARDED_FIELDS};
use crate::route::Route;
use crate::rules::is_secret;
use crate::settings::{AuthorizationRule, CookieRule, Settings};

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Whose layer is to make the call.
    pub(crate) scope: String,
    /// The key that the request has in this process, without its variant. In a worker of another release it may have another.
    pub(crate) primary: Digest,
    /// What is to be renewed; another value will do.
    pub(crate) seen: Option<Version>,
    /// When that can no longer be served, by the far side's clock: nobody needs it renewed any more.
    pub(crate) until: Option<ServerTime>,
    pub(crate) uri: Uri,
    pub(crate) fields: HeaderMap,
}

/// Of what is written. Another release may write another one, which is no job here.
const LAYOUT: u8 = 2;
/// The largest that is written, and read, in bytes.
const MOST: usize = 32 << 10;

impl Job {
    /// The refresh of what was `asked`; nothing where it depends on what no worker may be told.
    pub(crate) fn of<A>(route: &Route, asked: &Question, request: &Request<A>) -> Option<Self> {
        let settings = route.scope.settings();
        let fields = told(settings, asked, request.headers())?;
        let uri = sent_uri(request);
        if uri
            .authority()
            .is_some_and(|whom| whom.as_str().contains('@'))
        {
            // Who is named there may have a password.
            return None;
        }
        let primary = asked.primary();
        Some(Self {
            scope: route.scope.name.to_owned(),
            primary: FarKey::new(primary.borrowed()).primary(),
            seen: route.shared.engine.version_of(&asked.key()),
            until: until(route, asked),
            uri: settings.query.rewritten(uri).unwrap_or_else(|| uri.clone()),
            fields,
        })
    }

    /// Its bytes; nothing where they are too many.
    pub(crate) fn write(&self) -> Option<Bytes> {
        let mut pen = Pen::default();
        pen.u8(LAYOUT);
        pen.text(self.scope.as_bytes());
        pen.text(self.primary.as_bytes());
        let seen = self.seen.as_ref().map(Version::as_bytes);
        pen.optional(seen, |pen, version| pen.text(version));
        let until = self
            .until
            .map(|until| Duration::from_millis(until.millis()));
        pen.optional(until, Pen::span);
        pen.text(Method::GET.as_str().as_bytes());
        pen.text(self.uri.to_string().as_bytes());
        let fields: Vec<_> = self.fields.iter().collect();
        pen.list(&fields, |pen, (name, value)| {
            pen.text(name.as_str().as_bytes());
            pen.text(value.as_bytes());
        });
        let written = pen.finish();
        (written.len() <= MOST).then_some(written)
    }

    /// Takes back what [`Job::write`] wrote; nothing where it wrote no such thing. Whatever the bytes are, it neither panics
    /// nor hands out a secret that somebody else has put there.
    pub(crate) fn read(written: &Bytes) -> Option<Self> {
        if written.len() > MOST {
            return None;
        }
        let mut reader = Reader::new(written.clone());
        reader.u8().filter(|layout| *layout == LAYOUT)?;
        let scope = String::from_utf8(reader.text()?.to_vec()).ok()?;
        let primary = Digest::from_bytes(reader.text()?[..].try_into().ok()?);
        let version =
            |reader: &mut Reader| Some(Version::from_bytes(reader.text()?[..].try_into().ok()?));
        let seen = reader.optional(version)?;
        let since_1970 = reader.optional(Reader::span)?;
        let until = since_1970.map(|span| ServerTime::default().after(span));
        // There are no refreshes by another one.
        reader
            .text()
            .filter(|method| method == Method::GET.as_str())?;
        let uri = Uri::from_maybe_shared(reader.text()?).ok()?;
        let fields: HeaderMap = reader.list(field)?.into_iter().collect();
        reader.is_at_end().then_some(Self {
            scope,
            primary,
            seen,
            until,
            uri,
            fields,
        })
    }

    /// The request to be made.
    pub(crate) fn request<A>(&self, body: A) -> Request<A> {
        let mut request = Request::new(body);
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.fields.clone();
        request
    }
}

fn until(route: &Route, asked: &Question) -> Option<ServerTime> {
    let engine = &route.shared.engine;
    Some(engine.far_now()?.after(engine.served_for(&asked.key())?))
}

fn field(reader: &mut Reader) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(&reader.text()?).ok()?;
    let value = HeaderValue::from_maybe_shared(reader.text()?).ok()?;
    (!is_secret(&name)).then_some((name, value))
}

/// The fields that a worker is told, if those are all that the answer depends on.
fn told(settings: &Settings, asked: &Question, fields: &HeaderMap) -> Option<HeaderMap> {
    if is_personal(settings, fields) {
        return None;
    }
    let varying = asked.variants().into_iter().flat_map(|it| it.names.iter());
    let may_tell = |name: &HeaderName| {
        let is_listed = *name == HOST || settings.refresh_fields.contains(name);
        is_listed && !fields.get_all(name).iter().any(HeaderValue::is_sensitive)
    };
    let needed = settings.vary.iter().chain(varying);
    let is_hidden = |name: &HeaderName| fields.contains_key(name) && !may_tell(name);
    if needed
        .chain(FORWARDED_FIELDS.iter())
        .chain([&HOST])
        .any(is_hidden)
    {
        return None;
    }
    let listed = fields.iter().filter(|(name, _)| may_tell(name));
    Some(
        listed
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// Whether the answer depends on a cookie or a credential of the request.
fn is_personal(settings: &Settings, fields: &HeaderMap) -> bool {
    let by_cookie = match &settings.cookies {
        // The handler never sees any, or there are none.
        CookieRule::Ignore | CookieRule::BypassOn(_) | CookieRule::Bypass => false,
        CookieRule::Key(names) => request::has_cookie(fields, names),
        CookieRule::Forward => fields.contains_key(COOKIE),
    };
    let by_credential = match settings.authorization {
        AuthorizationRule::Ignore | AuthorizationRule::Bypass => false,
        AuthorizationRule::Key | AuthorizationRule::Forward => fields.contains_key(AUTHORIZATION),
    };
    by_cookie || by_credential
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job() -> Job {
        let fields = [
            ("host", "example.com"),
            ("accept", "text/html"),
            ("accept", "*/*"),
        ];
        let fields = fields.map(|(name, value)| {
            let value = HeaderValue::from_static(value);
            (HeaderName::from_static(name), value)
        });
        Job {
            scope: "news".to_owned(),
            primary: Digest::from_bytes([7; 16]),
            seen: Some(Version::from_bytes([8; 8])),
            until: Some(ServerTime::from_millis(9)),
            uri: Uri::from_static("/tenants/1/news?page=2"),
            fields: fields.into_iter().collect(),
        }
    }

    fn written(job: &Job) -> Bytes {
        job.write().expect("it is small")
    }

    #[test]
    fn what_was_written_is_read() {
        let job = job();
        assert_eq!(Job::read(&written(&job)), Some(job.clone()));
        let absolute = Job {
            seen: None,
            until: None,
            uri: Uri::from_static("https://example.com/a"),
            ..job
        };
        assert_eq!(Job::read(&written(&absolute)), Some(absolute));
    }

    #[test]
    fn a_request_is_what_was_told() {
        let request = job().request(());
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.uri(), "/tenants/1/news?page=2");
        let accepted: Vec<_> = request.headers().get_all("accept").iter().collect();
        assert_eq!(accepted, ["text/html", "*/*"]);
    }

    #[test]
    fn what_is_too_large_is_not_written() {
        let mut job = job();
        job.fields.insert(
            "accept",
            HeaderValue::from_str(&"x".repeat(MOST)).expect("a value"),
        );
        assert_eq!(job.write(), None);
    }

    #[test]
    fn another_layout_method_or_length_is_no_job() {
        let written = written(&job());
        for end in 0..written.len() {
            assert_eq!(Job::read(&written.slice(..end)), None, "{end}");
        }
        let mut other = written.to_vec();
        other[0] = LAYOUT + 1;
        assert_eq!(Job::read(&other.into()), None);
        let longer = [&written[..], b"x"].concat();
        assert_eq!(Job::read(&longer.into()), None);
        let place = written
            .windows(3)
            .position(|it| it == b"GET")
            .expect("it is there");
        let mut put = written.to_vec();
        put[place] = b'P';
        assert_eq!(Job::read(&put.into()), None);
    }

    #[test]
    fn no_secret_is_read_whoever_has_written_it() {
        for name in [
            "authorization",
            "cookie",
            "proxy-authorization",
            "set-cookie",
        ] {
            let mut job = job();
            let value = HeaderValue::from_static("secret");
            job.fields.insert(HeaderName::from_static(name), value);
            assert_eq!(Job::read(&written(&job)), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Job::read(&bytes.into());
        }

        #[test]
        fn no_damage_makes_it_panic(place in 0_usize..400, byte: u8) {
            let mut damaged = written(&job()).to_vec();
            let place = place % damaged.len();
            damaged[place] = byte;
            if let Some(job) = Job::read(&damaged.into()) {
                prop_assert_eq!(Job::read(&written(&job)), Some(job));
            }
        }
    }
}
