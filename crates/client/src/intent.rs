//! What was to be created.

use asaanbill_core::NewPayment;
use asaanbill_wire::BulkRow;
use jiff::Timestamp;

/// What a request was to create, and when it was sent: enough to look for it in the hub's records. `Debug` hides the payers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Intent {
    /// One payment.
    #[non_exhaustive]
    Add {
        /// The payment.
        new: NewPayment,
        /// When it was sent, by this machine's clock.
        sent_at: Timestamp,
    },
    /// A batch.
    #[non_exhaustive]
    AddBulk {
        /// Its rows.
        rows: Vec<BulkRow<'static>>,
        /// When it was sent, by this machine's clock.
        sent_at: Timestamp,
    },
}
