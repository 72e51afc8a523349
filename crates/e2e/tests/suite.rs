//! One suite for the client over every transport, and over both spellings of the path.

use std::time::Duration;

use asaanbill_client::raw::{Read, Request};
use asaanbill_client::{
    Client, ErrorKind, GENERATED_PREFIX, ImportEvent, ImportOptions, PageRequest, PathStyle, Resolution, ResolvePolicy,
    RetryPolicy, Status, Warning, WatchPolicy, blocking,
};
use asaanbill_core::{Fields, NewPayment, PaymentKind, PaymentStatus, Psid};
use asaanbill_e2e::{World, bill};
use asaanbill_transport::{Fault, Faulty, HyperTransport, ReqwestTransport, Transport};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// How long an operation may take, and whatever is lost may still arrive: here everything arrives.
const WINDOW: Duration = Duration::from_secs(30);

/// How long an import waits for its PSIDs.
const PSIDS_WITHIN: Duration = Duration::from_secs(60);

fn client_of(world: &World, transport: impl Transport + 'static, style: PathStyle) -> Client {
    let quick = ResolvePolicy::default().quiescence(WINDOW).looks(Duration::from_millis(5), Duration::from_millis(50));
    Client::builder()
        .base_url(world.hub_url())
        .path_style(style)
        .credentials("demo", "demo")
        .retry(RetryPolicy::default().total(WINDOW))
        .resolve_policy(quick)
        .transport(transport)
        .build()
        .unwrap()
}

async fn each_kind_is_added_and_found(client: &Client) {
    let fields = Fields {
        title: Some("Ali Tuck Shop"),
        identifier: Some("K-1"),
        amount: Some("50"),
        due_date: Some("2099-12-31"),
        amount_after_due_date: Some("500"),
        description: Some("tea"),
        longitude: Some("72.996636"),
        latitude: Some("33.646342"),
    };
    for (number, &kind) in PaymentKind::ALL.iter().enumerate() {
        let identifier = format!("K-{number}");
        let new = NewPayment::parse(kind, &Fields { identifier: Some(&identifier), ..fields }).unwrap();
        let added = client.add(&new).await.unwrap();
        let steep = matches!(kind, PaymentKind::Psid | PaymentKind::StaticQr);
        assert_eq!(added.warnings(), if steep { &[Warning::SteepSurcharge][..] } else { &[] });
        let found = client.payment(added.id().unwrap()).await.unwrap();
        assert_eq!((found.psid(), found.identifier()), (added.psid(), Some(&*identifier)));
    }
    for kind in [PaymentKind::OpenQr, PaymentKind::DynamicQr] {
        let new = NewPayment::parse(kind, &Fields { identifier: None, ..fields }).unwrap();
        let made = client.add(&new).await.unwrap().identifier().unwrap().to_owned();
        assert!(made.starts_with(GENERATED_PREFIX) && made.len() == GENERATED_PREFIX.len() + 32, "{made}");
    }
}

async fn an_unpaid_bill_is_guarded(client: &Client, world: &World) {
    let first = client.add(&bill("G-1", "50").unwrap()).await.unwrap();
    let guarded = client.add_if_none_outstanding(&bill("G-1", "60").unwrap()).await.unwrap_err();
    assert_eq!(guarded.kind(), ErrorKind::Outstanding);
    // A client that doesn't know the PSID has to look for it.
    let stranger = world.client(world.in_process()).unwrap();
    let guarded = stranger.add_if_none_outstanding(&bill("G-1", "60").unwrap()).await.unwrap_err();
    assert_eq!(guarded.kind(), ErrorKind::Outstanding);
    let again = client.add(&bill("G-1", "60").unwrap()).await.unwrap();
    assert_eq!(again.warnings(), [Warning::MayHaveDiscarded(first.id().unwrap())]);
    world.sim.bank().pay(again.psid().unwrap(), "60".parse().unwrap(), "G").await.unwrap();
    client.add_if_none_outstanding(&bill("G-1", "70").unwrap()).await.unwrap();
    client.add_if_none_outstanding(&bill("G-2", "70").unwrap()).await.unwrap();
}

async fn lists_are_streamed(client: &Client, psid: Psid) {
    let all: Vec<_> = client.all_payments().try_collect().await.unwrap();
    let pages: Vec<_> = client.payment_pages(PageRequest::new(0, 3).unwrap()).try_collect().await.unwrap();
    let swept: Vec<_> = client.sweep().try_collect().await.unwrap();
    assert!(pages.len() > 1 && pages.iter().all(|page| page.items.len() <= 3));
    let in_pages: usize = pages.iter().map(|page| page.items.len()).sum();
    assert_eq!((all.len(), all.len()), (in_pages, swept.len()));
    let mut found = client.search_all(psid);
    while let Some(payment) = found.next().await {
        assert_eq!(payment.unwrap().psid(), Some(psid));
    }
    let answer = client.read(&Request::<Read>::new("/payment", [("pageSize", "1")]).unwrap()).await.unwrap();
    assert!(answer.data.unwrap().get().contains("\"content\""));
}

async fn a_bill_is_watched_until_it_is_paid(client: &Client, world: &World) {
    let psid = client.add(&bill("W-1", "50").unwrap()).await.unwrap().psid().unwrap();
    let mut watch = client.watch(psid, WatchPolicy::new(Duration::from_millis(1), Duration::from_millis(5)));
    let status = |payment: &asaanbill_client::Payment| match payment.status() {
        Some(Status::Known(status)) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(&watch.next().await.unwrap().unwrap()), PaymentStatus::Approved);
    world.sim.bank().pay(psid, "50".parse().unwrap(), "W").await.unwrap();
    assert_eq!(status(&watch.next().await.unwrap().unwrap()), PaymentStatus::Processed);
    assert!(watch.next().await.is_none());
}

async fn batches_are_imported(client: &Client) {
    let bills = (0..12).map(|number| bill(&format!("B-{number}"), "10").unwrap().bill().unwrap().clone());
    let options = ImportOptions::named("suite").chunk_rows(5).wait_for_psids(PSIDS_WITHIN);
    let import = client.import(stream::iter(bills.collect::<Vec<_>>()), options);
    let psids = import.filter_map(async |event| match event.unwrap() {
        ImportEvent::Row(row) => Some(row.psid.unwrap()),
        _ => None,
    });
    assert_eq!(psids.collect::<Vec<_>>().await.len(), 12);
    let batches: Vec<_> = client.all_bulk_requests().try_collect().await.unwrap();
    let mut sizes: Vec<_> = batches.iter().map(|batch| batch.payments.unwrap()).collect();
    sizes.sort_unstable();
    assert_eq!((sizes, batches.iter().all(|batch| batch.created_at.is_some())), (vec![2, 5, 5], true));
}

/// Lost answers, found again: a bill by a sweep, the next by its PSID, and a batch by its rows.
async fn lost_answers_are_resolved(make: &impl Fn() -> Box<dyn Transport>, world: &World, style: PathStyle) {
    let rule = |request: &http::Request<bytes::Bytes>| {
        if request.method() == "POST" && !request.uri().path().ends_with("/login") {
            Fault::LoseAnswer
        } else {
            Fault::None
        }
    };
    let client = client_of(world, Faulty::by(make(), rule), style);
    for amount in ["50", "60"] {
        let lost = client.add(&bill("R-1", amount).unwrap()).await.unwrap_err();
        let Resolution::Added(found) = client.resolve(lost.intent().unwrap()).await.unwrap() else {
            panic!("{amount}")
        };
        assert_eq!(found.amount(), Some(amount.parse().unwrap()));
    }
    let bills: Vec<_> = ["R-2", "R-3"].map(|identifier| bill(identifier, "70").unwrap().bill().unwrap().clone()).into();
    let lost = client.add_bulk(&bills).await.unwrap_err();
    let Resolution::AddedBulk(found) = client.resolve(lost.intent().unwrap()).await.unwrap() else { panic!("a batch") };
    assert_eq!((found.rows.len(), found.id.is_some()), (2, true));
    assert!(client.open_intents(None).await.unwrap().is_empty());
}

async fn suite(make: impl Fn(&World) -> Box<dyn Transport>, style: PathStyle) {
    let world = World::start().await.unwrap();
    let client = client_of(&world, make(&world), style);
    each_kind_is_added_and_found(&client).await;
    an_unpaid_bill_is_guarded(&client, &world).await;
    a_bill_is_watched_until_it_is_paid(&client, &world).await;
    batches_are_imported(&client).await;
    let psid = client.payments(PageRequest::default()).await.unwrap().items[0].psid().unwrap();
    lists_are_streamed(&client, psid).await;
    lost_answers_are_resolved(&|| make(&world), &world, style).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_reqwest() {
    suite(|_| Box::new(ReqwestTransport::new().unwrap()), PathStyle::Single).await;
    suite(|_| Box::new(ReqwestTransport::new().unwrap()), PathStyle::Doubled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_hyper() {
    suite(|_| Box::new(HyperTransport::new().unwrap()), PathStyle::Single).await;
    suite(|_| Box::new(HyperTransport::new().unwrap()), PathStyle::Doubled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_process() {
    suite(|world| Box::new(world.in_process()), PathStyle::Single).await;
}

/// The blocking client, from a thread without a runtime and from within one.
#[tokio::test(flavor = "multi_thread")]
async fn blocking_clients() {
    let world = World::start().await.unwrap();
    let client = blocking::Client::new(client_of(&world, HyperTransport::new().unwrap(), PathStyle::Single)).unwrap();
    let refused = client.add(&bill("T-1", "50").unwrap()).unwrap_err();
    assert_eq!(
        (refused.kind(), client.sweep().next().unwrap().unwrap_err().kind()),
        (ErrorKind::Refused, ErrorKind::Refused)
    );
    let thread = std::thread::spawn(move || {
        let added = client.add(&bill("T-1", "50").unwrap()).unwrap();
        let bills: Vec<_> =
            (0..3).map(|number| bill(&format!("T-1{number}"), "5").unwrap().bill().unwrap().clone()).collect();
        let rows =
            client.import(bills, ImportOptions::new()).filter(|event| matches!(event, Ok(ImportEvent::Row(_)))).count();
        (added.psid().is_some(), rows, client.search_all(added.psid().unwrap()).count())
    });
    let done = tokio::task::spawn_blocking(|| thread.join()).await.unwrap().unwrap();
    assert_eq!(done, (true, 3, 1));
}
