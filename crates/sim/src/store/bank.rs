//! What a bank looks up, beside PSIDs.

use asaanbill_core::{Payment, PaymentId, Psid};
use asaanbill_storage::StorageError;
use asaanbill_storage::rusqlite::{OptionalExtension as _, params};

use super::{Tx, row};

impl Tx<'_> {
    /// The reference under which a bank paid a record.
    pub(crate) fn bank_reference(self, id: PaymentId) -> Result<Option<String>, StorageError> {
        let mut select = self.0.prepare_cached("SELECT bank_reference FROM payments WHERE id = ?1")?;
        Ok(select.query_row([i64::from(id)], |row| row.get(0)).optional()?.flatten())
    }

    /// The payments that a code's bill number can mean, each the one that its PSID pays now: one for each channel that uses
    /// it as an identifier, that of the record whose number it is, and that of the PSID.
    pub(crate) fn billed_as(self, number: &str) -> Result<Vec<Payment>, StorageError> {
        let mut select = self.0.prepare_cached(
            "SELECT psid FROM identifiers WHERE channel IN (SELECT id FROM channels) AND identifier = ?1
             UNION
             SELECT psid FROM payments WHERE id = ?2 AND identifier IS NULL AND psid IS NOT NULL
             UNION
             SELECT psid FROM payments WHERE psid = ?3",
        )?;
        // A record's number is written without leading zeros.
        let id = number.parse::<i64>().ok().filter(|id| id.to_string() == number);
        let psid = number.parse::<Psid>().ok();
        let psids = select
            .query_map(params![number, id, psid.as_ref().map(Psid::as_str)], |row| row::parsed::<Psid>(row, 0))?
            .collect::<Result<Vec<_>, _>>()?;
        let payments = psids.into_iter().map(|psid| Ok(self.current(psid)?.map(|(_, payment)| payment)));
        payments.filter_map(Result::transpose).collect()
    }
}
