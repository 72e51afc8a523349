//! A hub that is out to harm: the client neither panics, nor hangs, nor grows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use asaanbill_client::core::NewPayment;
use asaanbill_client::transport::{HyperTransport, ReqwestTransport, Transport};
use asaanbill_client::{Client, ClientBuilder, ErrorKind, PageRequest, ResolvePolicy, RetryPolicy, WatchPolicy};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::hub::{Answer, LOGIN, bill, client_with, ok, status};

/// The most bytes of an answer in these tests.
const ANSWER_MAX: usize = 64 * 1024;

fn impatient(builder: ClientBuilder) -> ClientBuilder {
    let window = Duration::from_millis(400);
    builder
        .answer_max(ANSWER_MAX)
        .attempt_timeout(window)
        .retry(RetryPolicy::never().total(window))
        .resolve_policy(ResolvePolicy::default().quiescence(window).looks(window, window))
}

/// Every operation, against whatever the hub answers. Each ends, and says why.
async fn every_operation(client: &Client) {
    let page = PageRequest::default();
    let psid = "100139100100154854584585".parse().unwrap();
    let NewPayment::Psid(row) = bill() else { panic!("a bill") };
    let _ = client.log_in().await;
    let _ = client.payments(page).await;
    let _ = client.search(psid, page).await;
    let _ = client.payment("25".parse().unwrap()).await;
    let _ = client.bulk_requests(page).await;
    let _ = client.bulk_request("11".parse().unwrap()).await;
    let _ = client.add(&bill()).await;
    let _ = client.add_bulk(&[row]).await;
    for intent in client.open_intents(None).await.unwrap() {
        let _ = client.resolve_now(&intent).await;
    }
    let mut sweep = client.sweep();
    for _ in 0..3 {
        let _ = sweep.next().await;
    }
    let mut watch = client.watch(psid, WatchPolicy::new(Duration::ZERO, Duration::ZERO));
    let _ = watch.next().await;
}

/// Answers that are none of the hub's.
fn nonsense() -> impl Strategy<Value = String> {
    let deep = (1_usize..20_000, any::<bool>())
        .prop_map(|(depth, list)| if list { "[".repeat(depth) } else { r#"{"data":"#.repeat(depth) });
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "-1",
        "1e999",
        "\"\"",
        r#""\ud800""#,
        "[]",
        "{}",
        "\"N/A\"",
        "99999999999999999999999",
    ]);
    let field = prop::sample::select(vec![
        "id",
        "psid",
        "status",
        "amount",
        "dueDate",
        "createdAt",
        "content",
        "totalElements",
        "isLast",
        "payments",
        "bulkPaymentRequestId",
        "token",
        "channel",
        "data",
        "responseCode",
        "responseMessage",
    ]);
    let object = prop::collection::vec((field, scalar.clone()), 0..12).prop_map(|members| {
        format!(
            "{{{}}}",
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(",")
        )
    });
    let data = prop_oneof![
        scalar.prop_map(str::to_owned),
        object.clone(),
        object.prop_map(|object| format!(r#"{{"content":[{object},1,null],"payments":[{object}],"isLast":false}}"#))
    ];
    let enveloped = (data, any::<u16>()).prop_map(|(data, code)| {
        let code = if code % 4 == 0 { code } else { 200 };
        format!(r#"{{"responseCode":{code},"responseMessage":"no","data":{data}}}"#)
    });
    prop_oneof![4 => enveloped, 1 => deep, 1 => any::<String>(), 1 => Just("<html>".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_is_read_or_refused(
        codes in prop::collection::vec(100_u16..1000, 40),
        bodies in prop::collection::vec(nonsense(), 40),
        logged_in in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let answers = codes.into_iter().zip(bodies).map(|(code, body)| status(if code % 3 == 0 { code } else { 200 }, &body));
            let first: Vec<Answer> = if logged_in { vec![ok(LOGIN)] } else { Vec::new() };
            let rest = std::iter::repeat_with(|| status(500, "")).take(200);
            let (client, _) = client_with(first.into_iter().chain(answers).chain(rest), impatient);
            every_operation(&client).await;
        });
    }
}

/// What a server sends after it has read a request, and whether it goes on sending for ever.
#[derive(Clone)]
struct Attack {
    name: &'static str,
    head: Vec<u8>,
    forever: &'static [u8],
}

fn attacks() -> Vec<Attack> {
    let attack = |name, head: &str, forever| Attack { name, head: head.as_bytes().to_vec(), forever };
    let json = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 60_000, "[".repeat(60_000));
    vec![
        attack("nothing", "", b""),
        attack("an endless head", "HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n"),
        attack("an endless header", "HTTP/1.1 200 OK\r\nx: ", b"xxxxxxxxxxxxxxxx"),
        attack("an endless body", "HTTP/1.1 200 OK\r\n\r\n", b"{\"data\":[[[[[[[["),
        attack("endless chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n"),
        attack("an endless chunk length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0000000000000000"),
        attack("a huge length", "HTTP/1.1 200 OK\r\ncontent-length: 9999999999999\r\n\r\n", b"xxxx"),
        attack("a length too long", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}", b""),
        attack("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x", b""),
        attack("endless interim answers", "", b"HTTP/1.1 100 Continue\r\n\r\n"),
        attack("another protocol", "SSH-2.0-OpenSSH_9.6\r\n", b""),
        attack("deep JSON", &json, b""),
        attack("HTML", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", b""),
        attack("a redirect", "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", b""),
    ]
}

/// What passed between a server and its client, in bytes.
#[derive(Default)]
struct Passed {
    received: usize,
    sent: usize,
}

async fn attack(mut stream: TcpStream, attack: Attack, passed: Arc<Mutex<Passed>>) {
    let mut request = vec![0; 64 * 1024];
    passed.lock().unwrap().received += stream.read(&mut request).await.unwrap_or(0);
    if stream.write_all(&attack.head).await.is_err() {
        return;
    }
    let many = attack.forever.repeat(1_024);
    while !many.is_empty() && stream.write_all(&many).await.is_ok() {
        passed.lock().unwrap().sent += many.len();
    }
    // It neither closes nor answers.
    let _ = stream.read(&mut request).await;
}

/// Each attack on a login and on an added payment, which must not be taken for refused.
async fn under_attack<T: Transport + 'static>(make: impl Fn() -> T) {
    for one in attacks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Arc::new(Mutex::new(Passed::default()));
        let (served, log) = (one.clone(), Arc::clone(&passed));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(attack(stream, served.clone(), Arc::clone(&log)));
            }
        });
        let client =
            Client::builder().base_url(format!("http://{address}")).token("demo", "dG9rZW4=", "23".parse().unwrap());
        let client = impatient(client).transport(make()).build().unwrap();
        let added = tokio::time::timeout(Duration::from_secs(10), client.add(&bill())).await;
        let error = added.unwrap_or_else(|_| panic!("{}: it hangs", one.name)).unwrap_err();
        // On a busy machine the deadline may come before a connection does: then nothing has arrived.
        let unsent = error.kind() == ErrorKind::NotSent && passed.lock().unwrap().received == 0;
        assert!(unsent || error.kind() == ErrorKind::OutcomeUnknown, "{}: {error:?}", one.name);
        let listed = tokio::time::timeout(Duration::from_secs(10), client.payments(PageRequest::default())).await;
        assert!(listed.unwrap_or_else(|_| panic!("{}: it hangs", one.name)).is_err(), "{}", one.name);
        server.abort();
        // What was sent beyond the limits lay in the sockets' buffers, and not in the client.
        let sent = passed.lock().unwrap().sent;
        assert!(sent < 64 * 1024 * 1024, "{}: the client let itself be sent {sent} bytes", one.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_over_hyper() {
    under_attack(|| HyperTransport::new().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_over_reqwest() {
    under_attack(|| ReqwestTransport::new().unwrap()).await;
}
