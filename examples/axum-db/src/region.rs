//! The regions that the shop sells in.

use serde::{Serialize, Serializer};

/// A region of the shop. There is no value for a region that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(&'static str);

impl Region {
    /// Every region, as the database is filled with them.
    pub const ALL: [Self; 8] = [
        Self("north"),
        Self("south"),
        Self("east"),
        Self("west"),
        Self("centre"),
        Self("coast"),
        Self("highlands"),
        Self("islands"),
    ];

    /// The region of that name.
    ///
    /// ```
    /// use axum_db::Region;
    ///
    /// assert!(Region::find("north").is_some());
    /// assert!(Region::find("nowhere").is_none());
    /// ```
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|region| region.0 == name)
    }

    /// Its name, as in the URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}
