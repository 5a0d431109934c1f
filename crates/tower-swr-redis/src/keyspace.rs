//! The names of everything on the server.

use tower_swr_core::{Digest, FarKey, Subject};

/// The prefix of all names: what this cache may touch.
#[derive(Clone, Debug)]
pub(crate) struct Keyspace {
    namespace: String,
    /// What stands between namespace and digest in the names of values.
    generation: String,
}

/// The format of values, so that releases with another one keep apart.
const WIRE: &str = "w1";

impl Keyspace {
    /// Both have been checked with [`is_name`].
    pub(crate) fn new(namespace: &str, generation: Option<&str>) -> Self {
        let generation = match generation {
            None => WIRE.to_owned(),
            Some(generation) => format!("{WIRE}:{generation}"),
        };
        Self {
            namespace: namespace.to_owned(),
            generation,
        }
    }

    pub(crate) fn value(&self, key: &FarKey) -> String {
        self.of_key(key, "v")
    }

    pub(crate) fn mutex(&self, key: &FarKey) -> String {
        self.of_key(key, "refresh")
    }

    /// What changes with every purge of the key: the leases of all its variants end with it, too.
    pub(crate) fn fence(&self, primary: Digest) -> String {
        self.tagged(primary, "fence")
    }

    /// The value, the mutex and the fence of a primary key, known by its digest alone.
    pub(crate) fn of_primary(&self, primary: Digest) -> [String; 3] {
        ["v", "refresh", "fence"].map(|what| self.tagged(primary, what))
    }

    fn of_key(&self, key: &FarKey, what: &str) -> String {
        let mut name = self.tagged(key.primary(), what);
        if let Some(variant) = key.variant_digest() {
            name.push('.');
            name.push_str(&variant.to_string());
        }
        name
    }

    /// The braces are the server's: a Cluster keeps in one place what is the same between them. So only a digest ever
    /// stands there, and never a raw key, which may contain braces itself.
    fn tagged(&self, primary: Digest, what: &str) -> String {
        let Self {
            namespace,
            generation,
        } = self;
        format!("{{{namespace}:{generation}:{primary}}}:{what}")
    }

    /// A part of the queue of refreshes, all of which are in one place.
    pub(crate) fn queue(&self, part: &str) -> String {
        format!("{{{}:{}:q}}:{part}", self.namespace, self.generation)
    }

    /// Tells that a refresh of `key` waits or runs.
    pub(crate) fn pending(&self, key: Digest) -> String {
        self.queue(&format!("d:{key}"))
    }

    /// The channel that tells who waits.
    pub(crate) fn done(&self) -> String {
        format!("{}:{}:done", self.namespace, self.generation)
    }

    /// The stream of invalidations.
    pub(crate) fn log(&self) -> String {
        format!("{}:inv", self.namespace)
    }

    /// Up to where in the stream all is stamped.
    pub(crate) fn swept(&self) -> String {
        format!("{}:swept", self.namespace)
    }

    /// Where the last invalidation of `subject` is noted.
    pub(crate) fn stamp(&self, subject: Subject) -> String {
        use std::fmt::Write;
        let mut name = format!("{}:tag:{{", self.namespace);
        for byte in subject.to_bytes() {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name.push('}');
        name
    }
}

/// Whether `name` may be a part of a key's name: nothing that has a meaning to a server, nothing to be escaped in an ACL.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// What `is_name` asks for.
pub(crate) const NAME_RULE: &str = "1 to 64 of the characters a-z, A-Z, 0-9, - _ . :";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tower_swr_core::KeyText;

    fn key(part: &str) -> tower_swr_core::Key {
        let mut text = KeyText::new("s");
        text.push(part.as_bytes());
        text.key().to_key()
    }

    #[test]
    fn names_are_what_the_documentation_says() {
        let (primary, variant) = (key("/a"), key("/a gzip"));
        let names = Keyspace::new("swr", None);
        let far = FarKey::new(primary.borrowed());
        let digest = far.primary();
        assert_eq!(names.value(&far), format!("{{swr:w1:{digest}}}:v"));
        assert_eq!(names.mutex(&far), format!("{{swr:w1:{digest}}}:refresh"));
        let of_primary = names.of_primary(digest);
        let expected = [names.value(&far), names.mutex(&far), names.fence(digest)];
        assert_eq!(of_primary, expected);
        let far = FarKey::variant(primary.borrowed(), variant.borrowed());
        let variant = far.variant_digest().unwrap();
        let name = format!("{{swr:w1:{digest}}}:v.{variant}");
        assert_eq!(names.value(&far), name);
        let name = format!("{{swr:w1:{digest}}}:refresh.{variant}");
        assert_eq!(names.mutex(&far), name);
        let next = Keyspace::new("swr", Some("2"));
        assert_eq!(
            next.value(&far),
            format!("{{swr:w1:2:{digest}}}:v.{variant}")
        );
        let stamp = names.stamp(Subject::All);
        assert_eq!(stamp, format!("swr:tag:{{61{}}}", "0".repeat(32)));
    }

    #[test]
    fn a_name_holds_nothing_that_a_server_reads_anything_into() {
        assert!(is_name("shop-1.eu:prod_2"));
        let long = "x".repeat(65);
        for name in ["", "a{b", "a}b", "a b", "a*", "ä", "a\n", &long] {
            assert!(!is_name(name), "{name}");
        }
    }

    /// What a Cluster hashes of `name`: what is between the first brace and the next closing one, or all of it.
    fn hashed(name: &str) -> &str {
        let Some((_, rest)) = name.split_once('{') else {
            return name;
        };
        match rest.split_once('}') {
            Some((tag, _)) if !tag.is_empty() => tag,
            _ => name,
        }
    }

    proptest! {
        #[test]
        fn all_that_is_of_one_key_is_in_one_place(part in "[{}a-z/?=]{0,12}", variant in "[{}a-z]{0,6}") {
            let names = Keyspace::new("swr", Some("7"));
            let primary = key(&part);
            let of_primary = FarKey::new(primary.borrowed());
            let of_variant = FarKey::variant(primary.borrowed(), key(&variant).borrowed());
            let [value, mutex, fence] = names.of_primary(of_primary.primary());
            let tag = hashed(&value).to_owned();
            let digest = of_primary.primary().to_string();
            prop_assert!(tag.ends_with(&digest));
            for name in [&mutex, &fence, &names.value(&of_variant), &names.mutex(&of_variant)] {
                prop_assert_eq!(hashed(name), &tag);
            }
        }
    }
}
