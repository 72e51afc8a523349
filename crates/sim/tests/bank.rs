//! The bank's side: what is owed, and what paying does.

use asaanbill_core::{Amount, Due, PaymentStatus, Psid};
use asaanbill_sim::{BankError, Paid};

use crate::disk::Disk;
use crate::hub::{BILL, Hub, psid};
use crate::story::check;

/// Through the due date's end in Karachi the amount; from midnight on the amount after it.
#[tokio::test]
async fn a_bill_costs_more_after_its_due_date() {
    check(
        r#"
        add FS-1 50 55 2025-01-31        -> A APPROVED psid 1
        add FS-2 50 55 2025-01-31        -> B APPROVED psid 2
        pay 1 55 R1                      -> 409 {"error":"the amount must be 50 rupees"}
        clock 2025-01-31T23:59:59+05:00  -> nothing changes
        pay 1 49.99 R1                   -> 409 {"error":"the amount must be 50 rupees"}
        pay 1 55 R1                      -> 409 {"error":"the amount must be 50 rupees"}
        pay 1 50.00 R1                   -> A PROCESSED psid 1
        clock 2025-02-01T00:00:00+05:00  -> nothing changes
        pay 2 50 R1                      -> 409 {"error":"the amount must be 55 rupees"}
        pay 2 55 R1                      -> B PROCESSED psid 2
        add FS-3 50 40 2024-01-31        -> C APPROVED psid 3
        pay 3 40 R1                      -> C PROCESSED psid 3
        "#,
    )
    .await;
}

#[tokio::test]
async fn a_code_for_an_hour() {
    check(
        r#"
        sale 1500                        -> A APPROVED psid 1
        sale 1500                        -> B APPROVED psid 2
        clock 2025-01-10T11:22:29+05:00  -> nothing changes
        pay 1 1499 R1                    -> 409 {"error":"the amount must be 1500 rupees"}
        pay 1 1500 R1                    -> A PROCESSED psid 1
        clock 2025-01-10T11:22:30+05:00  -> nothing changes
        pay 2 1500 R2                    -> 409 {"error":"this dynamic QR code has expired"}
        pay 2 1499 R2                    -> 409 {"error":"this dynamic QR code has expired"}
        pay 1 1500 R1                    -> nothing changes
        pay 1 1500 R2                    -> 409 {"error":"already paid under another reference"}
        "#,
    )
    .await;
}

/// The same reference is the bank's repeat, whatever else it says; another one is a second payment.
#[tokio::test]
async fn a_repeat_is_no_second_debit() {
    check(
        r#"
        add FS-1 50     -> A APPROVED psid 1
        pay 1 50 R1     -> A PROCESSED psid 1
        pay 1 50 R1     -> nothing changes
        pay 1 99 R1     -> nothing changes
        pay 1 50 r1     -> 409 {"error":"already paid under another reference"}
        add FS-1 70     -> B APPROVED psid 1
        pay 1 70 R1     -> nothing changes
        pay 1 70 R2     -> B PROCESSED psid 1
        add FS-2 70     -> C APPROVED psid 2
        pay 2 70 R1     -> C PROCESSED psid 2
        "#,
    )
    .await;
}

/// A code without amount is a template: each payment adds a paid record, and it stays payable.
#[tokio::test]
async fn a_code_without_amount_takes_any_amount_again_and_again() {
    check(
        r#"
        open SHOP                        -> A APPROVED psid 1
        pay 1 20 R1                      -> B PROCESSED psid 1
        pay 1 0.01 R2                    -> C PROCESSED psid 1
        pay 1 20 R1                      -> nothing changes
        clock 2035-01-10T11:22:29+05:00  -> nothing changes
        pay 1 20 R3                      -> D PROCESSED psid 1
        add SHOP 50                      -> A DISCARD psid 1; E APPROVED psid 1
        pay 1 20 R4                      -> 409 {"error":"the amount must be 50 rupees"}
        pay 1 20 R2                      -> nothing changes
        "#,
    )
    .await;
}

#[tokio::test]
async fn a_discarded_bill_is_not_paid_any_more() {
    check(
        r#"
        add FS-1 50     -> A APPROVED psid 1
        add FS-1 70     -> A DISCARD psid 1; B APPROVED psid 1
        pay 1 50 R1     -> 409 {"error":"the amount must be 70 rupees"}
        pay 1 70 R1     -> B PROCESSED psid 1
        pay 1 50 R2     -> 409 {"error":"already paid under another reference"}
        pay 2 50 R1     -> 404 {"error":"no payment has this PSID"}
        "#,
    )
    .await;
}

/// A PSID always serves its newest bill, so a store has to be changed by hand to have one of which every bill made way.
#[test]
fn a_psid_without_a_bill_to_pay_is_blocked() {
    let disk = Disk::new();
    disk.run(async |hub| hub.add("PSID", BILL).await);
    disk.change("UPDATE payments SET status = 'DISCARD'");
    disk.run(async |hub| {
        let why = "this payment can't be paid: it never got a PSID, or a newer one has taken it over";
        assert_eq!(hub.pay(&psid(1), "50", "R").await, (409, format!(r#"{{"error":"{why}"}}"#)));
        assert_eq!(hub.sim.bank().pay(typed(1), rupees("50"), "R").await, Err(BankError::Blocked));
    });
}

fn typed(number: u64) -> Psid {
    psid(number).parse().unwrap()
}

fn rupees(amount: &str) -> Amount {
    amount.parse().unwrap()
}

#[tokio::test]
async fn what_an_inquiry_says() {
    let hub = Hub::start().await;
    let bank = hub.sim.bank();
    hub.add("PSID", BILL).await;
    hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop"}}"#).await;
    hub.add("DQRC", r#"{"payment":{"amount":"1500","longitude":"72.996636","latitude":"33.646342"}}"#).await;
    let check = async |number: u64, expected: &str| {
        let said = match bank.inquire(typed(number)).await {
            Ok(inquiry) => {
                let due = match inquiry.due {
                    Ok(Due::Exactly(amount)) => amount.to_string(),
                    Ok(Due::PayersChoice) => "any amount".to_owned(),
                    Err(unpayable) => unpayable.to_string(),
                };
                format!("{:?}: {due}", inquiry.payment.status())
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    };
    check(1, "Approved: 50").await;
    check(2, "Approved: any amount").await;
    check(3, "Approved: 1500").await;
    check(4, "no payment has this PSID").await;
    hub.sim.clock().set("2025-02-01T00:00:00+05:00".parse().unwrap());
    check(1, "Approved: 55").await;
    check(3, "Approved: this dynamic QR code has expired").await;
    bank.pay(typed(1), rupees("55"), "R").await.unwrap();
    check(1, "Processed: this has already happened").await;
    hub.add("PSID", BILL).await;
    check(1, "Approved: 55").await;
}

#[tokio::test]
async fn what_paying_says() {
    let hub = Hub::start().await;
    let bank = hub.sim.bank();
    hub.add("PSID", BILL).await;
    for reference in ["", " ", &"R".repeat(65)] {
        assert_eq!(bank.pay(typed(1), rupees("50"), reference).await, Err(BankError::Reference), "{reference:?}");
    }
    assert_eq!(bank.pay(typed(2), rupees("50"), "R").await, Err(BankError::UnknownPsid));
    assert_eq!(bank.pay(typed(1), rupees("51"), "R").await, Err(BankError::WrongAmount { due: rupees("50") }));
    let longest = "ر".repeat(64);
    let now = bank.pay(typed(1), rupees("50"), &longest).await.unwrap();
    assert!(matches!(now, Paid::Now(_)), "{now:?}");
    assert_eq!(now.payment().status(), PaymentStatus::Processed);
    let before = bank.pay(typed(1), rupees("50"), &longest).await.unwrap();
    assert_eq!(before, Paid::Before(now.payment().clone()));
    assert_eq!(bank.pay(typed(1), rupees("50"), "S").await, Err(BankError::AlreadyPaid));
}

/// What a person types into another program comes in many spellings of JSON.
#[tokio::test]
async fn paying_over_http_reads_escapes() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    let (status, paid) = hub.pay(&psid(1), r"5\u0030", r#"\"R\u0031\""#).await;
    assert_eq!(status, 200, "{paid}");
    assert!(paid.contains(r#""status":"PROCESSED""#), "{paid}");
    assert_eq!(hub.pay(&psid(1), "50", r#"\"R1\""#).await, (200, paid), "the same reference");
}
