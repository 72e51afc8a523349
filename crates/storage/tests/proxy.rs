//! A wire to the server that is cut at a moment of the test's choice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a message holds that commits: a simple query of this text, or a value that a statement is given that is a transaction of its
/// own.
const COMMITS: [&[u8]; 2] = [b"COMMIT\0", AT_ONCE.as_bytes()];

/// The value.
pub(crate) const AT_ONCE: &str = "at once";

/// Where the wire is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    Nowhere,
    /// With whatever the store says next.
    AtOnce,
    /// The server never sees the commit.
    BeforeCommit,
    /// The server has committed, and its answer is lost.
    AfterCommit,
}

/// Stands between a store and the server, byte for byte.
pub(crate) struct Proxy {
    port: u16,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    /// Forwards to a port of this machine, for as long as the test's runtime lives.
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicU8::new(Cut::Nowhere as u8));
        let cuts = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&cuts)));
            }
        });
        Self { port, cut }
    }

    /// The URL through the proxy.
    pub(crate) fn url(&self, url: &str, server: u16) -> String {
        url.replace(&format!(":{server}/"), &format!(":{}/", self.port))
    }

    /// From now on, cuts each connection there.
    pub(crate) fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }
}

/// Ends, and with it both connections, when either side does or when it is time to cut.
async fn forward(mut client: TcpStream, mut server: TcpStream, cut: Arc<AtomicU8>) {
    let (mut sent, mut answered) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            count = client.read(&mut sent) => {
                let Ok(count @ 1..) = count else { return };
                let cut = cut.load(Ordering::SeqCst);
                let says = |what: &[u8]| sent[..count].windows(what.len()).any(|part| part == what);
                let commits = COMMITS.into_iter().any(says);
                if cut == Cut::AtOnce as u8 || commits && cut == Cut::BeforeCommit as u8 {
                    return;
                }
                server.write_all(&sent[..count]).await.unwrap();
                if commits && cut == Cut::AfterCommit as u8 {
                    // Once the server answers, it has committed.
                    assert!(server.read(&mut answered).await.unwrap() > 0);
                    return;
                }
            }
            count = server.read(&mut answered) => {
                let Ok(count @ 1..) = count else { return };
                if client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
