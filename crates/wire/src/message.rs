//! The hub's own words, and the guide's names of the domain's fields.
//!
//! guide:env-7 guide:add-11 guide:add-12

use asaanbill_core::{Field, FieldError, Problem};

/// What the hub says beside a response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Success. (documented)
    Processed,
    /// A batch of which some rows are refused. (documented)
    PartlyProcessed,
    /// A batch of which all rows are refused. (documented)
    InvalidBulk,
    /// A batch of no rows or more than 5000. (assumed)
    BulkSize,
    /// No token, or not this user's. (documented)
    NoToken,
    /// Another's channel, or a role that may not. (documented)
    Forbidden,
    /// Unknown user or wrong password; the guide makes no difference. (documented)
    BadCredentials,
    /// Not JSON, or not the object that the guide describes. (documented code, assumed words)
    InvalidBody,
    /// `generationTypes` is missing, unknown or given twice. (assumed)
    InvalidGenerationTypes,
    /// `contentType` is missing, unknown or given twice. (assumed)
    InvalidContentType,
    /// `channel-id` is no number. (assumed)
    InvalidChannel,
    /// No batch of the channel has the number. (documented)
    BulkRequestNotFound,
    /// No payment of the channel has the number. (documented, though the guide says PSID where it means the id)
    PaymentNotFound,
    /// No such path. (documented)
    NotFound,
    /// The path exists, for another method. (assumed)
    MethodNotAllowed,
    /// The body is over the limit. (assumed)
    TooLarge,
}

impl Message {
    const ALL: [Self; 16] = [
        Self::Processed,
        Self::PartlyProcessed,
        Self::InvalidBulk,
        Self::BulkSize,
        Self::NoToken,
        Self::Forbidden,
        Self::BadCredentials,
        Self::InvalidBody,
        Self::InvalidGenerationTypes,
        Self::InvalidContentType,
        Self::InvalidChannel,
        Self::BulkRequestNotFound,
        Self::PaymentNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
    ];

    /// Whether a hub's words are among those that are known, and so name nobody: one of these, or what is said of fields.
    /// Anything else may hold a payer's data, and has no place in a log.
    pub fn is_known(words: &str) -> bool {
        let of_field = |part: &str| {
            let name = part.strip_suffix(MISSING).or_else(|| part.strip_prefix(INVALID));
            name.is_some_and(|name| FIELDS.iter().any(|field| field_name(*field) == name))
        };
        Self::ALL.iter().any(|message| message.as_str() == words) || words.split(", ").all(of_field)
    }

    /// The words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "Request processed successfully",
            Self::PartlyProcessed => {
                "Processed successfully but one or more payments have errors. Refer to the \"status\" of each payment"
            }
            Self::InvalidBulk => "Invalid bulk payment request, please refer to the \"status\" of each payment",
            Self::BulkSize => "A bulk payment request has 1 to 5000 payments",
            Self::NoToken => "No valid authentication token provided",
            Self::Forbidden => "Insufficient permissions",
            Self::BadCredentials => "User not found or incorrect password",
            Self::InvalidBody => "Invalid request body",
            Self::InvalidGenerationTypes => "Invalid generationTypes",
            Self::InvalidContentType => "Invalid contentType",
            Self::InvalidChannel => "Invalid channel-id",
            Self::BulkRequestNotFound => "Record against provided bulkPaymentRequestId NOT found",
            Self::PaymentNotFound => "Payment with the provided PSID not found",
            Self::NotFound => "The requested resource does not exist",
            Self::MethodNotAllowed => "Method not allowed",
            Self::TooLarge => "Request body too large",
        }
    }

    /// A header that has to be there isn't. (documented code, assumed words)
    pub fn missing_header(name: &str) -> String {
        format!("Missing header: {name}")
    }
}

/// What is said of a field that is missing or blank. (documented)
const MISSING: &str = " cannot be empty or null";

/// What is said of a field that is anything else than it should be. (assumed)
const INVALID: &str = "Invalid ";

const FIELDS: [Field; 12] = [
    Field::Title,
    Field::Identifier,
    Field::Amount,
    Field::DueDate,
    Field::AmountAfterDueDate,
    Field::Description,
    Field::Longitude,
    Field::Latitude,
    Field::Psid,
    Field::PaymentId,
    Field::BulkRequestId,
    Field::ChannelId,
];

/// The guide's name of a field.
pub fn field_name(field: Field) -> &'static str {
    match field {
        Field::Title => "title",
        Field::Identifier => "identifier",
        Field::Amount => "amount",
        Field::DueDate => "dueDate",
        Field::AmountAfterDueDate => "amountAfterDueDate",
        Field::Description => "description",
        Field::Longitude => "longitude",
        Field::Latitude => "latitude",
        Field::Psid => "psid",
        Field::PaymentId => "paymentId",
        Field::BulkRequestId => "bulkPaymentRequestId",
        Field::ChannelId => "channel-id",
        _ => "field",
    }
}

/// What the hub says of a field: `amount cannot be empty or null` (documented) or `Invalid amount` (assumed).
pub fn refusal(error: &FieldError) -> String {
    let name = field_name(error.field());
    match error.problem() {
        Problem::Missing => format!("{name}{MISSING}"),
        _ => format!("{INVALID}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, refusal};
    use asaanbill_core::{Amount, BULK_ROWS_MAX};

    #[test]
    fn what_the_hub_says_of_a_field() {
        let said = |text: &str| refusal(&text.parse::<Amount>().unwrap_err());
        assert_eq!(said(""), "amount cannot be empty or null");
        assert_eq!(said("12.345"), "Invalid amount");
    }

    #[test]
    fn words_that_name_nobody() {
        for known in ["Invalid amount", "title cannot be empty or null, Invalid dueDate", "Insufficient permissions"] {
            assert!(Message::is_known(known), "{known}");
        }
        for other in ["", "Invalid amount for Ali Tuck Shop", "Invalid ", "FS-BSCS-095 exists", "Invalid amount, Ali"] {
            assert!(!Message::is_known(other), "{other}");
        }
        assert!(super::FIELDS.iter().all(|field| super::field_name(*field) != "field"));
    }

    #[test]
    fn the_size_of_a_batch_is_the_rule() {
        assert!(Message::BulkSize.as_str().contains(&BULK_ROWS_MAX.to_string()));
    }
}
