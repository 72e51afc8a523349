//! Connections that wait for their next request.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::Origin;
use super::connection::Connection;
use crate::limits::{IDLE_TIMEOUT, MAX_IDLE, MAX_IDLE_PER_HOST};

/// At most [`MAX_IDLE`] connections, oldest first. One that has waited too long is closed when the next one comes or
/// is asked for; there is no task that watches the clock.
#[derive(Default)]
pub(super) struct Idle {
    waiting: Mutex<VecDeque<Waiting>>,
}

struct Waiting {
    origin: Origin,
    since: Instant,
    connection: Box<Connection>,
}

impl Idle {
    /// The connection that was used last, if the server has left one open.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.pop(origin)?;
            if connection.is_reusable() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose exchange is complete, or closes it.
    pub(super) fn keep(&self, origin: &Origin, mut connection: Box<Connection>) {
        if connection.is_reusable() {
            self.push(Waiting { origin: origin.clone(), since: Instant::now(), connection });
        }
    }

    fn pop(&self, origin: &Origin) -> Option<Box<Connection>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        drop_expired(&mut waiting, Instant::now());
        let position = waiting.iter().rposition(|one| one.origin == *origin)?;
        waiting.remove(position).map(|one| one.connection)
    }

    fn push(&self, one: Waiting) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        drop_expired(&mut waiting, one.since);
        // Fewer than that in all are fewer of each, and then nobody has to count.
        if waiting.len() >= MAX_IDLE_PER_HOST
            && waiting.iter().filter(|other| other.origin == one.origin).count() >= MAX_IDLE_PER_HOST
        {
            return;
        }
        if waiting.len() >= MAX_IDLE {
            waiting.pop_front();
        }
        waiting.push_back(one);
    }
}

/// They stand in the order in which they came, so those that have waited too long stand first.
fn drop_expired(waiting: &mut VecDeque<Waiting>, now: Instant) {
    while waiting.front().is_some_and(|one| now.saturating_duration_since(one.since) >= IDLE_TIMEOUT) {
        waiting.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::DuplexStream;

    use super::*;

    /// Keeps one connection to this origin and returns the server's end of it.
    async fn keep(idle: &Idle, origin: &str) -> DuplexStream {
        let (client, server) = tokio::io::duplex(64);
        idle.keep(&at(origin), Connection::over(client).await.unwrap());
        server
    }

    fn at(host: &str) -> Origin {
        Origin::of(&format!("http://{host}/").parse().unwrap())
    }

    fn taken(idle: &Idle, origin: &str) -> usize {
        let mut count = 0;
        while idle.take(&at(origin)).is_some() {
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_kept_for_their_origin_up_to_a_number() {
        let idle = Idle::default();
        let mut servers = Vec::new();
        for _ in 0..=MAX_IDLE_PER_HOST {
            servers.push(keep(&idle, "a").await);
        }
        servers.push(keep(&idle, "b").await);
        assert_eq!((taken(&idle, "a"), taken(&idle, "b"), taken(&idle, "c")), (MAX_IDLE_PER_HOST, 1, 0));

        for origin in 0..=MAX_IDLE {
            servers.push(keep(&idle, &origin.to_string()).await);
        }
        assert_eq!(taken(&idle, "0"), 0, "the oldest made room");
        assert_eq!(taken(&idle, "1"), 1);
        assert_eq!(taken(&idle, &MAX_IDLE.to_string()), 1);
    }

    #[tokio::test]
    async fn a_closed_connection_is_passed_over() {
        let idle = Idle::default();
        let _open = keep(&idle, "a").await;
        drop(keep(&idle, "a").await);
        assert_eq!(taken(&idle, "a"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_waited_too_long_is_closed() {
        let idle = Idle::default();
        let _server = keep(&idle, "a").await;
        tokio::time::advance(IDLE_TIMEOUT - Duration::from_millis(1)).await;
        let connection = idle.take(&at("a")).expect("just in time");
        idle.keep(&at("a"), connection);
        tokio::time::advance(IDLE_TIMEOUT).await;
        assert_eq!(taken(&idle, "a"), 0);
    }
}
