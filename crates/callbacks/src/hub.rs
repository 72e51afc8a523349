//! Who is asked whether a call-back is true.

use asaanbill_core::{BulkRequestId, ChannelId, Psid};
use asaanbill_wire::PageRequest;
use async_trait::async_trait;

use crate::record::{BulkRecord, RecordPage};

/// Why the hub's records can't be read. What it says goes into logs: no bodies and no payers' data.
pub type HubError = Box<dyn std::error::Error + Send + Sync>;

/// The hub's records, as a receiver reads them. [`asaanbill_client::Client`](https://docs.rs/asaanbill-client) implements it
/// (feature `client`, on by default).
///
/// An answer is believed: a receiver is as safe as what implements this, its TLS and its credentials. A failure says nothing
/// about a call-back, which is looked into again later; "not found" is an answer and no failure.
///
/// Cancellation: each of them may be dropped at any time.
#[async_trait]
pub trait HubRecords: Send + Sync {
    /// The channel whose records these are. It is part of each effect's key.
    ///
    /// # Errors
    ///
    /// If the hub can't be asked.
    async fn channel(&self) -> Result<ChannelId, HubError>;

    /// A page of a PSID's payments, newest first. A PSID that the hub doesn't know has an empty one.
    ///
    /// # Errors
    ///
    /// If the hub can't be asked.
    async fn payments_of(&self, psid: Psid, page: PageRequest) -> Result<RecordPage, HubError>;

    /// A page of the channel's payments, last changed first.
    ///
    /// # Errors
    ///
    /// If the hub can't be asked.
    async fn latest_payments(&self, page: PageRequest) -> Result<RecordPage, HubError>;

    /// A batch with its payments; none if the hub doesn't know it.
    ///
    /// # Errors
    ///
    /// If the hub can't be asked.
    async fn bulk(&self, id: BulkRequestId) -> Result<Option<BulkRecord>, HubError>;
}

#[cfg(feature = "client")]
mod client {
    use asaanbill_client::{Client, Page, Payment, RetryPolicy};

    use super::{
        BulkRecord, BulkRequestId, ChannelId, HubError, HubRecords, PageRequest, Psid, RecordPage, async_trait,
    };
    use crate::record::PaymentRecord;

    #[async_trait]
    impl HubRecords for Client {
        async fn channel(&self) -> Result<ChannelId, HubError> {
            Ok(once(self).log_in().await?)
        }

        async fn payments_of(&self, psid: Psid, page: PageRequest) -> Result<RecordPage, HubError> {
            Ok(read(&once(self).search(psid, page).await?))
        }

        async fn latest_payments(&self, page: PageRequest) -> Result<RecordPage, HubError> {
            Ok(read(&once(self).payments(page).await?))
        }

        async fn bulk(&self, id: BulkRequestId) -> Result<Option<BulkRecord>, HubError> {
            match once(self).bulk_request(id).await {
                Ok(batch) => {
                    let payments = batch.payments.iter().map(PaymentRecord::from).collect();
                    Ok(Some(BulkRecord::new(payments, batch.unread)))
                }
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error.into()),
            }
        }
    }

    /// The receiver has its own schedule: an attempt that waits would hold up all other events.
    fn once(client: &Client) -> Client {
        client.clone().with_retry(RetryPolicy::never())
    }

    fn read(page: &Page<Payment>) -> RecordPage {
        RecordPage::new(page.items.iter().map(PaymentRecord::from).collect(), page.unread, page.is_last)
    }
}
