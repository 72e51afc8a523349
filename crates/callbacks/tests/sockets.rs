//! Over real sockets: whole, slow, cut and large.

use std::time::Duration;

use asaanbill_callbacks::ReceiptState;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::world::{ACKNOWLEDGED, World, processed, psid};

struct Server {
    port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(world: &World) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        let receiver = world.receiver.clone();
        let task = tokio::spawn(async move { receiver.serve(listener, async { drop(stopped.await) }).await });
        Self { port, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Writes, and reads until the other side closes.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(stream).await
    }
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn head(length: usize) -> String {
    format!("POST /processed HTTP/1.1\r\nhost: hooks.example\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
}

fn whole(body: &str) -> String {
    format!("{}{body}", head(body.len()))
}

#[tokio::test(start_paused = true)]
async fn a_call_back_is_acknowledged_and_handled() {
    let mut world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(bill);
    let server = Server::start(&world).await;
    let answer = server.exchange(&whole(&processed(&psid('A'), "50", Some("55")))).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{ACKNOWLEDGED}")), "{answer}");
    world.settle().await;
    assert_eq!(world.states().await, [ReceiptState::Confirmed]);
    assert_eq!(world.handled(), [format!("payment/23/{bill}")]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_acknowledged() {
    let world = World::in_memory().await;
    let server = Server::start(&world).await;
    let body = processed(&psid('A'), "50", None);
    let mut stream = server.connect().await;
    let asking = head(body.len()).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    stream.write_all(asking.as_bytes()).await.unwrap();
    // The clock is moved only once the server waits for the body.
    let mut asked = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 "));
    stream.write_all(&body.as_bytes()[..body.len() - 1]).await.unwrap();

    let waiting = async {
        let answer = read_all(stream);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => break answer,
                () = tokio::time::advance(Duration::from_millis(100)) => {}
            }
        }
    };
    let begun = tokio::time::Instant::now();
    let answer = waiting.await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains(r#"{"responseCode":503,"#), "{answer}");
    let (second, hubs_patience) = (Duration::from_secs(1), Duration::from_secs(5));
    assert!((second..hubs_patience).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(world.states().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_call_back_that_is_cut_short_is_not_stored() {
    let mut world = World::in_memory().await;
    let server = Server::start(&world).await;
    let body = processed(&psid('A'), "50", None);
    for length in [0, 1, body.len() / 2, body.len() - 1] {
        let mut stream = server.connect().await;
        stream.write_all(head(body.len()).as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..length]).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_all(stream).await;
        assert!(!answer.contains(ACKNOWLEDGED), "{length}: {answer}");
    }
    world.settle().await;
    assert_eq!(world.states().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_length_has_the_same_limit() {
    let world = World::in_memory().await;
    let server = Server::start(&world).await;
    let chunked = "POST /processed HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let fits = server.exchange(&format!("{chunked}{}b\r\n{{\"psid\":\"\"}}\r\n0\r\n\r\n", chunk.repeat(3))).await;
    assert!(fits.contains(ACKNOWLEDGED), "{fits}");
    let large = server.exchange(&format!("{chunked}{}b\r\n{{\"psid\":\"\"}}\r\n0\r\n\r\n", chunk.repeat(4))).await;
    assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
    assert_eq!(world.receipts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_it_is_told_to() {
    let world = World::in_memory().await;
    let server = Server::start(&world).await;
    let answer = server.exchange(&whole(r#"{"psid":"1"}"#)).await;
    assert!(answer.contains(ACKNOWLEDGED));
    let idle = server.connect().await;
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
    drop(idle);
    assert!(TcpStream::connect(("127.0.0.1", server.port)).await.is_err());
}
