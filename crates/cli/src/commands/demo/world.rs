//! A hub, a receiver and a client, each behind a socket of this machine.

use std::future::pending;
use std::net::SocketAddr;

use asaanbill_callbacks::{Confirmed, Handler, HandlerError, Location, Receiver};
use asaanbill_client::{Client, EdgeWhiteSpace};
use asaanbill_sim::{Clock, Sim};
use async_trait::async_trait;
use http::Uri;
use jiff::Timestamp;
use jiff::civil::DateTime;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::failure::{During as _, Failure, There as _};
use crate::output::{Output, Step};

/// When the story takes place: before the due date of the bill that is paid. Karachi time.
const WHEN: DateTime = DateTime::constant(2025, 8, 1, 10, 22, 0, 0);

/// How many confirmed events may wait for the story, which waits for two.
const EVENTS_MAX: usize = 8;

/// What the story takes place in.
pub(super) struct World {
    pub(super) client: Client,
    pub(super) hub: SocketAddr,
    pub(super) events: mpsc::Receiver<Confirmed>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    /// The hub's and the receiver's stores; removed with the world.
    folder: TempDir,
}

/// Hands confirmed events to the story.
struct Tell(mpsc::Sender<Confirmed>);

#[async_trait]
impl Handler for Tell {
    async fn handle(&self, event: Confirmed) -> Result<(), HandlerError> {
        Ok(self.0.send(event).await?)
    }
}

impl World {
    /// Starts everything on free ports.
    pub(super) async fn start(output: &mut Output) -> Result<Self, Failure> {
        let folder = TempDir::new().during("making a folder for the stores")?;
        let hub_listener = TcpListener::bind("127.0.0.1:0").await.during("listening for the hub")?;
        let hub = hub_listener.local_addr().during("listening for the hub")?;
        let receiver_listener = TcpListener::bind("127.0.0.1:0").await.during("listening for call-backs")?;
        let receiver = receiver_listener.local_addr().during("listening for call-backs")?;

        let callback_url: Uri = format!("http://{receiver}").parse().during("the call-back address")?;
        let sim = Sim::builder()
            .store(Location::File(folder.path().join("hub.db")))
            .clock(Clock::frozen(karachi(WHEN)?))
            .callback_url(callback_url)
            .build()
            .await
            .during("starting the hub")?;
        let base = format!("http://{hub}/payment-hub/integration");
        // The guide's own samples have white space before identifiers.
        let client = Client::builder().base_url(&base).credentials("demo", "demo");
        let client = client.edge_white_space(EdgeWhiteSpace::Sent).build().during("the client")?;
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        let inbox = Location::File(folder.path().join("inbox.db"));
        let receiving = Receiver::builder(inbox, client.clone(), Tell(tell)).build().await.during("the receiver")?;

        let servers = vec![
            tokio::spawn(async move { sim.serve(hub_listener, pending()).await }),
            tokio::spawn(async move { receiving.serve(receiver_listener, pending()).await }),
        ];
        let step = Step::new("start", "A hub and a call-back receiver start on this machine")
            .line(format!("hub        {base}"))
            .line(format!("call-backs http://{receiver}"))
            .line(format!("the hub's clock stands at {WHEN}, Karachi time; it stores in SQLite"))
            .fact("hub", base)
            .fact("callbacks", format!("http://{receiver}"));
        output.show(step).during("writing")?;
        Ok(Self { client, hub, events, servers, folder })
    }

    /// The next event that the hub's records confirm.
    pub(super) async fn next_event(&mut self) -> Result<Confirmed, Failure> {
        self.events.recv().await.there("a confirmed call-back")
    }

    /// Stops the servers, and removes the stores.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        let Self { client: _, hub: _, events: _, servers, folder } = self;
        for server in servers {
            server.abort();
            match server.await {
                Ok(served) => served.during("serving")?,
                Err(stopped) if stopped.is_cancelled() => {}
                Err(panicked) => return Err(panicked).during("serving"),
            }
        }
        folder.close().during("removing the stores")
    }
}

fn karachi(at: DateTime) -> Result<Timestamp, Failure> {
    asaanbill_core::KARACHI.to_timestamp(at).during("the hub's clock")
}
