//! The list of request fields that workers may be told.

use http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderName};

use crate::layer::CacheLayer;
use crate::request::FORWARDED_FIELDS;
use crate::rules::{self, Refusal};

impl CacheLayer {
    /// Adds to the list of request fields that workers may be told, where refreshes are
    /// [left to workers](crate::HttpCacheBuilder::remote_refreshes). Whoever can read the queue reads what is in them: name no
    /// field that carries a secret.
    ///
    /// On it are `Accept`, `Accept-Encoding`, `Accept-Language`, `Host` and those of a proxy in front that are part of the key
    /// (`X-Forwarded-Host`, `-Proto`, `-Prefix` and their like). An answer that depends on another field of its request, by the
    /// key or by `Vary`, is refreshed in this process; so is one where the value of a field on the list is
    /// [marked as sensitive](http::HeaderValue::set_sensitive). What the answer does not depend on need not be on the list,
    /// but the handler does not see it then when a worker refreshes the answer.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// use http::HeaderName;
    /// let currency = HeaderName::from_static("x-currency");
    /// let layer = cache.layer("shop").vary([currency.clone()]).refresh_fields([currency]);
    /// ```
    ///
    /// # Panics
    ///
    /// For `Authorization`, `Cookie`, `Proxy-Authorization` and `Set-Cookie`, and for fields that the handler never sees of
    /// the request that fills the cache.
    #[track_caller]
    pub fn refresh_fields(mut self, fields: impl IntoIterator<Item = HeaderName>) -> Self {
        let names = fields.into_iter().collect();
        let names = self.allowed("refresh_fields", names, rules::told_fields);
        self.settings.refresh_fields = extended(names);
        self
    }
}

/// The list without any addition.
pub(crate) fn by_default() -> Vec<HeaderName> {
    extended(Vec::new())
}

/// The list with additions from a file.
pub(crate) fn names(names: Vec<String>) -> Result<Vec<HeaderName>, Refusal> {
    rules::told_names(names).map(extended)
}

fn extended(mut names: Vec<HeaderName>) -> Vec<HeaderName> {
    names.extend([ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE]);
    names.extend(FORWARDED_FIELDS.iter().cloned());
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}
