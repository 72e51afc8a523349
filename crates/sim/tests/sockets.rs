//! The simulator over real sockets, and many who talk to it at once.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::sync::Arc;

use asaanbill_sim::{REQUEST_BODY_MAX, Sim, SimBuilder};
use asaanbill_transport::HyperTransport;
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::hub::{BILL, Hub, NOW, PATIENCE, clock_at, psid};
use crate::stores;
use crate::story::{bill, row, shown};

/// A simulator that serves a port, and somebody who is logged in over it.
pub(crate) struct Served {
    pub(crate) hub: Hub,
    pub(crate) port: u16,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Served {
    pub(crate) async fn start(settings: SimBuilder) -> Self {
        let sim = stores::chosen(settings).await.clock(clock_at(NOW)).build().await.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let server = sim.clone();
        let stopped = async {
            // Where nobody keeps the other end, it serves as long as the test goes on.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let served = tokio::spawn(async move { server.serve(listener, stopped).await });
        let transport = Arc::new(HyperTransport::new().unwrap());
        let hub = Hub::over(sim, transport, &format!("http://127.0.0.1:{port}")).log_in("demo", "demo").await;
        Self { hub, port, stop, served }
    }
}

/// Nothing is different where there is a socket between.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_answers_as_in_process() {
    let over_socket = Served::start(Sim::builder()).await.hub;
    let in_process = Hub::start().await;
    let batch = format!(r#"{{"payments":[{},{{}}]}}"#, row(" طالب", "5.50", "5", "2025-01-31"));
    let posts = [
        ("/add?generationTypes=PSID", BILL.to_owned()),
        ("/add?generationTypes=PSID", BILL.replace("50", "0")),
        ("/add?generationTypes=SQRC_WITH_AMOUNT", bill("طالب علم", "1.50", "2", "2025-01-31")),
        ("/add?generationTypes=SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop"}}"#.to_owned()),
        ("/add?generationTypes=DQRC", r#"{"payment":{"amount":"1","longitude":"1","latitude":"1"}}"#.to_owned()),
        ("/add?generationTypes=%50SID", String::new()),
        ("/add", BILL.to_owned()),
        ("/add-bulk?contentType=JSON", batch),
        ("/add-bulk?contentType=JSON", r#"{"payments":[{}]}"#.to_owned()),
        ("/integration/add?generationTypes=PSID", BILL.to_owned()),
        ("/login", r#"{"password":"wrong"}"#.to_owned()),
        ("/payment", String::new()),
        ("/elsewhere", "{}".to_owned()),
    ];
    for (path, body) in posts {
        let [here, there] = [&in_process, &over_socket].map(|hub| hub.post(path, body.clone()).send());
        assert_eq!(here.await.text, there.await.text, "{path} {body}");
    }
    in_process.settled().await;
    over_socket.settled().await;
    for path in
        ["/payment", "/payment/1", "/payment/9", "/payment?pageSize=0", "/search/100139000000000000000001", "/add"]
    {
        let [here, there] = [&in_process, &over_socket].map(|hub| hub.get(path).send());
        assert_eq!(here.await.text, there.await.text, "{path}");
    }
    for header in ["x-auth-ph-key", "username", "channel-id"] {
        let [here, there] = [&in_process, &over_socket].map(|hub| hub.get("/payment").without(header).send());
        assert_eq!(here.await.text, there.await.text, "without {header}");
    }
    assert_eq!(in_process.everything().await, over_socket.everything().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_body() {
    let hub = Served::start(Sim::builder()).await.hub;
    let padded = |length: usize| BILL.to_owned() + &" ".repeat(length - BILL.len());
    let whole = hub.add("PSID", &padded(REQUEST_BODY_MAX)).await;
    assert_eq!(whole.said(), "200 Request processed successfully");
    let too_large = hub.add("PSID", &padded(REQUEST_BODY_MAX + 1)).await;
    assert_eq!(too_large.said(), "413 Request body too large");
}

/// Bills that come at once on one identifier: each is the newest for a moment, and one stays.
#[tokio::test(flavor = "multi_thread")]
async fn bills_that_come_at_once() {
    const BILLS: usize = 40;
    let hub = Served::start(Sim::builder()).await.hub;
    let mut adding = JoinSet::new();
    for amount in 1..=BILLS {
        let hub = hub.clone();
        adding.spawn(async move { hub.add("PSID", &bill("A", &amount.to_string(), "1", "2025-01-31")).await });
    }
    let added = adding.join_all().await;
    let ids: BTreeSet<u64> = added.iter().map(|answer| answer.data()["id"].as_u64().unwrap()).collect();
    // On a server, two that add the identifier at once leave a gap where the second was run again.
    assert_eq!(ids.len(), BILLS);
    let psid = added[0].text_at("/psid");
    assert!(added.iter().all(|answer| answer.text_at("/psid") == psid));
    let found = hub.get(&format!("/search/{psid}")).send().await;
    let statuses = found.column("status");
    assert_eq!((statuses.len(), statuses[0].as_str()), (BILLS, "APPROVED"), "the last one");
    assert!(statuses[1..].iter().all(|status| status == "DISCARD"), "{statuses:?}");
}

/// Whichever is first decides: the old bill is paid and stays, or is discarded and can't be paid any more.
#[tokio::test(flavor = "multi_thread")]
async fn paying_and_adding_at_once() {
    let hub = Served::start(Sim::builder()).await.hub;
    let mut racing = JoinSet::new();
    for number in 1..=25 {
        let identifier = format!("FS-{number}");
        let first = hub.add("PSID", &bill(&identifier, "50", "50", "2025-01-31")).await.text_at("/psid").to_owned();
        let hub = hub.clone();
        racing.spawn(async move {
            let newer = bill(&identifier, "70", "70", "2025-01-31");
            let (added, (status, said)) = tokio::join!(hub.add("PSID", &newer), hub.pay(&first, "50", "R"));
            assert!(added.is_success(), "{}", added.text);
            let found = shown(&hub.get(&format!("/search/{first}")).send().await);
            let expected = if status == 200 { "50 PROCESSED" } else { "50 DISCARD" };
            assert!(status == 200 || said == r#"{"error":"the amount must be 70 rupees"}"#, "{status} {said}");
            assert_eq!(found, [format!("{identifier} 70 APPROVED"), format!("{identifier} {expected}")]);
        });
    }
    racing.join_all().await;
}

/// The bank's repeats that come at once debit once.
#[tokio::test(flavor = "multi_thread")]
async fn one_reference_at_once() {
    let hub = Served::start(Sim::builder()).await.hub;
    hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop","identifier":"shop"}}"#).await;
    let mut paying = JoinSet::new();
    for n in 0..40 {
        let hub = hub.clone();
        paying.spawn(async move { hub.pay(&psid(1), "20", &format!("R{}", n % 4)).await });
    }
    let paid: BTreeSet<(u16, String)> = paying.join_all().await.into_iter().collect();
    assert_eq!(paid.len(), 4, "ten times the same answer: {paid:?}");
    assert!(paid.iter().all(|(status, _)| *status == 200));
    let found = hub.get(&format!("/search/{}", psid(1))).send().await;
    assert_eq!(found.content().len(), 5, "the template and four payments");
}

/// Who asks to stop waits for what is under way, and for no more.
#[tokio::test(flavor = "multi_thread")]
async fn stopping() {
    let Served { hub, port, stop, served } = Served::start(Sim::builder()).await;
    hub.get("/payment").send().await;
    let [mut idle, mut late] = [connect(port).await, connect(port).await];
    let head = format!(
        "POST /integration/add?generationTypes=PSID HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\n\
         x-auth-ph-key: {}\r\nusername: demo\r\nchannel-id: 23\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        hub.token,
        BILL.len()
    );
    late.write_all(head.as_bytes()).await.unwrap();
    // The hub asks for the body, so the request is under way.
    let mut asked = vec![0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    late.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 "));
    stop.send(()).unwrap();
    // What is idle is closed once the stop has begun. It waits for the rest, though not for long.
    assert_eq!(in_time(idle.read(&mut [0])).await.unwrap(), 0);
    assert!(!served.is_finished());
    late.write_all(BILL.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(late.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(r#""status":"APPROVED""#), "{answer}");
    refused(port).await;
    in_time(served).await.unwrap().unwrap();
    assert_eq!(hub.sim.bank().inquire(psid(1).parse().unwrap()).await.unwrap().payment.id.get(), 1);
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Waits until nobody is let in any more.
async fn refused(port: u16) {
    in_time(async { while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {} }).await;
}

async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.expect("in time")
}

/// A page is of one moment, whatever is added meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn reading_beside_adding() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = asaanbill_storage::Location::File(folder.path().join("hub.db"));
    let hub = Served::start(Sim::builder().store(file)).await.hub;
    let mut adding = JoinSet::new();
    for n in 0..4 {
        let hub = hub.clone();
        adding.spawn(async move {
            for amount in 1..=50 {
                hub.add("PSID", &bill(&format!("{n}"), &amount.to_string(), "1", "2025-01-31")).await;
            }
        });
    }
    while adding.try_join_next().is_none() {
        let page = hub.get("/payment?pageSize=2147483647").send().await;
        assert_eq!(page.data()["totalElements"].as_u64(), Some(page.content().len() as u64));
        let approved: Vec<String> = shown(&page).into_iter().filter(|line| line.ends_with("APPROVED")).collect();
        let identifiers: BTreeSet<_> = approved.iter().map(|line| line.split(' ').next()).collect();
        assert_eq!(identifiers.len(), approved.len(), "one unpaid bill each: {approved:?}");
    }
    adding.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch() {
    let hub = Served::start(Sim::builder()).await.hub;
    let rows: Vec<String> = (0..5000).map(|n| row(&format!("FS-{n}"), "5", "5", "2025-01-31")).collect();
    let added = hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, rows.join(","))).await;
    assert_eq!(added.said(), "200 Request processed successfully");
    hub.settled().await;
    let listed = hub.get("/payment?pageSize=1").send().await;
    assert_eq!(listed.data()["totalElements"], 5000);
    let health = hub.ask(Method::GET, "/_sim/health", "").raw().await;
    assert_eq!(health.status(), 200);
}
