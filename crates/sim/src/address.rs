//! Where a hub stores, as people write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use asaanbill_storage::Location;
use secrecy::{ExposeSecret as _, SecretString};

/// Where a hub stores: `memory`, `sqlite:PATH` or `postgres://…`.
///
/// ```
/// use asaanbill_sim::StoreAddress;
///
/// let address: StoreAddress = "sqlite:/var/lib/asaanbill/hub.db".parse()?;
/// assert_eq!(address.to_string(), "sqlite:/var/lib/asaanbill/hub.db");
/// let secret: StoreAddress = "postgres://asaanbill:password@db.example/hub".parse()?;
/// assert_eq!(secret.to_string(), "postgres://…");
/// assert!("mysql://db.example".parse::<StoreAddress>().is_err());
/// # Ok::<(), asaanbill_sim::StoreAddressError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum StoreAddress {
    /// Nothing outlives the program.
    Memory,
    /// One file, for one simulator at a time.
    Sqlite(PathBuf),
    /// A database for several instances. The address holds a password.
    Postgres(SecretString),
}

/// What isn't an address of a store. It doesn't repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected memory, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")]
pub struct StoreAddressError(());

impl StoreAddress {
    /// The SQLite engine's location, if it is one.
    pub fn location(&self) -> Option<Location> {
        match self {
            Self::Memory => Some(Location::Memory),
            Self::Sqlite(path) => Some(Location::File(path.clone())),
            Self::Postgres(_) => None,
        }
    }

    /// The address of a PostgreSQL database, with its password, if it is one.
    pub fn postgres(&self) -> Option<&str> {
        match self {
            Self::Memory | Self::Sqlite(_) => None,
            Self::Postgres(address) => Some(address.expose_secret()),
        }
    }
}

impl FromStr for StoreAddress {
    type Err = StoreAddressError;

    fn from_str(text: &str) -> Result<Self, StoreAddressError> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            // A path of which SQLite would make an address or a store in memory is none.
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with("file:") && path != ":memory:" => {
                Ok(Self::Sqlite(path.into()))
            }
            Some(("postgres" | "postgresql", rest)) if rest.len() > 2 && rest.starts_with("//") => {
                Ok(Self::Postgres(text.into()))
            }
            _ => Err(StoreAddressError(())),
        }
    }
}

/// Without whatever follows a database's scheme.
impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::StoreAddress;

    fn check(text: &str, expected: Option<&str>) {
        let address = text.parse::<StoreAddress>().ok();
        assert_eq!(address.as_ref().map(ToString::to_string).as_deref(), expected, "{text}");
        if let Some(address) = address {
            assert_eq!(address.location().is_none(), address.postgres().is_some());
            assert!(!format!("{address:?}").contains("hidden"));
        }
    }

    #[test]
    fn the_three_kinds_and_nothing_else() {
        check("memory", Some("memory"));
        check("sqlite:hub.db", Some("sqlite:hub.db"));
        check("sqlite:/a b/hub:1.db", Some("sqlite:/a b/hub:1.db"));
        check("postgres://u:hidden@h/d", Some("postgres://…"));
        check("postgresql://h/d?password=hidden", Some("postgres://…"));
        for wrong in [
            "",
            "Memory",
            "memory:",
            "sqlite",
            "sqlite:",
            "hub.db",
            "/hub.db",
            "postgres:",
            "postgres://",
            "postgres:h",
            "mysql://h",
            "sqlite:file:x?mode=memory",
            "sqlite::memory:",
        ] {
            check(wrong, None);
        }
    }
}
