//! Where the numbers of records and the PSIDs come from.

use std::collections::VecDeque;

use asaanbill_core::{ChannelId, Identifier, PaymentId, Psid};
use asaanbill_storage::StorageError;
use sha2::{Digest as _, Sha256};

use super::tx::{contradiction, senseless};

/// The first six digits of each PSID: AsaanBill's number in 1BILL's routing, as in the guide's samples. (implied)
pub(super) const PSID_PREFIX: &str = "100139";

/// How many digits follow the prefix.
pub(super) const PSID_SEQUENCE_DIGITS: usize = 18;

/// One more than the largest number that they hold.
const PSID_NUMBERS: u64 = 1_000_000_000_000_000_000;

/// How many of a seeded record's 53 bits (what every JSON reader holds exactly) count an identifier's own records, in the order in
/// which they were made. The other 37 are drawn from the identifier.
const SEEDED_RECORD_BITS: u32 = 16;
const SEEDED_IDENTIFIER_BITS: u32 = 53 - SEEDED_RECORD_BITS;

/// What ids, PSIDs and tokens are derived from, so that the same calls give the same values, whatever else goes on beside them.
///
/// Made for tests: with some ten thousand identifiers two of them may draw the same number, and the later one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// The record that is the `nth` (from 1) of an identifier, or of all those of a channel that have none.
    fn payment(self, channel: ChannelId, identifier: Option<&Identifier>, nth: u64) -> Result<PaymentId, StorageError> {
        if nth >= 1 << SEEDED_RECORD_BITS {
            return Err(senseless("a seeded identifier has too many records"));
        }
        let drawn = self.draw(b"payment", channel, identifier, 0) % (1 << SEEDED_IDENTIFIER_BITS);
        PaymentId::try_from((drawn << SEEDED_RECORD_BITS) | nth).map_err(contradiction)
    }

    /// The PSID of an identifier, or of a record that has none.
    fn psid(self, channel: ChannelId, identifier: Option<&Identifier>, id: PaymentId) -> Result<Psid, StorageError> {
        let nth = if identifier.is_some() { 0 } else { id.get() };
        psid(self.draw(b"psid", channel, identifier, nth) % PSID_NUMBERS)
    }

    fn draw(self, what: &[u8], channel: ChannelId, identifier: Option<&Identifier>, nth: u64) -> u64 {
        let mut digest = Sha256::new();
        digest.update(self.0.to_be_bytes());
        digest.update(what);
        digest.update(channel.get().to_be_bytes());
        digest.update(nth.to_be_bytes());
        // A blank identifier doesn't exist, so it can stand for none.
        digest.update(identifier.map_or("", |identifier| identifier.as_str()));
        let digest = digest.finalize();
        digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// The bytes of a user's `nth` token.
    pub(crate) fn fill(self, user: &str, nth: u64, bytes: &mut [u8]) {
        for (block, chunk) in (0_u64..).zip(bytes.chunks_mut(32)) {
            let mut digest = Sha256::new();
            digest.update(self.0.to_be_bytes());
            digest.update(b"token");
            digest.update(nth.to_be_bytes());
            digest.update(block.to_be_bytes());
            digest.update(user);
            let digest = digest.finalize();
            for (to, from) in chunk.iter_mut().zip(digest.iter()) {
                *to = *from;
            }
        }
    }
}

/// The PSID with a number.
fn psid(number: u64) -> Result<Psid, StorageError> {
    format!("{PSID_PREFIX}{number:0PSID_SEQUENCE_DIGITS$}").parse().map_err(contradiction)
}

/// The numbers that a set of commands may use.
#[derive(Clone, Debug)]
pub(crate) enum Numbering {
    /// Taken from the store's sequences.
    Taken {
        payments: VecDeque<i64>,
        psids: VecDeque<i64>,
    },
    Seeded(Seed),
}

impl Numbering {
    pub(super) fn payment(
        &mut self,
        channel: ChannelId,
        identifier: Option<&Identifier>,
        nth: u64,
    ) -> Result<PaymentId, StorageError> {
        match self {
            Self::Taken { payments, .. } => {
                let id = payments.pop_front().ok_or_else(|| senseless("too few record numbers were taken"))?;
                PaymentId::try_from(id).map_err(contradiction)
            }
            Self::Seeded(seed) => seed.payment(channel, identifier, nth),
        }
    }

    pub(super) fn psid(
        &mut self,
        channel: ChannelId,
        identifier: Option<&Identifier>,
        id: PaymentId,
    ) -> Result<Psid, StorageError> {
        match self {
            Self::Taken { psids, .. } => {
                let number = psids.pop_front().ok_or_else(|| senseless("too few PSIDs were taken"))?;
                psid(u64::try_from(number).map_err(contradiction)?)
            }
            Self::Seeded(seed) => seed.psid(channel, identifier, id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbering, Seed};
    use asaanbill_core::{ChannelId, Identifier};

    fn channel(number: u64) -> ChannelId {
        ChannelId::try_from(number).unwrap()
    }

    #[test]
    fn taken_numbers_become_psids_of_24_digits() {
        let mut taken = Numbering::Taken { payments: [7].into(), psids: [1, 154_854_584_585].into() };
        let id = taken.payment(channel(23), None, 0).unwrap();
        assert_eq!(id.get(), 7);
        assert_eq!(taken.psid(channel(23), None, id).unwrap().as_str(), "100139000000000000000001");
        assert_eq!(taken.psid(channel(23), None, id).unwrap().as_str(), "100139000000154854584585");
        assert!(taken.psid(channel(23), None, id).is_err());
        assert!(taken.payment(channel(23), None, 0).is_err());
    }

    /// Each of seed, channel, identifier and place in its sequence counts, and the time at which it is asked doesn't.
    #[test]
    fn seeded_numbers_depend_on_the_entity_alone() {
        let identifier: Identifier = "FS-BSCS-095".parse().unwrap();
        let other: Identifier = "FS-BSCS-096".parse().unwrap();
        let seen = |seed, at: u64, identifier: Option<&Identifier>, nth| {
            let mut numbering = Numbering::Seeded(Seed(seed));
            let id = numbering.payment(channel(at), identifier, nth).unwrap();
            assert!(id.get() < 1 << 53);
            (id.get(), numbering.psid(channel(at), identifier, id).unwrap().as_str().to_owned())
        };
        let first = seen(7, 23, Some(&identifier), 1);
        assert_eq!(first, seen(7, 23, Some(&identifier), 1));
        let second = seen(7, 23, Some(&identifier), 2);
        assert!(second.0 > first.0, "an identifier's records grow");
        assert_eq!(second.1, first.1, "one PSID for ever");
        for elsewhere in
            [seen(8, 23, Some(&identifier), 1), seen(7, 24, Some(&identifier), 1), seen(7, 23, Some(&other), 1)]
        {
            assert_ne!(elsewhere.0, first.0);
            assert_ne!(elsewhere.1, first.1);
        }
        assert_ne!(seen(7, 23, None, 1).1, seen(7, 23, None, 2).1, "records without an identifier share no PSID");
        assert!(Numbering::Seeded(Seed(7)).payment(channel(23), None, 1 << 16).is_err());
    }

    #[test]
    fn seeded_tokens_differ_by_user_and_login() {
        let bytes = |user, nth| {
            let mut bytes = [0; 256];
            Seed(7).fill(user, nth, &mut bytes);
            bytes
        };
        assert_eq!(bytes("demo", 1), bytes("demo", 1));
        assert_ne!(bytes("demo", 1), bytes("demo", 2));
        assert_ne!(bytes("demo", 1), bytes("viewer", 1));
        assert_ne!(bytes("demo", 1)[..32], bytes("demo", 1)[32..64]);
    }
}
