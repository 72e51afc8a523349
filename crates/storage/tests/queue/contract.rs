//! What every queue does, whatever it is stored in.

use std::collections::HashSet;

use asaanbill_storage::queue::{CLAIM_MAX, Due, PAYLOAD_MAX, State};

use super::{LEASE, START, Store, at, claim, claim_at, in_lane, job, leases, payloads};

/// Runs all of it, each part on a queue of its own.
pub(super) async fn run<S: Store>(mut open: impl AsyncFnMut() -> S) {
    jobs_come_in_the_order_of_their_times(&open().await).await;
    a_leased_job_is_nobody_elses_until_the_lease_runs_out(&open().await).await;
    who_lost_a_lease_changes_nothing(&open().await).await;
    one_lost_among_others_changes_no_other(&open().await).await;
    a_heartbeat_keeps_the_lease(&open().await).await;
    the_two_clocks_are_two(&open().await).await;
    a_retry_is_due_when_it_is_said(&open().await).await;
    dead_ones_are_counted_listed_revived_and_pruned(&open().await).await;
    what_is_given_up_is_fenced(&open().await).await;
    what_is_next_is_known(&open().await).await;
    lanes_are_counted(&open().await).await;
    a_transaction_that_is_undone_leaves_everything(&open().await).await;
    nothing_is_unbounded(&open().await).await;
    many_workers_get_each_job_once(open().await).await;
}

async fn jobs_come_in_the_order_of_their_times(store: &impl Store) {
    let jobs = vec![job("third", 7), job("first", 3), job("second", 7 - 1), job("late", 100)];
    let ids = store.enqueue(jobs, START).await;
    assert_eq!(ids.len(), 4);
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!(payloads(&store.claim(claim(10, 2)).await), "");
    assert_eq!(payloads(&store.claim(claim(1, 50)).await), "first");
    let rest = store.claim(claim(10, 50)).await;
    assert_eq!(payloads(&rest), "second third");
    assert_eq!((rest[0].lease.id, rest[0].due, rest[0].enqueued), (ids[2], at(6), START));
    assert_eq!((rest[0].attempts, rest[0].rescued), (1, false));
    assert!(store.complete(leases(&rest)).await.is_none());
    assert_eq!(store.find(ids[2]).await, None);
    assert_eq!(store.enqueue(Vec::new(), START).await, Vec::<i64>::new());
    let [next] = store.enqueue(vec![job("", 0)], START).await[..] else { panic!("one") };
    assert!(next > ids[3], "numbers aren't used again");
}

async fn a_leased_job_is_nobody_elses_until_the_lease_runs_out(store: &impl Store) {
    store.enqueue(vec![job("a", 0), job("b", 0)], START).await;
    let mine = store.claim(claim(1, 0)).await;
    assert_eq!(payloads(&mine), "a");
    assert_eq!(payloads(&store.claim(claim(10, 29)).await), "b");
    // Killed, or only slow: nobody knows.
    let rescued = store.claim(claim(10, 30)).await;
    assert_eq!(payloads(&rescued), "a");
    assert_eq!((rescued[0].attempts, rescued[0].rescued), (2, true));
    assert_eq!(store.complete(leases(&mine)).await.leases(), leases(&mine));
    assert_eq!(payloads(&store.claim(claim(10, 58)).await), "");
    assert!(store.complete(leases(&rescued)).await.is_none());
    assert_eq!(store.complete(leases(&rescued)).await.leases(), leases(&rescued), "it is done already");
}

async fn who_lost_a_lease_changes_nothing(store: &impl Store) {
    store.enqueue(vec![job("a", 0)], START).await;
    let old = store.claim(claim(1, 0)).await[0].lease;
    let new = store.claim(claim(1, 30)).await[0].lease;
    assert_eq!(old.id, new.id);
    let before = store.find(old.id).await;
    assert_eq!(store.hold(vec![old]).await.leases(), [old]);
    assert_eq!(store.hold(vec![old, new]).await.leases(), [old]);
    assert_eq!(store.heartbeat(vec![old], at(999)).await.leases(), [old]);
    assert_eq!(store.retry(vec![(old, at(0))]).await.leases(), [old]);
    assert_eq!(store.bury(vec![(old, "old")], at(31)).await.leases(), [old]);
    assert_eq!(store.complete(vec![old]).await.leases(), [old]);
    assert_eq!(store.find(old.id).await, before);
    assert_eq!(store.next_due().await, Due { ready: None, lease: Some(at(60)) });
    assert!(store.complete(vec![new]).await.is_none());
}

async fn one_lost_among_others_changes_no_other(store: &impl Store) {
    store.enqueue(vec![job("a", 0), job("b", 1)], START).await;
    let old = store.claim(claim(1, 0)).await[0].lease;
    let [a, b] = leases(&store.claim(claim(2, 30)).await)[..] else { panic!("two") };
    assert_eq!(a.id, old.id);
    // The same job under both of its tokens.
    let lost = store.retry(vec![(old, at(40)), (b, at(41)), (a, at(42))]).await;
    assert_eq!(lost.leases(), [old]);
    assert!(lost.contains(old) && !lost.contains(a) && !lost.is_none());
    assert_eq!(payloads(&store.claim(claim(2, 41)).await), "b");
    assert_eq!(payloads(&store.claim(claim(2, 42)).await), "a");
}

async fn a_heartbeat_keeps_the_lease(store: &impl Store) {
    store.enqueue(vec![job("a", 0)], START).await;
    let held = leases(&store.claim(claim(1, 0)).await);
    assert!(store.heartbeat(held.clone(), at(20) + LEASE).await.is_none());
    assert_eq!(payloads(&store.claim(claim(1, 49)).await), "");
    // It ran out, but nobody was there to take the job over: it is still held.
    assert!(store.heartbeat(held.clone(), at(100) + LEASE).await.is_none());
    assert_eq!(payloads(&store.claim(claim(1, 129)).await), "");
    assert!(store.complete(held).await.is_none());
}

async fn the_two_clocks_are_two(store: &impl Store) {
    store.enqueue(vec![job("soon", 10), job("next year", 31_536_000)], START).await;
    assert_eq!(payloads(&store.claim(claim_at(10, 9, 1_000)).await), "", "real time makes nothing due");
    let soon = store.claim(claim_at(10, 10, 1_000)).await;
    assert_eq!(payloads(&soon), "soon");
    let next_year = store.claim(claim_at(10, 31_536_000, 1_001)).await;
    assert_eq!(payloads(&next_year), "next year", "a jump of the other clock ends no lease");
    assert_eq!(payloads(&store.claim(claim_at(10, 0, 1_030)).await), "soon", "a lease ends by the real clock");
    assert!(store.complete(leases(&next_year)).await.is_none());
}

async fn a_retry_is_due_when_it_is_said(store: &impl Store) {
    store.enqueue(vec![job("a", 0), job("b", 0)], START).await;
    for attempts in 1..=3_u32 {
        let now = i64::from(attempts) * 10;
        let jobs = store.claim(claim(2, now)).await;
        assert_eq!(payloads(&jobs), "a b");
        assert_eq!(jobs.iter().map(|job| job.attempts).collect::<Vec<_>>(), [attempts; 2]);
        let again = jobs.iter().map(|job| (job.lease, at(now + 10))).collect();
        assert!(store.retry(again).await.is_none());
        assert_eq!(payloads(&store.claim(claim(2, now + 9)).await), "");
    }
}

async fn dead_ones_are_counted_listed_revived_and_pruned(store: &impl Store) {
    let ids = store.enqueue((0..5).map(|n| job(&n.to_string(), n)).collect(), START).await;
    let held = leases(&store.claim(claim(4, 10)).await);
    assert!(store.bury(vec![(held[0], "hub"), (held[1], "handler"), (held[2], "hub")], at(20)).await.is_none());
    let tallies = store.tallies().await;
    let shown = tallies.iter().map(|t| format!("{} {:?} {}", t.state.as_str(), t.cause, t.count)).collect::<Vec<_>>();
    assert_eq!(shown, ["dead Some(\"handler\") 1", "dead Some(\"hub\") 2", "leased None 1", "ready None 1"]);
    assert_eq!((tallies[1].oldest, tallies[1].first_due, tallies[3].first_due), (START, at(0), at(4)));

    let dead = store.list(State::Dead, 0, 10).await;
    assert_eq!(dead.iter().map(|found| found.job.lease.id).collect::<Vec<_>>(), ids[..3]);
    assert_eq!((dead[1].cause.as_deref(), dead[1].job.payload.as_str()), (Some("handler"), "1"));
    assert_eq!(store.list(State::Dead, ids[0], 1).await, dead[1..2]);
    assert_eq!(store.list(State::Ready, 0, 10).await.len(), 1);
    let without_token = dead[0].job.lease;
    assert!(!store.complete(vec![without_token]).await.is_none(), "who looks holds nothing");

    assert_eq!(payloads(&store.claim(claim(10, 1_000)).await), "3 4", "dead ones aren't claimed");
    assert_eq!(store.revive(vec![ids[0], ids[4], 999], at(1_001)).await, [ids[0]]);
    let revived = store.claim(claim(10, 1_001)).await;
    assert_eq!((payloads(&revived), revived[0].attempts), ("0".to_owned(), 1));

    assert_eq!(store.prune(at(20), 10).await, 0, "not older");
    assert_eq!(store.prune(at(21), 1).await, 1);
    assert_eq!(store.prune(at(21), 10).await, 1);
    assert_eq!(store.list(State::Dead, 0, 10).await, []);
    assert_eq!(store.find(ids[1]).await, None);
}

async fn what_is_given_up_is_fenced(store: &impl Store) {
    let ids = store.enqueue(vec![job("a", 0), job("b", 9)], START).await;
    let held = leases(&store.claim(claim(1, 0)).await);
    assert_eq!(store.give_up(vec![ids[0], ids[1], 999], "operator", at(1)).await, ids);
    assert_eq!(store.give_up(ids.clone(), "again", at(2)).await, Vec::<i64>::new());
    assert_eq!(store.complete(held.clone()).await.leases(), held);
    assert_eq!(store.find(ids[1]).await.unwrap().cause.as_deref(), Some("operator"));
    assert_eq!(payloads(&store.claim(claim(10, 1_000)).await), "");
}

async fn what_is_next_is_known(store: &impl Store) {
    assert_eq!(store.next_due().await, Due::default());
    store.enqueue(vec![job("b", 7), job("a", 3)], START).await;
    assert_eq!(store.next_due().await, Due { ready: Some(at(3)), lease: None });
    store.claim(claim_at(1, 5, 50)).await;
    assert_eq!(store.next_due().await, Due { ready: Some(at(7)), lease: Some(at(80)) });
}

async fn lanes_are_counted(store: &impl Store) {
    let jobs = vec![in_lane("x", "1"), in_lane("y", "2"), in_lane("x", "3"), job("4", 1), in_lane("x", "5")];
    store.enqueue(jobs, START).await;
    assert_eq!(store.open_in_lane("x", 10).await, 3);
    assert_eq!(store.open_in_lane("x", 2).await, 2);
    assert_eq!(store.open_in_lane("z", 2).await, 0);
    let held = store.claim(claim(3, 0)).await;
    assert_eq!(held.iter().map(|job| job.lane.as_deref()).collect::<Vec<_>>(), [Some("x"), Some("y"), Some("x")]);
    assert_eq!(store.open_in_lane("x", 10).await, 3, "leased ones are open");
    assert!(store.bury(vec![(held[0].lease, "no")], START).await.is_none());
    assert!(store.complete(vec![held[2].lease]).await.is_none());
    assert_eq!(store.open_in_lane("x", 10).await, 1);
}

async fn a_transaction_that_is_undone_leaves_everything(store: &impl Store) {
    store.enqueue(vec![job("a", 0)], START).await;
    let held = store.claim(claim(1, 0)).await[0].lease;
    store.undone(job("b", 0), held).await;
    assert_eq!(payloads(&store.claim(claim(10, 30)).await), "a");
}

async fn nothing_is_unbounded(store: &impl Store) {
    assert!(store.refuses(job(&"x".repeat(PAYLOAD_MAX + 1), 0)).await);
    let many = CLAIM_MAX + 1;
    let mut jobs = vec![job("", 0); usize::try_from(many).unwrap()];
    jobs[0].payload = "ں\u{1}\"'\\ ".repeat(PAYLOAD_MAX / 7);
    let long = jobs[0].payload.clone();
    store.enqueue(jobs, START).await;
    let claimed = store.claim(claim(u32::MAX, 0)).await;
    assert_eq!((claimed.len(), claimed[0].payload == long), (1_000, true));
    assert_eq!(store.list(State::Leased, 0, u32::MAX).await.len(), 1_000);
    assert_eq!(store.claim(claim(0, 0)).await, []);
    assert_eq!(store.claim(claim(5, 0)).await.len(), 1);
    assert!(store.complete(leases(&claimed)).await.is_none());
}

async fn many_workers_get_each_job_once(store: impl Store) {
    const JOBS: usize = 600;
    const WORKERS: usize = 8;
    store.enqueue((0..JOBS).map(|n| job(&n.to_string(), 0)).collect(), START).await;
    let workers = (0..WORKERS).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut done = Vec::new();
            loop {
                let jobs = store.claim(claim(u32::try_from(worker).unwrap() + 1, 0)).await;
                if jobs.is_empty() {
                    return done;
                }
                assert!(store.complete(leases(&jobs)).await.is_none());
                done.extend(jobs.into_iter().map(|job| job.payload));
            }
        })
    });
    let mut done = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        done.extend(worker.await.unwrap());
    }
    assert_eq!((done.len(), done.iter().collect::<HashSet<_>>().len()), (JOBS, JOBS));
    assert_eq!(store.tallies().await, []);
}
