//! What each error says: which field or rule, what was wrong, and what is allowed or to be done. A changed message changes this.

use asaanbill_core::{
    Amount, BULK_ROWS_MAX, BatchError, BulkRequestId, ChannelId, Description, DueDate, DynamicQrAmount, Event,
    FieldError, Fields, Identifier, InvalidPayment, InvalidTransition, Latitude, Longitude, NewPayment, PayRefused,
    PaymentId, PaymentKind, PaymentStatus, Psid, Refused, Title, TooManyRows, Unpayable,
};

fn message<T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Debug>(text: &str) -> String {
    text.parse::<T>().expect_err("it can't be read").to_string()
}

#[test]
fn a_value_that_can_t_be_read() {
    let long = "x".repeat(300);
    let messages = [
        message::<Psid>("1001391"),
        message::<Identifier>(""),
        message::<Identifier>(&long),
        message::<Title>("a\u{7}"),
        message::<Description>(&long),
        message::<Amount>("-1"),
        message::<Amount>("0"),
        message::<DynamicQrAmount>("1000000"),
        message::<DueDate>("31-06-2025"),
        message::<Latitude>("90.1"),
        message::<Longitude>("east"),
        message::<PaymentId>("x"),
        message::<ChannelId>("0"),
        message::<BulkRequestId>(""),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    PSID is malformed (7 characters: digits); allowed: exactly 24 digits
    identifier is missing or blank; allowed: 1 to 255 characters, not all blank, no control characters
    identifier is too long (300 characters: letters); allowed: 1 to 255 characters, not all blank, no control characters
    title is malformed (2 characters: letters, control characters); allowed: 1 to 255 characters, not all blank, no control characters
    description is too long (300 characters: letters); allowed: 1 to 255 characters, not all blank, no control characters
    amount is malformed (2 characters: digits, a sign); allowed: 1 to 15 digits, then at most a point and 1 or 2 digits, and more than zero
    amount is out of range (1 character: digits); allowed: 1 to 15 digits, then at most a point and 1 or 2 digits, and more than zero
    amount is out of a dynamic QR code's range (7 characters: digits); allowed: more than 0 and less than 1000000 rupees
    due date is malformed (10 characters: digits, a sign); allowed: a day of the calendar as yyyy-MM-dd
    latitude is out of range (4 characters: digits, a point); allowed: -90 to 90 degrees, at most 16 decimal places
    longitude is malformed (4 characters: letters); allowed: -180 to 180 degrees, at most 16 decimal places
    payment id is malformed (1 character: letters); allowed: a whole number from 1 to 9223372036854775807
    channel id is out of range (1 character: digits); allowed: a whole number from 1 to 9223372036854775807
    bulk request id is missing or blank; allowed: a whole number from 1 to 9223372036854775807
    ");
}

#[test]
fn a_step_that_isn_t_possible() {
    let too_many: BatchError<()> = BatchError::TooManyRows(TooManyRows { rows: 6_000 });
    let invalid = InvalidTransition { status: PaymentStatus::Draft, event: Event::Pay };
    let messages = [
        Refused::AlreadySo.to_string(),
        Refused::Invalid(invalid).to_string(),
        Unpayable::Status(Refused::AlreadySo).to_string(),
        Unpayable::Expired.to_string(),
        PayRefused::Unpayable(Unpayable::Expired).to_string(),
        PayRefused::WrongAmount { due: "55.5".parse().unwrap() }.to_string(),
        TooManyRows { rows: BULK_ROWS_MAX + 1 }.to_string(),
        too_many.to_string(),
        BatchError::Allocate(()).to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    this has already happened
    Pay is not possible for a payment that is Draft
    this has already happened
    this dynamic QR code has expired
    this dynamic QR code has expired
    the amount must be 55.5 rupees
    a batch has at most 5000 rows, this one has 5001; send it in several
    a batch has at most 5000 rows, this one has 6000; send it in several
    a PSID could not be allocated
    ");
}

/// All that is wrong with a payment, at once.
#[test]
fn a_payment_that_can_t_be_made() {
    let fields = Fields { title: Some(" "), amount: Some("0"), due_date: Some("31-01-2025"), ..Fields::default() };
    let invalid: InvalidPayment = NewPayment::parse(PaymentKind::Psid, &fields).unwrap_err();
    let first: FieldError = invalid.errors()[0];
    assert!(invalid.to_string().contains(&first.to_string()));
    insta::assert_snapshot!(invalid.to_string().replace("; ", ";\n"), @"
    title is missing or blank;
    allowed: 1 to 255 characters, not all blank, no control characters;
    identifier is missing or blank;
    allowed: 1 to 255 characters, not all blank, no control characters;
    amount is out of range (1 character: digits);
    allowed: 1 to 15 digits, then at most a point and 1 or 2 digits, and more than zero;
    due date is malformed (10 characters: digits, a sign);
    allowed: a day of the calendar as yyyy-MM-dd;
    amount after due date is missing or blank;
    allowed: 1 to 15 digits, then at most a point and 1 or 2 digits, and more than zero
    ");
}
