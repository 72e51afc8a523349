//! The list's totals are kept, not counted, and pages far down are found by them: both must be as if the whole list were read.

use asaanbill_sim::Sim;
use jiff::{SignedDuration, Timestamp};

use crate::hub::{Hub, NOW};
use crate::story::row;
use crate::traffic::Chance;

/// Where pages begin to be found by the kept totals, and more.
const BATCHES: usize = 30;
const ROWS: usize = 110;

/// The whole list: number, time and status of each payment.
async fn whole(hub: &Hub) -> Vec<String> {
    let list = hub.get("/payment?pageSize=2147483647").send().await;
    assert_eq!(list.data()["totalElements"].as_u64(), Some(list.content().len() as u64), "kept and counted");
    list.column("id")
}

async fn check_pages(hub: &Hub, size: usize) {
    let whole = whole(hub).await;
    let pages = whole.len().div_ceil(size);
    for number in 0..=pages {
        let page = hub.get(&format!("/payment?pageSize={size}&pageNo={number}")).send().await;
        let expected = whole.iter().skip(number * size).take(size);
        assert!(page.column("id").iter().eq(expected), "page {number} of {size}");
        assert_eq!(page.data()["totalElements"].as_u64(), Some(whole.len() as u64));
        assert_eq!(page.data()["isLast"], number + 1 >= pages, "page {number} of {size}");
    }
}

/// Bills at many times: moments, hours and years apart, and before 1970, on a clock that is set back now and then.
#[tokio::test]
async fn pages_far_down_are_those_of_the_whole_list() {
    let hub = Hub::with(Sim::builder()).await;
    let start: Timestamp = NOW.parse().unwrap();
    let mut chance = Chance::of(1);
    let mut psids = Vec::new();
    for batch in 0..BATCHES {
        let scale =
            [1, 200, 40_000, 9_000_000, 2_500_000_000, 1_000_000_000_000][usize::try_from(chance.below(6)).unwrap()];
        let ahead =
            i64::try_from(chance.below(scale)).unwrap() - if chance.below(4) == 0 { 1_800_000_000_000 } else { 0 };
        hub.sim.set_time(start + SignedDuration::from_millis(ahead)).await.unwrap();
        // Some payers come again, and their earlier bills move in the list.
        let rows: Vec<String> = (0..ROWS)
            .map(|n| row(&format!("P{}", if n % 10 == 0 { n } else { batch * ROWS + n }), "50", "50", "2099-12-31"))
            .collect();
        let answer = hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, rows.join(","))).await;
        assert!(answer.is_success(), "{}", answer.text);
        hub.settled().await;
        let detail = hub.get(&format!("/bulk-payment-request/{}", batch + 1)).send().await;
        psids.push(detail.text_at("/payments/content/1/psid").to_owned());
        // A payment moves an early one to the list's beginning.
        if let Some(psid) = chance.pick(&psids) {
            hub.pay(psid, "50", "R").await;
        }
    }
    assert!(whole(&hub).await.len() > 3_000);
    check_pages(&hub, 100).await;
    check_pages(&hub, 997).await;
}
