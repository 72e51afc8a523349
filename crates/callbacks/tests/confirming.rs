//! What becomes of call-backs, by what the hub's records say.

use std::time::Duration;

use asaanbill_callbacks::{CONFIRM_ATTEMPTS_UNKNOWN, CONFIRM_DELAYS_SECONDS, ReceiptState};

use crate::hub::Mood;
use crate::world::{World, psid};

/// Runs a story, and says what became of its call-backs and which of the hub's records were handled:
///
/// ```text
/// bill A 50 55     an unpaid bill on the PSID A; records are numbered from 1
/// template T       an open QR code
/// scan T 120       a payment on it
/// pay 1            record 1 is paid
/// status 1 X       record 1 has another status
/// post A 50 55     a call-back; `-` for no amount after the due date
/// wait 5           seconds
/// wait a day       until the receiver gives up
/// ```
///
/// After each step all that is due is done.
async fn tell(story: &str) -> String {
    let mut world = World::in_memory().await;
    let mut records: Vec<u64> = Vec::new();
    for step in story.lines().map(str::trim).filter(|step| !step.is_empty()) {
        let words: Vec<_> = step.split_whitespace().collect();
        let letter = |word: &str| psid(word.chars().next().unwrap());
        let record = |word: &str| records[word.parse::<usize>().unwrap() - 1];
        match words[..] {
            ["bill", on, amount, after] => records.push(world.hub.bill(&letter(on), amount, after)),
            ["template", on] => records.push(world.hub.template(&letter(on))),
            ["scan", on, amount] => records.push(world.hub.scan(&letter(on), amount)),
            ["pay", number] => world.hub.pay(record(number)),
            ["status", number, status] => world.hub.set_status(record(number), status),
            ["post", on, amount, after] => {
                world.post_processed(&letter(on), amount, Some(after).filter(|after| *after != "-")).await;
            }
            ["wait", "a", "day"] => {
                for seconds in CONFIRM_DELAYS_SECONDS {
                    world.pass(Duration::from_secs(seconds.into())).await;
                }
            }
            ["wait", seconds] => world.pass(Duration::from_secs(seconds.parse().unwrap())).await,
            _ => panic!("no such step: {step}"),
        }
        world.settle().await;
    }
    let states = world.states().await.into_iter().map(|state| format!("{state:?}")).collect::<Vec<_>>().join(" ");
    let number = |key: &String| {
        let id: u64 = key.strip_prefix("payment/23/").unwrap().parse().unwrap();
        (records.iter().position(|record| *record == id).unwrap() + 1).to_string()
    };
    assert_eq!(world.handled(), world.handed_over(), "nothing is handed over again");
    let handled = world.handled().iter().map(number).collect::<Vec<_>>().join(" ");
    format!("{states} -> {handled}").trim_end().to_owned()
}

async fn check(story: &str, expected: &str) {
    assert_eq!(tell(story).await, expected, "{story}");
}

#[tokio::test(start_paused = true)]
async fn paid_and_matching_is_handled_once() {
    check("bill A 50 55 \n pay 1 \n post A 50 55", "Confirmed -> 1").await;
    check("bill A 50 55 \n pay 1 \n post A 50.00 055", "Confirmed -> 1").await;
    check("bill A 50 55 \n pay 1 \n post A 50 55 \n post A 50 55", "Confirmed Duplicate -> 1").await;
    let again = "post A 50 55 \n".repeat(4);
    check(&format!("bill A 50 55 \n pay 1 \n {again} wait a day \n {again}"), &{
        let duplicates = "Duplicate ".repeat(7);
        format!("Confirmed {duplicates}-> 1")
    })
    .await;
    check(
        "bill A 50 55 \n bill B 70 70 \n pay 2 \n pay 1 \n post B 70 70 \n post A 50 55",
        "Confirmed Confirmed -> 2 1",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_amounts_are_never_handled() {
    check("bill A 50 55 \n pay 1 \n post A 5 55 \n wait a day", "Mismatch ->").await;
    check("bill A 50 55 \n pay 1 \n post A 50 50 \n wait a day", "Mismatch ->").await;
    check("bill A 50 55 \n pay 1 \n post A 55 50 \n wait a day", "Mismatch ->").await;
    check("bill A 50 55 \n pay 1 \n post A - 55 \n wait a day", "Mismatch ->").await;
    check("bill A 50 55 \n pay 1 \n post A fifty 55 \n wait a day", "Mismatch ->").await;
    check("bill A 50 55 \n post A 5 55 \n wait a day", "Rejected ->").await;
    // A forged one doesn't get into the genuine one's way.
    check("bill A 50 55 \n post A 5 55 \n pay 1 \n post A 6 55 \n post A 50 55", "Rejected Mismatch Confirmed -> 1")
        .await;
}

#[tokio::test(start_paused = true)]
async fn unknown_numbers_are_rejected_after_a_few_attempts() {
    assert_eq!(CONFIRM_ATTEMPTS_UNKNOWN, 3);
    check("post A 50 55", "Received ->").await;
    check("post A 50 55 \n wait 1", "Received ->").await;
    check("post A 50 55 \n wait 1 \n wait 1", "Received ->").await;
    check("post A 50 55 \n wait 1 \n wait 2", "Rejected ->").await;
    // Meanwhile the hub comes to know it.
    check("post A 50 55 \n wait 1 \n bill A 50 55 \n pay 1 \n wait 2", "Confirmed -> 1").await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_of_ones_own() {
    let hour = Duration::from_secs(3_600);
    let mut world = World::with_schedule(&[hour * 2, hour]).await;
    world.hub.bill(&psid('A'), "50", "55");
    world.post_processed(&psid('A'), "50", Some("55")).await;
    for (wait, asked, state) in [
        (Duration::ZERO, 1, ReceiptState::Received),
        (hour * 2 - Duration::from_secs(1), 1, ReceiptState::Received),
        (Duration::from_secs(1), 2, ReceiptState::Received),
        (hour, 3, ReceiptState::Unconfirmed),
    ] {
        world.pass(wait).await;
        world.settle().await;
        assert_eq!(
            (world.hub.asked(&format!("/search/{}", psid('A'))), world.states().await),
            (asked, vec![state]),
            "after {wait:?} more"
        );
    }
}

/// What the hub has known and forgets for a moment isn't unknown.
#[tokio::test(start_paused = true)]
async fn one_empty_answer_rejects_nothing() {
    let mut world = World::in_memory().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.post_processed(&psid('A'), "50", Some("55")).await;
    for seconds in [0, 1, 2] {
        world.pass(Duration::from_secs(seconds)).await;
    }
    world.hub.set_mood_for(&format!("/search/{}", psid('A')), Mood::Forgetful);
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.states().await, [ReceiptState::Received]);
    world.hub.set_mood_for(&format!("/search/{}", psid('A')), Mood::Well);
    world.hub.pay(bill);
    world.pass(Duration::from_secs(15)).await;
    assert_eq!(world.receipts().await[0].attempts, 5);
    assert_eq!(world.handled(), [format!("payment/23/{bill}")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_paid_yet_is_asked_for_again() {
    check("bill A 50 55 \n post A 50 55", "Received ->").await;
    check("bill A 50 55 \n post A 50 55 \n pay 1", "Received ->").await;
    check("bill A 50 55 \n post A 50 55 \n pay 1 \n wait 1", "Confirmed -> 1").await;
    check("bill A 50 55 \n post A 50 55 \n wait 1 \n wait 2 \n pay 1 \n wait 4", "Received ->").await;
    check("bill A 50 55 \n post A 50 55 \n wait 1 \n wait 2 \n pay 1 \n wait 5", "Confirmed -> 1").await;
    check("bill A 50 55 \n post A 50 55 \n wait 4000 \n pay 1 \n wait 2", "Confirmed -> 1").await;
    // Two before the payment, and one after it.
    let early = "bill A 50 55 \n post A 50 55 \n post A 50 55 \n pay 1";
    check(&format!("{early} \n wait 1 \n post A 50 55"), "Confirmed Duplicate Duplicate -> 1").await;
    check(&format!("{early} \n post A 50 55 \n wait 1"), "Duplicate Duplicate Confirmed -> 1").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_never_paid_is_given_up_after_a_day() {
    let total: u32 = CONFIRM_DELAYS_SECONDS.iter().sum();
    assert!((86_400..100_000).contains(&total), "{total} seconds");
    check("bill A 50 55 \n post A 50 55 \n wait a day", "Unconfirmed ->").await;
    // Whoever pays later is announced again.
    check("bill A 50 55 \n post A 50 55 \n wait a day \n pay 1 \n post A 50 55", "Unconfirmed Confirmed -> 1").await;
    check("bill A 50 55 \n post A 50 55 \n wait 1 \n status 1 DISCARD \n wait a day", "Rejected ->").await;
    // Of a status that the guide doesn't have nobody knows what it means.
    check("bill A 50 55 \n status 1 SETTLED \n post A 50 55", "Received ->").await;
    check("bill A 50 55 \n status 1 SETTLED \n post A 50 55 \n wait a day", "Unconfirmed ->").await;
}

#[tokio::test(start_paused = true)]
async fn each_payment_on_a_template_is_an_effect() {
    check("template T \n scan T 120 \n scan T 120 \n post T 120 - \n post T 120 -", "Confirmed Confirmed -> 2 3").await;
    check("template T \n scan T 120 \n post T 120 - \n scan T 80 \n post T 80 -", "Confirmed Confirmed -> 2 3").await;
    check("template T \n scan T 120 \n scan T 80 \n post T 80 - \n post T 120 -", "Confirmed Confirmed -> 3 2").await;
    // A repeat looks like the next payment's call-back: it waits whether there is one.
    let repeated = "template T \n scan T 120 \n post T 120 - \n post T 120 -";
    check(repeated, "Confirmed Received -> 2").await;
    check(&format!("{repeated} \n wait a day"), "Confirmed Duplicate -> 2").await;
    // The next payment's call-back was faster than the records.
    check(&format!("{repeated} \n scan T 120 \n wait 1"), "Confirmed Confirmed -> 2 3").await;
    // Nobody has paid that much.
    check("template T \n scan T 120 \n post T 5 - \n wait a day", "Unconfirmed ->").await;
    check("template T \n post T 120 - \n wait a day", "Unconfirmed ->").await;
}

#[tokio::test(start_paused = true)]
async fn a_later_bill_on_a_psid_neither_hides_nor_repeats_the_earlier_payment() {
    let next_bill = "bill A 50 55 \n pay 1 \n bill A 70 75";
    check(&format!("{next_bill} \n post A 50 55"), "Confirmed -> 1").await;
    check(&format!("{next_bill} \n post A 50 55 \n post A 50 55"), "Confirmed Duplicate -> 1").await;
    check(&format!("{next_bill} \n post A 50 55 \n pay 2 \n post A 70 75"), "Confirmed Confirmed -> 1 2").await;
    check(&format!("{next_bill} \n pay 2 \n post A 70 75 \n post A 50 55"), "Confirmed Confirmed -> 2 1").await;
    check(&format!("{next_bill} \n post A 70 75"), "Received ->").await;
    check(&format!("{next_bill} \n post A 5 5"), "Mismatch ->").await;
    // Of the same amount.
    let same = "bill A 50 55 \n pay 1 \n post A 50 55 \n bill A 50 55";
    check(&format!("{same} \n pay 2 \n post A 50 55"), "Confirmed Confirmed -> 1 2").await;
    check(&format!("{same} \n pay 2 \n post A 50 55 \n post A 50 55"), "Confirmed Confirmed Duplicate -> 1 2").await;
    // Its call-back is faster than the records: the earlier payment must not swallow it.
    check(&format!("{same} \n post A 50 55"), "Confirmed Received -> 1").await;
    check(&format!("{same} \n post A 50 55 \n pay 2 \n wait 1"), "Confirmed Confirmed -> 1 2").await;
    check(&format!("{same} \n post A 50 55 \n wait a day"), "Confirmed Duplicate -> 1").await;
    // A discarded bill was never paid.
    let discarded = "bill A 50 55 \n status 1 DISCARD \n bill A 70 75 \n pay 2";
    check(&format!("{discarded} \n post A 50 55 \n post A 70 75"), "Mismatch Confirmed -> 2").await;
}
