//! From the first request to the confirmed call-back, over each transport.

use std::time::Duration;

use asaanbill_callbacks::{Confirmed, ReceiptState};
use asaanbill_client::{Client, PageRequest, RowOutcome, Status};
use asaanbill_core::{Amount, NewPayment, PaymentStatus};
use asaanbill_e2e::{World, bill};
use asaanbill_transport::{HyperTransport, ReqwestTransport};

/// How long what has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the hub shows of a client's payments, by their numbers.
async fn statuses(client: &Client) -> Vec<(u64, PaymentStatus)> {
    let page = client.payments(PageRequest::default()).await.unwrap();
    assert_eq!((page.unread, page.is_last, page.total), (0, true, Some(page.items.len() as u64)));
    let mut shown: Vec<_> = page
        .items
        .iter()
        .map(|payment| match payment.status() {
            Some(Status::Known(status)) => (payment.id().unwrap().get(), status),
            other => panic!("{other:?}"),
        })
        .collect();
    shown.sort_unstable_by_key(|(id, _)| *id);
    shown
}

async fn check_life(mut world: World, client: Client) {
    use PaymentStatus::{Approved, Discarded, Processed};
    let first = client.add(&bill("FS-BSCS-095", "50").unwrap()).await.unwrap();
    let second = client.add(&bill("FS-BSCS-095", "70.5").unwrap()).await.unwrap();
    let psid = second.psid().unwrap();
    assert_eq!(first.psid(), Some(psid));

    let bills: Vec<_> = ["A-1", "A-2", "FS-BSCS-095"].iter().map(|key| bill(key, "10").unwrap()).collect();
    let bills: Vec<_> = bills.iter().map(|new| new.bill().unwrap().clone()).collect();
    let accepted = client.add_bulk(&bills).await.unwrap();
    assert_eq!(accepted.rows, vec![RowOutcome::Accepted; 3]);
    let Confirmed::Bulk(batch) = world.next_event().await.unwrap() else { panic!("the batch comes first") };
    assert_eq!(Some(batch.id()), accepted.id);
    let psids: Vec<_> = batch.record().payments.iter().map(|payment| payment.psid()).collect();
    assert_eq!(psids[2], Some(psid));
    assert_eq!(statuses(&client).await, [(1, Discarded), (2, Discarded), (3, Approved), (4, Approved), (5, Approved)]);

    let amount: Amount = "10".parse().unwrap();
    world.sim.bank().pay(psid, amount, "000123").await.unwrap();
    let Confirmed::Payment(paid) = world.next_event().await.unwrap() else { panic!("a payment") };
    assert_eq!((paid.id().get(), paid.record().psid(), paid.record().amount()), (5, Some(psid), Some(amount)));
    assert_eq!(statuses(&client).await[4], (5, Processed));
    let history = client.search(psid, PageRequest::default()).await.unwrap();
    assert_eq!(history.items.iter().map(|payment| payment.id().unwrap().get()).collect::<Vec<_>>(), [5, 2, 1]);

    let receipts = world.receiver.receipts().await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.state).collect::<Vec<_>>(), [ReceiptState::Confirmed; 2]);
    // An attempt is noted once its answer is read, a moment after the receiver has the event.
    let noted = async {
        loop {
            let attempts = world.sim.callback_attempts().await.unwrap();
            if attempts.len() >= 2 {
                return attempts;
            }
            tokio::task::yield_now().await;
        }
    };
    let attempts = tokio::time::timeout(PATIENCE, noted).await.expect("the attempts are noted in time");
    assert_eq!(attempts.iter().map(|attempt| attempt.failure.as_deref()).collect::<Vec<_>>(), [None, None]);
}

#[tokio::test]
async fn in_process() {
    let world = World::start().await.unwrap();
    let client = world.client(world.in_process()).unwrap();
    check_life(world, client).await;
}

#[tokio::test]
async fn over_hyper() {
    let world = World::start().await.unwrap();
    let client = world.client(HyperTransport::new().unwrap()).unwrap();
    check_life(world, client).await;
}

#[tokio::test]
async fn over_reqwest() {
    let world = World::start().await.unwrap();
    let client = world.client(ReqwestTransport::new().unwrap()).unwrap();
    check_life(world, client).await;
}

/// A template is paid again and again: two call-backs alike, two effects.
#[tokio::test]
async fn a_shop_is_paid_twice() {
    let mut world = World::start().await.unwrap();
    let client = world.client(world.in_process()).unwrap();
    let fields = asaanbill_core::Fields { title: Some("Ali Tuck Shop"), ..Default::default() };
    let shop = NewPayment::parse(asaanbill_core::PaymentKind::OpenQr, &fields).unwrap();
    let psid = client.add(&shop).await.unwrap().psid().unwrap();
    let mut effects = Vec::new();
    for reference in ["1", "2"] {
        world.sim.bank().pay(psid, "20".parse().unwrap(), reference).await.unwrap();
        let Confirmed::Payment(paid) = world.next_event().await.unwrap() else { panic!("a payment") };
        effects.push(paid.effect_key());
    }
    assert_eq!(effects, ["payment/23/2", "payment/23/3"]);
}
