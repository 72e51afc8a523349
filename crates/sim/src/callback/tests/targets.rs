//! Whom the hub calls, and whom not: the address that is connected to decides.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::receiver::{BODY, RECEIVED, call_at, pass, read_request};
use crate::callback::resolve::Resolve;
use crate::callback::{Attempt, CALLBACK_DEADLINE, Diagnosis, Sender, TargetPolicy, Trust};

/// A resolver that gives its answers one after another, the last one again and again.
pub(super) struct Book {
    answers: Vec<Vec<SocketAddr>>,
    asked: AtomicUsize,
}

impl Book {
    pub(super) fn new(addresses: &[SocketAddr]) -> Self {
        Self::changing(vec![addresses.to_vec()])
    }

    fn changing(answers: Vec<Vec<SocketAddr>>) -> Self {
        Self { answers, asked: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Resolve for Book {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.answers[asked.min(self.answers.len() - 1)].clone())
    }
}

/// A resolver that fails, or doesn't answer.
struct Broken {
    answers: bool,
}

#[async_trait]
impl Resolve for Broken {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        if self.answers { Err(io::Error::other("no such host")) } else { std::future::pending().await }
    }
}

/// Acknowledges one call-back.
async fn acknowledge(mut stream: TcpStream) {
    read_request(&mut stream).await;
    stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{RECEIVED}").as_bytes()).await.unwrap();
}

/// Calls a name that has these addresses; the receiver's own is where it says so. Nobody must connect if it isn't called.
async fn call(addresses: &[&str]) -> Attempt {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let own = listener.local_addr().unwrap();
    let addresses: Vec<_> =
        addresses.iter().map(|address| address.replace("PORT", &own.port().to_string()).parse().unwrap()).collect();
    let sender = Sender::new(TargetPolicy::default(), Trust::System).resolver(Arc::new(Book::new(&addresses)));
    let url = "http://hooks.test".parse().unwrap();
    let sending = sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE);
    tokio::select! {
        attempt = sending => attempt,
        () = async {
            acknowledge(listener.accept().await.unwrap().0).await;
            std::future::pending::<()>().await;
        } => unreachable!("the sender ends first"),
    }
}

fn forbidden(address: &str) -> Result<(), Diagnosis> {
    Err(Diagnosis::ForbiddenTarget(address.parse().unwrap()))
}

#[tokio::test]
async fn a_name_with_addresses_that_may_not_be_called() {
    assert_eq!(call(&["10.0.0.1:PORT"]).await.outcome, forbidden("10.0.0.1"));
    assert_eq!(call(&["[::ffff:169.254.169.254]:PORT"]).await.outcome, forbidden("169.254.169.254"));
    // It would lead to this machine, but by a name that nobody allowed.
    assert_eq!(call(&["0.0.0.0:PORT"]).await.outcome, forbidden("0.0.0.0"));
    assert_eq!(call(&["[::]:PORT", "10.0.0.1:PORT"]).await.outcome, forbidden("::"));
    assert_eq!(call(&[]).await.outcome, Err(Diagnosis::Dns));
    let attempt = call(&["10.0.0.1:PORT", "127.0.0.1:PORT"]).await;
    assert_eq!((attempt.outcome, attempt.peer.map(|peer| peer.ip())), (Ok(()), Some([127, 0, 0, 1].into())));
    // That the first one may be called says nothing of the second, which would lead to the receiver.
    let attempt = call(&["127.0.0.2:PORT", "0.0.0.0:PORT"]).await;
    assert!(matches!(attempt.outcome, Err(Diagnosis::Refused | Diagnosis::Unreachable)), "{attempt:?}");
    let attempt = call(&["[::ffff:127.0.0.1]:PORT"]).await;
    assert_eq!((attempt.outcome, attempt.peer.map(|peer| peer.ip())), (Ok(()), Some([127, 0, 0, 1].into())));
}

/// The name means this machine once, and the next time something else.
#[tokio::test]
async fn a_name_that_changes_its_address() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let answers = vec![vec![listener.local_addr().unwrap()], vec!["10.0.0.1:80".parse().unwrap()]];
    let book = Arc::new(Book::changing(answers));
    let sender = Sender::new(TargetPolicy::default(), Trust::System).resolver(book.clone());
    let first = call_at(&listener, &sender, "http://hooks.test", BODY.into(), CALLBACK_DEADLINE, acknowledge).await;
    assert_eq!(first.outcome, Ok(()));
    assert_eq!(book.asked.load(Ordering::Relaxed), 1, "what was checked is what was connected to");
    let url = "http://hooks.test".parse().unwrap();
    let second = sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE).await;
    assert_eq!((second.outcome, second.peer), (forbidden("10.0.0.1"), None));
}

#[tokio::test]
async fn literals_in_any_notation() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "localhost"] {
        let url = format!("http://{host}:{port}");
        let attempt = call_at(&listener, &sender, &url, BODY.into(), CALLBACK_DEADLINE, acknowledge).await;
        assert_eq!(attempt.outcome, Ok(()), "{host}");
    }
    for (host, address) in [
        ("10.0.0.1", "10.0.0.1"),
        ("0", "0.0.0.0"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("2852039166", "169.254.169.254"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("[::]", "::"),
        ("[::127.0.0.1]", "::7f00:1"),
    ] {
        let url = format!("http://{host}:{port}").parse().unwrap();
        let attempt = sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE).await;
        assert_eq!((attempt.outcome, attempt.peer), (forbidden(address), None), "{host}");
    }
}

/// Linux takes 0.0.0.0 for itself, so that a network beyond loopback can be called without a second machine.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_network_that_is_allowed() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let sender = Sender::new(TargetPolicy::parse(["0.0.0.0/32"]).unwrap(), Trust::System);
    let url = format!("http://0.0.0.0:{}", listener.local_addr().unwrap().port());
    let attempt = call_at(&listener, &sender, &url, BODY.into(), CALLBACK_DEADLINE, acknowledge).await;
    assert_eq!((attempt.outcome, attempt.peer.map(|peer| peer.ip())), (Ok(()), Some([0, 0, 0, 0].into())));
}

/// On a machine without IPv6 there is nothing to be seen.
#[tokio::test]
async fn this_machine_over_ipv6() {
    let Ok(listener) = TcpListener::bind(("::1", 0)).await else { return };
    let port = listener.local_addr().unwrap().port();
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    // `localhost` has two addresses, and nobody listens at the first.
    for host in ["[::1]", "[0:0::1]", "localhost"] {
        let url = format!("http://{host}:{port}");
        let attempt = call_at(&listener, &sender, &url, BODY.into(), CALLBACK_DEADLINE, acknowledge).await;
        assert_eq!((attempt.outcome, attempt.peer.map(|peer| peer.is_ipv6())), (Ok(()), Some(true)), "{host}");
    }
}

#[tokio::test]
async fn names_that_have_no_address() {
    let url = "http://hooks.test".parse().unwrap();
    let sender = Sender::new(TargetPolicy::default(), Trust::System).resolver(Arc::new(Broken { answers: true }));
    let attempt = sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE).await;
    assert_eq!(attempt.outcome, Err(Diagnosis::Dns));

    let sender = Sender::new(TargetPolicy::default(), Trust::System).resolver(Arc::new(Broken { answers: false }));
    let sending = sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE);
    let (attempt, ()) = tokio::join!(sending, pass(CALLBACK_DEADLINE));
    assert_eq!(attempt.outcome, Err(Diagnosis::SlowDns));
}
