//! What a user's handler gets: what the hub's own records say.

use asaanbill_core::{BulkRequestId, ChannelId, PaymentId};
use asaanbill_wire::Processed;
use jiff::Timestamp;

use crate::record::{BulkRecord, PaymentRecord};

/// Something that the hub's records confirm. Only the confirmer makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Confirmed {
    /// A payment is paid.
    Payment(ConfirmedPayment),
    /// A batch has its PSIDs.
    Bulk(ConfirmedBulk),
}

impl Confirmed {
    /// Permanent and unique: the same for a repeat of this event, another for any other. At most 64 ASCII characters.
    pub fn effect_key(&self) -> String {
        match self {
            Self::Payment(paid) => paid.effect_key(),
            Self::Bulk(batch) => batch.effect_key(),
        }
    }

    /// How it came to the receiver.
    pub fn notice(&self) -> &Notice {
        match self {
            Self::Payment(paid) => paid.notice(),
            Self::Bulk(batch) => batch.notice(),
        }
    }
}

/// How an event came to the receiver. The call-back itself proves nothing; the record beside it does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The number of the receipt in the inbox.
    pub receipt: i64,
    /// When the call-back came, or the sweep found the payment.
    pub received_at: Timestamp,
    /// Whether no call-back announced it before a sweep of the hub's records found it.
    pub swept: bool,
    /// How often the event was handed over, this time included.
    pub attempt: u32,
}

/// A payment that the hub's records show as paid. Only the confirmer makes one.
#[derive(Clone, Debug)]
pub struct ConfirmedPayment {
    pub(crate) channel: ChannelId,
    pub(crate) id: PaymentId,
    pub(crate) record: Box<PaymentRecord>,
    pub(crate) claimed: Option<Box<Processed>>,
    pub(crate) notice: Notice,
}

impl ConfirmedPayment {
    /// Permanent and unique: the same for a repeat of this event, another for any other payment.
    pub fn effect_key(&self) -> String {
        Effect::Payment(self.channel, self.id).key()
    }

    /// The record's number in the hub.
    pub fn id(&self) -> PaymentId {
        self.id
    }

    /// Whose payment it is.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The hub's record, as it was when it confirmed the call-back.
    pub fn record(&self) -> &PaymentRecord {
        &self.record
    }

    /// What the call-back claimed. Only what the record says is confirmed. None if a sweep found the payment.
    pub fn claimed(&self) -> Option<&Processed> {
        self.claimed.as_deref()
    }

    /// How it came.
    pub fn notice(&self) -> &Notice {
        &self.notice
    }
}

/// A batch that the hub's records show as done. Only the confirmer makes one.
#[derive(Clone, Debug)]
pub struct ConfirmedBulk {
    pub(crate) channel: ChannelId,
    pub(crate) id: BulkRequestId,
    pub(crate) record: BulkRecord,
    pub(crate) notice: Notice,
}

impl ConfirmedBulk {
    /// Permanent and unique: the same for a repeat of this event, another for any other batch.
    pub fn effect_key(&self) -> String {
        Effect::Bulk(self.channel, self.id).key()
    }

    /// The batch's number in the hub.
    pub fn id(&self) -> BulkRequestId {
        self.id
    }

    /// Whose batch it is.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The hub's record, with the payments.
    pub fn record(&self) -> &BulkRecord {
        &self.record
    }

    /// How it came.
    pub fn notice(&self) -> &Notice {
        &self.notice
    }
}

/// What is to be handled once: a record of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    Payment(ChannelId, PaymentId),
    Bulk(ChannelId, BulkRequestId),
}

impl Effect {
    const PAYMENT: &str = "payment";
    const BULK: &str = "bulk";

    /// Made from the hub's record, never from what a call-back claims.
    pub(crate) fn key(self) -> String {
        let (kind, channel, record) = self.columns();
        format!("{kind}/{channel}/{record}")
    }

    /// Reads a key back.
    pub(crate) fn from_key(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        let (kind, channel, record) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Self::from_columns(kind, channel, record).filter(|_| parts.next().is_none())
    }

    /// As it is stored: kind, channel and record.
    pub(crate) fn columns(self) -> (&'static str, i64, i64) {
        match self {
            Self::Payment(channel, id) => (Self::PAYMENT, channel.into(), id.into()),
            Self::Bulk(channel, id) => (Self::BULK, channel.into(), id.into()),
        }
    }

    fn from_columns(kind: &str, channel: i64, record: i64) -> Option<Self> {
        let channel = channel.try_into().ok()?;
        match kind {
            Self::PAYMENT => Some(Self::Payment(channel, record.try_into().ok()?)),
            Self::BULK => Some(Self::Bulk(channel, record.try_into().ok()?)),
            _ => None,
        }
    }

    /// The event, from what was kept of the record and of the call-back. None if that can't be read any more.
    pub(crate) fn event(self, record: &str, claimed: &str, notice: Notice) -> Option<Confirmed> {
        Some(match self {
            Self::Payment(channel, id) => {
                let record = Box::new(serde_json::from_str(record).ok()?);
                let claimed = serde_json::from_str(claimed).ok().filter(|_| !notice.swept).map(Box::new);
                Confirmed::Payment(ConfirmedPayment { channel, id, record, claimed, notice })
            }
            Self::Bulk(channel, id) => {
                let record = serde_json::from_str(record).ok()?;
                Confirmed::Bulk(ConfirmedBulk { channel, id, record, notice })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Effect;

    #[test]
    fn keys_are_read_back() {
        for key in ["payment/23/7", "bulk/23/7", "payment/9223372036854775807/9223372036854775807"] {
            assert_eq!(Effect::from_key(key).unwrap().key(), key);
            assert!(key.len() <= 64);
        }
        for other in ["", "refund/23/7", "payment/0/7", "payment/23/0", "payment/23", "payment/23/7/1", "payment/23/x"]
        {
            assert_eq!(Effect::from_key(other), None, "{other}");
        }
    }
}
