//! A look before adding, so as not to destroy an unpaid bill.

use asaanbill_core::{NewPayment, PaymentStatus};
use asaanbill_wire::PageRequest;

use crate::error::{ClientError, ErrorKind};
use crate::resolve::SEARCH_PAGES_MAX;
use crate::{Client, Payment, Status};

impl Client {
    /// Adds a payment unless its identifier has an unpaid one, which adding would destroy. **Advisory**: between the look and
    /// the add somebody else may add one, or the payer may pay; the hub has no operation that does both at once.
    ///
    /// The look asks by the identifier's PSID if the journal knows it, else it reads the channel's payments, which takes
    /// long where there are many. A bill of a batch that has no PSID yet isn't seen.
    ///
    /// Cancellation: as [`add`](Self::add).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Outstanding`] if there is one: nothing was sent. Else as [`add`](Self::add).
    pub async fn add_if_none_outstanding(&self, new: &NewPayment) -> Result<Payment, ClientError> {
        if let Some(identifier) = new.identifier()
            && self.outstanding(identifier).await?
        {
            return Err(ClientError::new(
                ErrorKind::Outstanding,
                "the identifier has an unpaid bill, which this one would have destroyed; nothing was sent",
            ));
        }
        self.add(new).await
    }

    /// Whether an unpaid payment of the identifier is in the hub's records.
    async fn outstanding(&self, identifier: &asaanbill_core::Identifier) -> Result<bool, ClientError> {
        let known = self.journal().known(identifier).await.map_err(super::create::not_noted)?;
        let unpaid = |payment: &Payment| {
            payment.identifier() == Some(identifier.as_str())
                && !payment.status().is_some_and(|status| status.is_final())
        };
        if let Some(psid) = known.and_then(|known| known.psid) {
            let mut page = Some(PageRequest::default());
            for _ in 0..SEARCH_PAGES_MAX {
                let Some(request) = page else { break };
                let read = self.search(psid, request).await?;
                if read.items.iter().any(unpaid) {
                    return Ok(true);
                }
                page = request.next().filter(|_| !read.is_last && !read.items.is_empty());
            }
            return Ok(false);
        }
        let mut sweep = self.sweep();
        while let Some(payment) = sweep.next().await {
            if unpaid(&payment?) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Status {
    /// Whether nothing can happen to it any more. Of a status that the guide doesn't have, nobody knows.
    pub fn is_final(&self) -> bool {
        self.known().is_some_and(PaymentStatus::is_final)
    }

    /// The guide's status, if it is one.
    pub fn known(&self) -> Option<PaymentStatus> {
        match self {
            Self::Known(status) => Some(*status),
            Self::Unknown(_) => None,
        }
    }
}
