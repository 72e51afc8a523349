//! What the transports over sockets allow themselves and the server.

use std::time::Duration;

/// How long connecting may take, TLS included, within the attempt's deadline. A reachable server takes well under a
/// second; a packet lost twice is sent again after 1 and 3 seconds, so 10 leave room for both.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept. A server may close one at any time, and a request that meets the closing ends
/// as `Unknown`. The shortest keep-alive in common use is 5 s (Node.js, Apache httpd), so ours is shorter.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How many idle connections are kept for one host: as many as a busy program has requests in flight, so that each finds its
/// connection again.
pub(crate) const MAX_IDLE_PER_HOST: usize = 64;

/// How many idle connections are kept in all, whatever the number of hosts.
#[cfg(feature = "hyper")]
pub(crate) const MAX_IDLE: usize = 128;

/// How long an answer's head may be: what common servers and proxies allow, eight times over. Over reqwest, which
/// can't be told, hyper's own limit of 408 KiB holds. A hundred headers are hyper's limit over both.
#[cfg(feature = "hyper")]
pub(crate) const RESPONSE_HEAD_LIMIT: usize = 64 * 1024;
