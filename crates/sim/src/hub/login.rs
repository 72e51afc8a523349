//! Passwords and tokens.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::store::Seed;

/// How many random bytes a token has. (Guide, Login: its sample decodes to as many)
const TOKEN_BYTES: usize = 256;

/// What somebody logs in with.
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: SecretString,
}

/// A new token: what the user gets, and what the store keeps.
pub(crate) struct Token {
    pub(crate) text: SecretString,
    pub(crate) digest: [u8; 32],
}

impl Token {
    /// # Errors
    ///
    /// If the system has no randomness.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self::of(bytes))
    }

    /// The token of a user's `nth` login.
    pub(crate) fn seeded(seed: Seed, user: &str, nth: u64) -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        seed.fill(user, nth, &mut bytes);
        Self::of(bytes)
    }

    fn of(bytes: [u8; TOKEN_BYTES]) -> Self {
        let text = BASE64_STANDARD.encode(bytes);
        Self { digest: digest(&text), text: text.into() }
    }
}

/// What the store keeps of a token. It has all of its entropy, so a plain digest is enough.
pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// argon2id, in the PHC form. Takes milliseconds: keep it off the threads that serve.
pub(crate) fn hash_password(password: &SecretString) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.expose_secret().as_bytes())?.to_string())
}

/// The passwords of the users that there are where none are given. They are in the documentation; with their digests at hand a
/// simulator needn't work for fifty milliseconds before it is ready.
const PUBLISHED: [(&str, &str); 2] = [
    ("demo", "$argon2id$v=19$m=19456,t=2,p=1$l8xthIR/wBx5tZ1WjiruMQ$rK97PicTz7b06HqIgXIju6umspvw7M7wkXGgR1Z82l0"),
    ("viewer", "$argon2id$v=19$m=19456,t=2,p=1$yX0eSrAVpncLuKssQUcrYA$pURTyF0hqqtXNzw2M8JqDr+tNnfZJfOsqAHKMHo6DfM"),
];

/// The digest of a published password.
pub(crate) fn published_digest(password: &SecretString) -> Option<&'static str> {
    let known = PUBLISHED.iter().find(|(known, _)| *known == password.expose_secret());
    known.map(|(_, digest)| *digest)
}

/// Whether a password is the one of a digest; without a digest it takes as long and says no, so that nobody learns which
/// users exist.
pub(crate) fn check_password(password: &SecretString, digest: Option<&str>) -> bool {
    static NOBODY: LazyLock<String> = LazyLock::new(|| hash_password(&"nobody's".into()).unwrap_or_default());
    let Ok(expected) = PasswordHash::new(digest.unwrap_or(&NOBODY)) else { return false };
    let right = Argon2::default().verify_password(password.expose_secret().as_bytes(), &expected).is_ok();
    right && digest.is_some()
}

#[cfg(test)]
mod tests {
    use super::{PUBLISHED, Token, check_password, digest, hash_password, published_digest};
    use secrecy::ExposeSecret as _;

    #[test]
    fn passwords_are_salted_argon2id() {
        let one = hash_password(&"demo".into()).unwrap();
        let other = hash_password(&"demo".into()).unwrap();
        assert_ne!(one, other);
        assert!(one.starts_with("$argon2id$"), "{one}");
        assert!(check_password(&"demo".into(), Some(&one)));
        assert!(!check_password(&"Demo".into(), Some(&one)));
        assert!(!check_password(&"demo".into(), Some("nonsense")));
        assert!(!check_password(&"nobody's".into(), None));
    }

    #[test]
    fn published_passwords_have_right_digests() {
        for (password, digest) in PUBLISHED {
            assert!(check_password(&password.into(), Some(digest)));
            assert_eq!(published_digest(&password.into()), Some(digest));
        }
        assert_eq!(published_digest(&"Demo".into()), None);
    }

    #[test]
    fn tokens_look_like_the_guides_and_are_stored_as_digests() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(one.text.expose_secret().len(), 344);
        assert_ne!(one.text.expose_secret(), other.text.expose_secret());
        assert_eq!(one.digest, digest(one.text.expose_secret()));
    }
}
