//! Channels, users and tokens.
//!
//! guide:addr-10

use asaanbill_core::ChannelId;
use asaanbill_storage::StorageError;

use super::Script;
use super::tx::{Columns as _, Row, Tx, id};

/// What a user may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) user: String,
    pub(crate) channel: ChannelId,
    pub(crate) channel_name: String,
    pub(crate) may_add: bool,
    pub(crate) may_read: bool,
}

const ACCESS: &str = "users.name, channel, channels.name, may_add, may_read, password, logins";

fn access(row: &Row<'_>) -> Result<Access, StorageError> {
    Ok(Access {
        user: row.text(0)?.to_owned(),
        channel: id(row, 1)?,
        channel_name: row.text(2)?.to_owned(),
        may_add: row.flag(3)?,
        may_read: row.flag(4)?,
    })
}

/// A user to be stored, with the channel.
#[derive(Clone)]
pub(crate) struct NewUser {
    pub(crate) access: Access,
    /// argon2id, in the PHC form.
    pub(crate) password_digest: String,
}

/// Stores a user and the channel, or brings them up to date.
pub(crate) struct PutUser(pub(crate) NewUser);

impl Script for PutUser {
    type Answer = ();

    async fn run<T: Tx>(&self, tx: &T) -> Result<(), StorageError> {
        let NewUser { access, password_digest } = &self.0;
        let channel = i64::from(access.channel);
        tx.execute(
            "INSERT INTO channels (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            &[channel.into(), access.channel_name.as_str().into()],
        )
        .await?;
        tx.execute(
            "INSERT INTO users (name, channel, password, may_add, may_read) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO UPDATE SET channel = excluded.channel, password = excluded.password,
                                              may_add = excluded.may_add, may_read = excluded.may_read",
            &[
                access.user.as_str().into(),
                channel.into(),
                password_digest.as_str().into(),
                access.may_add.into(),
                access.may_read.into(),
            ],
        )
        .await?;
        Ok(())
    }
}

/// Where the call-backs of a channel go, or of all channels: nowhere without an address.
pub(crate) struct PutCallbackUrl {
    pub(crate) channel: Option<ChannelId>,
    pub(crate) url: Option<String>,
}

impl Script for PutCallbackUrl {
    type Answer = u64;

    async fn run<T: Tx>(&self, tx: &T) -> Result<u64, StorageError> {
        let url = self.url.as_deref().into();
        match self.channel {
            Some(channel) => {
                let update = "UPDATE channels SET callback_url = $1 WHERE id = $2";
                tx.execute(update, &[url, i64::from(channel).into()]).await
            }
            None => tx.execute("UPDATE channels SET callback_url = $1", &[url]).await,
        }
    }
}

/// All users, by name.
pub(crate) struct Users;

impl Script for Users {
    type Answer = Vec<Access>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<Access>, StorageError> {
        let select = format!(
            "SELECT {ACCESS} FROM users JOIN channels ON channels.id = channel ORDER BY users.name LIMIT 10000"
        );
        tx.query(&select, &[], access).await
    }
}

/// A channel, with the address of its call-backs.
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) name: String,
    pub(crate) callback_url: Option<String>,
}

/// All channels, by number.
pub(crate) struct Channels;

impl Script for Channels {
    type Answer = Vec<Channel>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<Channel>, StorageError> {
        let select = "SELECT id, name, callback_url FROM channels ORDER BY id LIMIT 10000";
        let read = |row: &Row<'_>| {
            let callback_url = row.text_or_null(2)?.map(str::to_owned);
            Ok(Channel { id: id(row, 0)?, name: row.text(1)?.to_owned(), callback_url })
        };
        tx.query(select, &[], read).await
    }
}

/// A user with the digest of the password.
pub(crate) struct FindUser {
    pub(crate) name: String,
}

impl Script for FindUser {
    type Answer = Option<(Access, String)>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Self::Answer, StorageError> {
        let select = format!("SELECT {ACCESS} FROM users JOIN channels ON channels.id = channel WHERE users.name = $1");
        let read = |row: &Row<'_>| Ok((access(row)?, row.text(5)?.to_owned()));
        tx.query_one(&select, &[self.name.as_str().into()], read).await
    }
}

/// Counts a login, and returns which one of the user's it is. None if there is no such user any more.
pub(crate) struct CountLogin {
    pub(crate) user: String,
}

impl Script for CountLogin {
    type Answer = Option<u64>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Option<u64>, StorageError> {
        let count = "UPDATE users SET logins = logins + 1 WHERE name = $1 RETURNING logins";
        tx.query_one(count, &[self.user.as_str().into()], |row| row.count(0)).await
    }
}

/// Keeps what is kept of a token. It has all of its entropy, so a plain digest is enough.
pub(crate) struct InsertToken {
    pub(crate) digest: [u8; 32],
    pub(crate) user: String,
}

impl Script for InsertToken {
    type Answer = ();

    async fn run<T: Tx>(&self, tx: &T) -> Result<(), StorageError> {
        // A seeded token may be there already.
        let insert = "INSERT INTO tokens (digest, username) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
        tx.execute(insert, &[self.digest.as_slice().into(), self.user.as_str().into()]).await?;
        Ok(())
    }
}

/// The user of a token.
pub(crate) struct TokenUser {
    pub(crate) digest: [u8; 32],
}

impl Script for TokenUser {
    type Answer = Option<Access>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Option<Access>, StorageError> {
        let select = format!(
            "SELECT {ACCESS} FROM tokens JOIN users ON users.name = username JOIN channels ON channels.id = channel
             WHERE digest = $1"
        );
        tx.query_one(&select, &[self.digest.as_slice().into()], access).await
    }
}

/// Ends all tokens of a user, and says how many there were.
pub(crate) struct RevokeTokens {
    pub(crate) user: String,
}

impl Script for RevokeTokens {
    type Answer = u64;

    async fn run<T: Tx>(&self, tx: &T) -> Result<u64, StorageError> {
        tx.execute("DELETE FROM tokens WHERE username = $1", &[self.user.as_str().into()]).await
    }
}

/// Removes a user and the user's tokens. Says whether there was one.
pub(crate) struct DeleteUser {
    pub(crate) name: String,
}

impl Script for DeleteUser {
    type Answer = bool;

    async fn run<T: Tx>(&self, tx: &T) -> Result<bool, StorageError> {
        let name = [self.name.as_str().into()];
        tx.execute("DELETE FROM tokens WHERE username = $1", &name).await?;
        Ok(tx.execute("DELETE FROM users WHERE name = $1", &name).await? > 0)
    }
}
