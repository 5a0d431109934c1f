//! Where an answer belongs, by what it varies by.

use http::HeaderMap;
use tower_swr_core::{Beside, Keep, Key, Remember};

use crate::gate::Admitted;
use crate::policy::{Selection, VaryNames};
use crate::response::{Held, Variants};
use crate::sharing::Sharing;

/// Where an answer is kept, and for whom it is.
pub(crate) struct Place {
    pub(crate) key: Option<Key>,
    pub(crate) beside: Option<Beside<Held>>,
    pub(crate) selection: Option<Selection>,
}

impl Sharing {
    /// Where the answer belongs, by what it varies by.
    pub(crate) fn place(&self, admitted: &Admitted) -> Place {
        let Some(variant) = &admitted.variant else {
            return Place {
                key: self.question.moved_from(&self.flight),
                beside: None,
                selection: None,
            };
        };
        Place {
            beside: self.index(admitted, variant),
            key: (*variant != self.flight).then(|| variant.clone()),
            selection: Some(Selection::of(admitted.names.clone(), &self.fields)),
        }
    }

    /// Under which key to remember that an answer with these fields may not be shared: the variant's, where it varies.
    pub(crate) fn remember(&self, fields: &HeaderMap) -> Remember<Held> {
        let names = self.names(fields).unwrap_or_default();
        let Ok(Some(variant)) = self.variant(&names) else {
            return Remember::default();
        };
        Remember {
            key: (variant != self.flight).then_some(variant),
            beside: self.new_index(&names),
        }
    }

    /// The index of the variants, where another than the one that is there is to be written. What is shared but not kept
    /// is told apart, too, or each of its variants would wait for all others.
    fn index(&self, admitted: &Admitted, variant: &Key) -> Option<Beside<Held>> {
        if !matches!(admitted.keep, Keep::Store(_)) {
            return self.new_index(&admitted.names);
        }
        let known = self.known_by(&admitted.names);
        let none = || Variants::new(admitted.names.clone());
        let variants = match known {
            Some(known) => self.with_variant(known, variant),
            None => self.with_variant(&none(), variant),
        };
        Some(self.beside(variants))
    }

    /// An index of no variants, where there is none of these `names`.
    fn new_index(&self, names: &VaryNames) -> Option<Beside<Held>> {
        let is_known = self.known_by(names).is_some();
        (!is_known).then(|| self.beside(Variants::new(names.clone())))
    }

    fn known_by(&self, names: &VaryNames) -> Option<&Variants> {
        let known = self.question.variants();
        known.filter(|known| known.names == *names)
    }

    fn beside(&self, variants: Variants) -> Beside<Held> {
        Beside {
            key: self.question.primary(),
            weight: variants.weight(),
            value: Held::Variants(variants),
        }
    }

    fn with_variant(&self, known: &Variants, variant: &Key) -> Variants {
        let (variants, oldest) = known.with(variant);
        if let Some(oldest) = oldest {
            self.route.shared.engine.remove(&oldest.borrowed());
        }
        variants
    }
}
