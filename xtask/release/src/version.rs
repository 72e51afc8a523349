//! How far a version goes up.

use std::fmt;
use std::str::FromStr;

use semver::{Prerelease, Version};

/// What a change asks of the version. Ordered: the highest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing new to use, nothing to change.
    Fix,
    /// Something new to use; what compiled compiles.
    Feature,
    /// Somebody's program has to change.
    Breaking,
}

impl Level {
    /// The next version, by Cargo's reading of semantic versioning: before 1.0 the second number is the breaking one, and what
    /// is compatible moves the third.
    #[must_use]
    pub fn after(self, base: &Version) -> Version {
        let mut next = Version::new(base.major, base.minor, base.patch);
        let settled = base.major > 0;
        match self {
            Self::Breaking if settled => next = Version::new(base.major + 1, 0, 0),
            Self::Breaking => next = Version::new(0, base.minor + 1, 0),
            Self::Feature if settled => next = Version::new(base.major, base.minor + 1, 0),
            // 1.0.0-rc.1 is followed by 1.0.0.
            Self::Feature | Self::Fix if base.pre != Prerelease::EMPTY => {}
            Self::Feature | Self::Fix => next.patch += 1,
        }
        next
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fix => "fix",
            Self::Feature => "feature",
            Self::Breaking => "breaking",
        })
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Fix, Self::Feature, Self::Breaking]
            .into_iter()
            .find(|level| level.to_string() == word)
            .ok_or_else(|| format!("level {word:?} is none of fix, feature, breaking"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_up_as_cargo_reads_them() {
        let check = |base: &str, expected: [&str; 3]| {
            let base = base.parse().unwrap();
            let next = [Level::Fix, Level::Feature, Level::Breaking].map(|level| level.after(&base).to_string());
            assert_eq!(next, expected, "after {base}");
        };
        check("0.1.0", ["0.1.1", "0.1.1", "0.2.0"]);
        check("0.9.9", ["0.9.10", "0.9.10", "0.10.0"]);
        check("1.2.3", ["1.2.4", "1.3.0", "2.0.0"]);
        check("1.0.0-rc.1", ["1.0.0", "1.1.0", "2.0.0"]);
        check("0.2.0-a.1", ["0.2.0", "0.2.0", "0.3.0"]);
    }
}
