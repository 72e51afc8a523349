//! Channels, users and tokens.
//!
//! guide:addr-10

use asaanbill_core::ChannelId;
use asaanbill_storage::StorageError;
use asaanbill_storage::rusqlite::{OptionalExtension as _, params};

use super::{Tx, row};

/// What a user may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) user: String,
    pub(crate) channel: ChannelId,
    pub(crate) channel_name: String,
    pub(crate) may_add: bool,
    pub(crate) may_read: bool,
}

/// A user to be stored.
#[derive(Clone)]
pub(crate) struct NewUser {
    pub(crate) access: Access,
    /// argon2id, in the PHC form.
    pub(crate) password_digest: String,
    pub(crate) callback_url: Option<String>,
}

impl Tx<'_> {
    /// Stores a user and the channel, or brings them up to date.
    pub(crate) fn put_user(self, user: &NewUser) -> Result<(), StorageError> {
        let NewUser { access, password_digest, callback_url } = user;
        self.0.execute(
            "INSERT INTO channels (id, name, callback_url) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET name = excluded.name, callback_url = excluded.callback_url",
            params![i64::from(access.channel), access.channel_name, callback_url],
        )?;
        self.0.execute(
            "INSERT INTO users (name, channel, password, may_add, may_read) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET channel = excluded.channel, password = excluded.password,
                                       may_add = excluded.may_add, may_read = excluded.may_read",
            params![access.user, i64::from(access.channel), password_digest, access.may_add, access.may_read],
        )?;
        Ok(())
    }

    /// A user with the digest of the password.
    pub(crate) fn user(self, name: &str) -> Result<Option<(Access, String)>, StorageError> {
        self.access("users.name = ?1", &name)
    }

    /// The user of a token.
    pub(crate) fn token_user(self, digest: &[u8; 32]) -> Result<Option<Access>, StorageError> {
        let found = self.access("users.name = (SELECT user FROM tokens WHERE digest = ?1)", &digest.as_slice())?;
        Ok(found.map(|(access, _)| access))
    }

    pub(crate) fn insert_token(self, digest: &[u8; 32], user: &str) -> Result<(), StorageError> {
        let mut insert = self.0.prepare_cached("INSERT INTO tokens (digest, user) VALUES (?1, ?2)")?;
        insert.execute(params![digest.as_slice(), user])?;
        Ok(())
    }

    fn access(
        self,
        filter: &str,
        arg: &dyn asaanbill_storage::rusqlite::ToSql,
    ) -> Result<Option<(Access, String)>, StorageError> {
        let mut select = self.0.prepare_cached(&format!(
            "SELECT users.name, channel, channels.name, may_add, may_read, password
             FROM users JOIN channels ON channels.id = channel WHERE {filter}"
        ))?;
        let found = select.query_row([arg], |row| {
            let access = Access {
                user: row.get(0)?,
                channel: row::id(row, 1)?,
                channel_name: row.get(2)?,
                may_add: row.get(3)?,
                may_read: row.get(4)?,
            };
            Ok((access, row.get(5)?))
        });
        Ok(found.optional()?)
    }
}
