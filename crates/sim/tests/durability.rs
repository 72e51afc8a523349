//! What was answered is there after the end of the process, and what was begun is finished.

use asaanbill_sim::{BulkProgress, Sim};

use http::Method;

use crate::disk::Disk;
use crate::hub::{BILL, Hub, psid};
use crate::receiver::Receiver;
use crate::receivers::attempts;
use crate::story::{bill, row, shown};

/// Bills in every state, a code and a batch. Returns all that can be read.
async fn busy_day(hub: &Hub) -> String {
    for identifier in ["A", "A", "B", "C"] {
        hub.add("PSID", &bill(identifier, "50", "55", "2025-01-31")).await;
    }
    hub.pay(&psid(2), "50", "R").await;
    hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop","description":"till 1"}}"#).await;
    hub.pay(&psid(4), "20.50", "R").await;
    hub.add("DQRC", r#"{"payment":{"amount":"1500","longitude":"-72.996636","latitude":"33.646342"}}"#).await;
    hub.add("SQRC_WITH_AMOUNT", &bill("طالب علم", "0.01", "007.5", "2024-01-31")).await;
    hub.add_bulk(format!(r#"{{"payments":[{},{}]}}"#, row("C", "1", "0", ""), row("C", "2", "2", "2025-01-31"))).await;
    hub.settled().await;
    hub.everything().await
}

/// What goes on afterwards, as if nothing had been between.
async fn next_day(hub: &Hub) {
    let again = hub.add("PSID", &bill("B", "60", "60", "2025-02-28")).await;
    assert_eq!((again.data()["id"].as_u64(), again.text_at("/psid")), (Some(10), &*psid(2)), "the payer's own PSID");
    let fresh = hub.add("PSID", &bill("D", "60", "60", "2025-02-28")).await;
    assert_eq!((fresh.data()["id"].as_u64(), fresh.text_at("/psid")), (Some(11), &*psid(7)), "a number of its own");
    let (_, before) = hub.pay(&psid(2), "60", "R").await;
    assert!(before.contains(r#""id":3,"#), "the bank's repeat of the day before: {before}");
    assert_eq!(hub.pay(&psid(2), "60", "S").await.0, 200);
    let search = hub.get(&format!("/search/{}", psid(2))).send().await;
    assert_eq!(shown(&search), ["B 60 PROCESSED", "B 50 PROCESSED"]);
}

#[test]
fn everything_is_there_after_a_restart() {
    let disk = Disk::new();
    let (before, token) = disk.run(async |hub| (busy_day(&hub).await, hub.token));
    disk.run(async |hub| {
        let mut early = hub;
        early.token = token;
        assert_eq!(early.everything().await, before, "with the token of the day before");
        next_day(&early).await;
    });
}

/// The files as they are when the last answer comes, without anybody closing them.
#[test]
fn what_was_answered_is_on_the_disk() {
    let disk = Disk::new();
    let (before, copy) = disk.run(async |hub| (busy_day(&hub).await, disk.copy()));
    copy.run(async |hub| {
        assert_eq!(hub.everything().await, before);
        next_day(&hub).await;
    });
}

#[test]
fn a_batch_is_finished_and_told_of() {
    let batch =
        format!(r#"{{"payments":[{},{}]}}"#, row("A", "5", "5", "2025-01-31"), row("B", "5", "5", "2025-01-31"));
    for status in ["DRAFT", "IN_PROCESS"] {
        let disk = Disk::new();
        disk.run_with(Sim::builder().bulk_progress(BulkProgress::ByHand), async |hub| {
            hub.add_bulk(batch.clone()).await
        });
        assert_eq!(disk.look("SELECT status FROM bulk_requests"), ["DRAFT"]);
        disk.change(&format!(
            "UPDATE bulk_requests SET status = '{status}', due_at = 0; UPDATE payments SET status = '{status}'"
        ));
        with_receiver(|receiver| {
            disk.run_with(Sim::builder().callback_url(receiver.url()), async |hub| {
                let told = receiver.acknowledged().await;
                assert_eq!(told, r#"/hooks/bulk-payment-request-approved {"bulkPaymentRequestId":1}"#);
                let listed = hub.get("/payment").send().await;
                assert_eq!(shown(&listed), ["B 5 APPROVED", "A 5 APPROVED"]);
                attempts(&hub, 1).await;
            });
        });
    }
}

#[test]
fn an_owed_call_back_is_sent_once() {
    let disk = Disk::new();
    with_receiver(|receiver| {
        let url = receiver.url();
        let settings = || Sim::builder().callback_url(url.clone());
        disk.run_with(settings(), async |hub| {
            hub.add("PSID", BILL).await;
            hub.pay(&psid(1), "50", "R").await
        });
        assert_eq!(
            disk.look("SELECT path FROM callbacks WHERE id IN (SELECT CAST(payload AS INTEGER) FROM outbox)"),
            ["/processed"]
        );
        disk.run_with(settings(), async |hub| {
            let told = receiver.acknowledged().await;
            assert!(told.starts_with(r#"/hooks/processed {"title":"Muhammad Mahd Sheikh","#), "{told}");
            attempts(&hub, 1).await;
        });
        disk.run_with(settings(), async |hub| {
            hub.add("PSID", &BILL.replace("FS-BSCS-095", "FS-2")).await;
            hub.pay(&psid(2), "50", "R").await;
            let next = receiver.acknowledged().await;
            assert!(next.contains(r#""identifier":"FS-2""#), "the first one isn't sent again: {next}");
            attempts(&hub, 2).await;
        });
    });
}

/// The address is a setting, not the event's.
#[test]
fn an_owed_call_back_goes_where_call_backs_go_now() {
    let disk = Disk::new();
    let old = Sim::builder().callback_url("http://127.0.0.1:1/old".parse().unwrap());
    disk.run_with(old, async |hub| {
        hub.add("PSID", BILL).await;
        hub.pay(&psid(1), "50", "R").await
    });
    with_receiver(|receiver| {
        disk.run_with(Sim::builder().callback_url(receiver.url()), async |hub| {
            let told = receiver.acknowledged().await;
            assert!(told.starts_with("/hooks/processed "), "{told}");
            attempts(&hub, 1).await;
        });
    });
}

/// A receiver that outlives the simulators.
pub(crate) fn with_receiver(story: impl FnOnce(&mut Receiver)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut receiver = runtime.block_on(Receiver::start());
    story(&mut receiver);
}

/// A clock that was set stands where it stood after a restart, until somebody says otherwise.
#[test]
fn the_clock_goes_on_as_it_went() {
    let disk = Disk::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let later = "2025-03-01T00:00:00Z";
    disk.run(async |hub| {
        let answer = hub.ask(Method::POST, "/_sim/clock", format!(r#"{{"set":"{later}"}}"#)).raw().await;
        assert_eq!(answer.status(), 200);
    });
    runtime().block_on(async {
        let sim = Sim::builder().store(disk.location()).build().await.unwrap();
        assert_eq!(sim.clock().now().to_string(), later);
    });
    let set = Sim::builder().store(disk.location()).clock(crate::hub::clock_at("2026-01-01T00:00:00Z"));
    assert_eq!(runtime().block_on(set.build()).unwrap().clock().now().to_string(), "2026-01-01T00:00:00Z");
}

/// The newest hundred thousand stay.
#[test]
fn the_oldest_events_are_dropped() {
    let disk = Disk::new();
    disk.run(async |hub| hub.add("PSID", BILL).await);
    disk.change(
        "WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 102000)
         INSERT INTO events (id, at, channel, what) SELECT n, 0, 23, 'added' FROM n",
    );
    disk.run(async |hub| {
        // A step counts as a batch's most rows, so it is time to look.
        hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row("C", "2", "2", "2025-01-31"))).await;
        hub.settled().await;
    });
    let kept = disk.look("SELECT CAST(COUNT(*) BETWEEN 100000 AND 100999 AS TEXT) FROM events");
    assert_eq!(kept, ["1"]);
}
