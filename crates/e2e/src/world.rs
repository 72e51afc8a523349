//! A hub behind a socket, a receiver behind another, and clients for the hub over any transport.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use asaanbill_callbacks::{Confirmed, Handler, HandlerError, Location, Receiver};
use asaanbill_client::{BuildError, Client};
use asaanbill_core::{Fields, InvalidPayment, NewPayment, PaymentKind};
use asaanbill_sim::{Sim, SimTransport};
use asaanbill_transport::{HyperTransport, Transport};
use async_trait::async_trait;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long an event is waited for before a test fails. Events come within milliseconds.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);

/// How many events may wait for a test.
const EVENTS_MAX: usize = 1024;

/// A hub and a receiver on loopback ports, with their stores on the disk. Everything ends with it.
#[derive(Debug)]
pub struct World {
    /// The hub.
    pub sim: Sim,
    /// The receiver.
    pub receiver: Receiver,
    hub: SocketAddr,
    events: mpsc::Receiver<Confirmed>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    /// Removed when the world is dropped.
    _folder: TempDir,
}

struct Tell(mpsc::Sender<Confirmed>);

#[async_trait]
impl Handler for Tell {
    async fn handle(&self, event: Confirmed) -> Result<(), HandlerError> {
        Ok(self.0.send(event).await?)
    }
}

impl World {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If the machine has no free port or no room.
    pub async fn start() -> Result<Self, Box<dyn Error>> {
        let folder = TempDir::new()?;
        let (hub_listener, receiver_listener) =
            (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let (hub, callbacks) = (hub_listener.local_addr()?, receiver_listener.local_addr()?);
        let sim = Sim::builder()
            .store(Location::File(folder.path().join("hub.db")))
            .callback_url(format!("http://{callbacks}").parse()?)
            .build()
            .await?;
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        let confirming = client_of(hub, HyperTransport::new()?)?;
        let inbox = Location::File(folder.path().join("inbox.db"));
        let receiver = Receiver::builder(inbox, confirming, Tell(tell)).build().await?;
        let (serving, receiving) = (sim.clone(), receiver.clone());
        let servers = vec![
            tokio::spawn(async move { serving.serve(hub_listener, std::future::pending()).await }),
            tokio::spawn(async move { receiving.serve(receiver_listener, std::future::pending()).await }),
        ];
        Ok(Self { sim, receiver, hub, events, servers, _folder: folder })
    }

    /// The hub without a socket.
    pub fn in_process(&self) -> SimTransport {
        self.sim.transport()
    }

    /// The hub's address, without a path.
    pub fn hub_url(&self) -> String {
        format!("http://{}", self.hub)
    }

    /// A client of the hub that may do everything.
    ///
    /// # Errors
    ///
    /// If the transport isn't one for a client.
    pub fn client(&self, transport: impl Transport + 'static) -> Result<Client, BuildError> {
        client_of(self.hub, transport)
    }

    /// The next event that the receiver has confirmed.
    ///
    /// # Errors
    ///
    /// If none comes.
    pub async fn next_event(&mut self) -> Result<Confirmed, Box<dyn Error>> {
        Ok(tokio::time::timeout(EVENT_TIMEOUT, self.events.recv()).await?.ok_or("the receiver has stopped")?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

fn client_of(hub: SocketAddr, transport: impl Transport + 'static) -> Result<Client, BuildError> {
    Client::builder().base_url(format!("http://{hub}")).credentials("demo", "demo").transport(transport).build()
}

/// A bill that is due in 2099.
///
/// # Errors
///
/// If the identifier or the amount isn't one.
pub fn bill(identifier: &str, amount: &str) -> Result<NewPayment, InvalidPayment> {
    let fields = Fields {
        title: Some("Ali Tuck Shop"),
        identifier: Some(identifier),
        amount: Some(amount),
        due_date: Some("2099-12-31"),
        amount_after_due_date: Some(amount),
        ..Fields::default()
    };
    NewPayment::parse(PaymentKind::Psid, &fields)
}
