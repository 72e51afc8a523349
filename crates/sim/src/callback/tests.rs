//! Attempts over real sockets: one for every way in which a receiver can fail.

mod receiver;

mod answers;
mod slow;
mod targets;
mod tls;
