//! From a receiver's name to its addresses.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

/// How many names are looked up at once. A look-up takes one of the threads for blocking work, which the store and passwords
/// need too, and goes on there when nobody waits for it any more.
const LOOKUPS_MAX: usize = 8;

/// Looks names up.
#[async_trait]
pub(super) trait Resolve: Send + Sync {
    /// The addresses of a name, best first.
    ///
    /// Dropping the future gives the answer up; a question to the system may still be under way.
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver, except for `localhost`: that is this machine, whatever a resolver says. (RFC 6761)
#[derive(Debug)]
pub(super) struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if name.eq_ignore_ascii_case("localhost") {
            return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
        }
        let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        let lookup = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, also when nobody waits for it any more.
            let _permit = permit;
            (name.as_str(), port).to_socket_addrs().map(Vec::from_iter)
        });
        lookup.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::{Resolve, SystemResolver};

    #[tokio::test]
    async fn names() {
        let resolver = SystemResolver::default();
        let found = resolver.resolve("LocalHost", 80).await.unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()]);
        // Both are answered by the C library without asking anybody: an address, and a label that is too long.
        assert_eq!(resolver.resolve("127.0.0.1", 7).await.unwrap(), ["127.0.0.1:7".parse().unwrap()]);
        assert!(resolver.resolve(&"a".repeat(64), 7).await.is_err());
    }
}
