//! What a client says of a lost request or answer, against what the hub's records say.

use asaanbill_client::{Client, ErrorKind, PageRequest, Resolution, RetryPolicy};
use asaanbill_e2e::{World, bill};
use asaanbill_transport::{Fault, Faulty};

/// A client whose login goes well and whose next request meets a fault.
async fn client_with(world: &World, fault: Fault) -> Client {
    let client = world.client(Faulty::new(world.in_process(), [Fault::None, fault])).unwrap();
    let client = client.with_retry(RetryPolicy::never());
    client.log_in().await.unwrap();
    client
}

/// How many payments the hub has, and what it calls the client's verdict.
async fn check(fault: Fault, verdict: ErrorKind, in_the_hub: u64) {
    let world = World::start().await.unwrap();
    let client = client_with(&world, fault).await;
    let error = client.add(&bill("FS-BSCS-095", "50").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), verdict, "{fault:?}");
    assert_eq!(error.intent().is_some(), verdict == ErrorKind::OutcomeUnknown);
    let shown = client.payments(PageRequest::default()).await.unwrap();
    assert_eq!(shown.total, Some(in_the_hub), "{fault:?}");
}

#[tokio::test]
async fn proven_not_sent_is_not_in_the_hub() {
    check(Fault::Refuse, ErrorKind::NotSent, 0).await;
}

#[tokio::test]
async fn what_nobody_knows_is_in_the_hub_or_not() {
    check(Fault::LoseRequest, ErrorKind::OutcomeUnknown, 0).await;
    check(Fault::LoseAnswer, ErrorKind::OutcomeUnknown, 1).await;
    check(Fault::CutAnswer, ErrorKind::OutcomeUnknown, 1).await;
}

/// What is proven not to have been sent may be sent again: one bill.
#[tokio::test]
async fn sending_again_what_was_not_sent_bills_once() {
    let world = World::start().await.unwrap();
    let client = client_with(&world, Fault::Refuse).await;
    let new = bill("FS-BSCS-095", "50").unwrap();
    assert_eq!(client.add(&new).await.unwrap_err().kind(), ErrorKind::NotSent);
    client.add(&new).await.unwrap();
    assert_eq!(client.payments(PageRequest::default()).await.unwrap().total, Some(1));
}

/// What is proven not to have been sent, the client sends again by itself: one bill.
#[tokio::test]
async fn the_client_sends_again_what_was_not_sent() {
    let world = World::start().await.unwrap();
    let client = client_with(&world, Fault::Refuse).await.with_retry(RetryPolicy::default());
    client.add(&bill("FS-BSCS-095", "50").unwrap()).await.unwrap();
    assert_eq!(client.payments(PageRequest::default()).await.unwrap().total, Some(1));
}

/// A caller's naive retry is refused until it is known what became of the first: the payer has paid it.
#[tokio::test]
async fn a_naive_retry_is_refused_and_the_bill_is_found() {
    let world = World::start().await.unwrap();
    let client = client_with(&world, Fault::LoseAnswer).await;
    let new = bill("FS-BSCS-095", "50").unwrap();
    let lost = client.add(&new).await.unwrap_err();
    let psid = client.payments(PageRequest::default()).await.unwrap().items[0].psid().unwrap();
    world.sim.bank().pay(psid, "50".parse().unwrap(), "1").await.unwrap();

    let again = client.add(&new).await.unwrap_err();
    assert_eq!((again.is_unresolved(), again.intent()), (true, lost.intent()));
    let Resolution::Added(found) = client.resolve(lost.intent().unwrap()).await.unwrap() else { panic!("it is there") };
    assert_eq!((found.psid(), found.status().unwrap().is_final()), (Some(psid), true));
    assert_eq!(client.search(psid, PageRequest::default()).await.unwrap().total, Some(1));
    assert!(client.open_intents(None).await.unwrap().is_empty());
}
