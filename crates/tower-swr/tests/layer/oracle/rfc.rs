//! What RFC 9111 says of one answer in a shared cache, read from its text and from nothing of the layer.

use http::{HeaderMap, Method};

use super::lists::{Directives, combined, delta_seconds, ows};
use super::{dates, dictionary};

/// The layers that are asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// As it comes: 60 s fresh and 120 s stale for a 200 that says nothing of it.
    Plain,
    /// In front of another server.
    Proxy,
    /// 30 s fresh; 20 s stale, and 100 s where the origin fails, for whatever is fresh at all.
    Windows,
}

/// Statuses that may be stored for no reason of their own (RFC 9110 section 15.1).
const HEURISTIC: [u16; 12] = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501];

/// One answer of the origin.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) kind: Kind,
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    /// Seconds since the clock began.
    pub(crate) at: u64,
    pub(crate) method: Method,
    /// The fields of the request that the origin saw.
    pub(crate) asked: HeaderMap,
}

/// How long an answer is fresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// At most this, by the most generous reading.
    pub(crate) most: u64,
    /// There is no other reading.
    pub(crate) exact: bool,
    /// The answer says so itself.
    pub(crate) stated: bool,
}

impl Made {
    /// What the origin says to this cache, and whether in a targeted field (RFC 9213 section 2.2).
    pub(crate) fn said(&self) -> (Directives, bool) {
        let targeted = match self.kind {
            Kind::Proxy => combined(&self.fields, "cdn-cache-control"),
            Kind::Plain | Kind::Windows => None,
        };
        match targeted.and_then(|text| dictionary::parse(&text)) {
            Some(said) => (said, true),
            None => {
                let text = combined(&self.fields, "cache-control").unwrap_or_default();
                (Directives::parse(&text), false)
            }
        }
    }

    /// Section 4.2.3, as far as a layer can know: what the answer says, and the time since.
    pub(crate) fn age(&self, now: u64) -> u64 {
        let said = combined(&self.fields, "age").unwrap_or_default();
        let first = said.split(',').next().map(ows);
        (first.and_then(delta_seconds).unwrap_or(0) + (now - self.at)).min(1 << 31)
    }

    /// When it was made, by its own word or else by our clock, in seconds since 1970.
    pub(crate) fn date(&self) -> i64 {
        let said = combined(&self.fields, "date").and_then(|text| dates::parse(&text));
        said.unwrap_or(dates::START + i64::try_from(self.at).expect("a small number"))
    }

    /// Section 4.2.1.
    pub(crate) fn lifetime(&self) -> Lifetime {
        let (said, targeted) = self.said();
        let stated = |most| Lifetime {
            most,
            exact: said.is_plain_lifetime(),
            stated: true,
        };
        if let Some(seconds) = said.seconds("s-maxage").or(said.seconds("max-age")) {
            return stated(seconds);
        }
        let expires = combined(&self.fields, "expires").filter(|_| !targeted);
        if let Some(text) = expires {
            // No date is in the past (section 5.3).
            let until = dates::parse(&text).unwrap_or(i64::MIN);
            return stated(u64::try_from(until.saturating_sub(self.date())).unwrap_or(0));
        }
        let own = match self.kind {
            Kind::Plain if self.status == 200 => 60,
            Kind::Windows if self.status == 200 => 30,
            Kind::Proxy if self.is_heuristic(&said) => return self.heuristic(),
            _ => 0,
        };
        Lifetime {
            most: own,
            exact: said.is_plain_lifetime(),
            stated: false,
        }
    }

    fn is_heuristic(&self, said: &Directives) -> bool {
        HEURISTIC.contains(&self.status) || said.has("public")
    }

    /// Section 4.2.2: a tenth of the time since it was changed.
    fn heuristic(&self) -> Lifetime {
        let changed = combined(&self.fields, "last-modified").and_then(|text| dates::parse(&text));
        let since = |changed: i64| u64::try_from(self.date() - changed).unwrap_or(0);
        let most = changed.map_or(0, |changed| since(changed).div_ceil(10).min(86_400));
        Lifetime {
            most,
            exact: false,
            stated: false,
        }
    }

    /// How long after that it may be served, where the client does not ask for more (section 4.2.4, RFC 5861).
    pub(crate) fn window(&self, failing: bool) -> u64 {
        let (said, _) = self.said();
        let lifetime = self.lifetime();
        if self.forbids_stale() {
            return 0;
        }
        let own = !said.has("s-maxage") && (!lifetime.stated || lifetime.most > 0);
        let revalidate = match self.kind {
            Kind::Plain if own && !lifetime.stated && self.status == 200 => 120,
            Kind::Windows if own => 20,
            _ => 0,
        };
        let error = if self.kind == Kind::Windows && own {
            100
        } else {
            0
        };
        let revalidate = said.seconds("stale-while-revalidate").unwrap_or(revalidate);
        let error = said.seconds("stale-if-error").unwrap_or(error);
        if failing {
            revalidate.max(error)
        } else {
            revalidate
        }
    }

    /// Section 4.2.4: what the client cannot ask for either. `s-maxage` is `proxy-revalidate`, too (section 5.2.2.10),
    /// but for a window that the same handler gives.
    pub(crate) fn forbids_stale(&self) -> bool {
        let (said, _) = self.said();
        let windows = ["stale-while-revalidate", "stale-if-error"];
        said.has("must-revalidate")
            || said.has("proxy-revalidate")
            || said.has_whole("no-cache")
            || (said.has("s-maxage") && !windows.iter().any(|name| said.has(name)))
    }

    /// Why nobody else may have it, neither in flight nor from the store.
    pub(crate) fn is_one_clients(&self) -> Option<&'static str> {
        let (said, _) = self.said();
        let understood = said.has("must-understand") && self.is_understood();
        let listed = combined(&self.fields, "vary").unwrap_or_default();
        if said.has("no-store") && !understood {
            Some("no-store: RFC 9111 section 5.2.2.5")
        } else if said.has_whole("private") {
            Some("private: RFC 9111 section 5.2.2.7")
        } else if said.has_whole("no-cache") {
            Some("no-cache: RFC 9111 section 5.2.2.4")
        } else if self.fields.contains_key("set-cookie") {
            Some("Set-Cookie is one client's")
        } else if listed.split(',').any(|name| ows(name) == "*") {
            Some("Vary: *: RFC 9111 section 4.1")
        } else if said.has("must-understand") && !self.is_understood() {
            Some("must-understand: RFC 9111 section 5.2.2.3")
        } else if self.asked.contains_key("authorization") && !self.is_for_authorized() {
            Some("Authorization: RFC 9111 section 3.5")
        } else {
            None
        }
    }

    fn is_for_authorized(&self) -> bool {
        let (said, _) = self.said();
        let says = ["public", "must-revalidate", "s-maxage"];
        self.kind == Kind::Proxy && says.iter().any(|name| said.has(name))
    }

    fn is_understood(&self) -> bool {
        self.status != 299
    }

    /// Why it may not be in the store (section 3).
    pub(crate) fn is_not_stored(&self) -> Option<&'static str> {
        let (said, _) = self.said();
        let explicit = ["public", "max-age", "s-maxage"]
            .iter()
            .any(|name| said.has(name))
            || self.fields.contains_key("expires");
        if self.method != Method::GET {
            Some("only GET is stored: RFC 9111 section 3")
        } else if [206, 304].contains(&self.status) {
            Some("206 and 304 are not whole: RFC 9111 section 3.3")
        } else if !explicit && !HEURISTIC.contains(&self.status) {
            Some("nothing says that it may be stored: RFC 9111 section 3")
        } else if said.broken {
            Some("what cannot be read is no-store, as docs/http.md says")
        } else {
            None
        }
    }

    /// Fields that `private="…"` or `no-cache="…"` keep from others.
    pub(crate) fn kept_back(&self) -> Vec<String> {
        let (said, _) = self.said();
        [said.fields_of("private"), said.fields_of("no-cache")].concat()
    }

    /// Section 4.1: whether a request with these fields would have been answered alike.
    pub(crate) fn is_selected_by(&self, request: &HeaderMap) -> bool {
        let listed = combined(&self.fields, "vary").unwrap_or_default();
        let names = listed.split(',').map(|name| ows(name).to_ascii_lowercase());
        let values = |fields: &HeaderMap, name: &str| {
            let text = combined(fields, name)?;
            Some(
                text.split(',')
                    .map(|part| ows(part).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let mut names = names.filter(|name| !name.is_empty());
        names.all(|name| values(&self.asked, &name) == values(request, &name))
    }
}
