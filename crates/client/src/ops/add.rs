//! Adding one payment.

use asaanbill_core::NewPayment;
use asaanbill_wire::{AddRequest, AddedPayment, Endpoint, GENERATION_TYPES, generation_type};

use super::{body, now, with_query};
use crate::error::ClientError;
use crate::exchange::{Call, Effect};
use crate::{Client, Intent, Payment};

impl Client {
    /// Adds a payment. It is sent once. **An unpaid payment on the same identifier is discarded.** (Guide, Add Payment,
    /// note 3)
    ///
    /// Cancellation: the payment may have been added, and nobody is told; look for it before adding it again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) with the intent if nobody knows whether the hub has
    /// added it; after any other error it hasn't.
    pub async fn add(&self, new: &NewPayment) -> Result<Payment, ClientError> {
        let endpoint = Endpoint::Add;
        let call = Call {
            endpoint,
            path: with_query(&endpoint.path(""), [(GENERATION_TYPES, generation_type(new.kind()).into())]),
            body: body(&AddRequest::from(new))?,
            effect: Effect::Create,
        };
        let sent_at = now();
        let added: Result<AddedPayment, _> = self.sessions.call(&call).await;
        added.map(Payment::from).map_err(|error| error.intended(|| Intent::Add { new: new.clone(), sent_at }))
    }
}
