//! Titles and descriptions.

use crate::error::Field;
use crate::text::payer_text;

payer_text! {
    /// What the banking app shows: usually the payer's or the shop's name. (Guide, Add Payment: `title`)
    ///
    /// Not blank, at most [`crate::TEXT_MAX_CHARS`] characters, no control characters; kept as it was given. `Debug`
    /// hides it.
    Title, Field::Title
}

payer_text! {
    /// What a QR code is for, seen on the hub's portal. (Guide, Add Payment: `description`)
    ///
    /// Not blank, at most [`crate::TEXT_MAX_CHARS`] characters, no control characters; kept as it was given. `Debug`
    /// hides it.
    Description, Field::Description
}
