//! A network that cuts the connection after the hub has added a bill, and before the client has its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The request after which the connection is cut, once.
const ADD: &[u8] = b"POST /integration/add?";

/// How much of either direction is held at most.
const BUFFER: usize = 64 * 1024;

/// Passes bytes on between a client and a hub, until the hub has answered an `add`: the first one loses its answer.
pub(crate) struct Cutter {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Cutter {
    /// Before a hub, on a loopback port of its own.
    pub(crate) async fn before(hub: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hub: SocketAddr = hub.trim_start_matches("http://").parse().unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        let once = Arc::clone(&cut);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let hub = TcpStream::connect(hub).await.unwrap();
                tokio::spawn(pass_on(client, hub, Arc::clone(&once)));
            }
        });
        Self { address, cut, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Both ways, until one end closes, or the answer comes that is to be lost: then both ends are closed.
async fn pass_on(mut client: TcpStream, mut hub: TcpStream, cut: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut losing = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                // A head comes in one piece: the client writes it in one.
                losing |= asked[..read].windows(ADD.len()).any(|bytes| bytes == ADD) && !cut.swap(true, Ordering::AcqRel);
                if hub.write_all(&asked[..read]).await.is_err() {
                    return;
                }
            }
            read = hub.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                // The hub answers when it has committed.
                if losing || client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
