//! Where the server is, read from a URL that may hold a password.

use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::{CONNECT_TIMEOUT, IDLE_TIMEOUT, STATEMENT_TIMEOUT};
use crate::error::{StorageError, StorageErrorKind};

/// A network that swallows everything is noticed after half a minute: fifteen seconds of silence, then three questions.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// And so is one that swallows what was sent, where the system can tell.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Reads a URL and adds what every session of ours has.
///
/// The driver's own reason is kept out of the error: it quotes what it didn't understand, which may be half a password.
pub(super) fn parse(url: &str) -> Result<Config, StorageError> {
    let refused = |why| StorageError::new(StorageErrorKind::Unavailable, why);
    let mut config: Config = url.parse().map_err(|_| {
        refused(
            "the URL of PostgreSQL can't be read (postgres://user:password@host:port/database?option=value, with \
             special characters percent-encoded; sslmode is disable or prefer)",
        )
    })?;
    match config.get_ssl_mode() {
        SslMode::Disable => {}
        SslMode::Prefer if stays_here(&config) => {}
        SslMode::Prefer => {
            return Err(refused(
                "TLS to PostgreSQL is not supported yet, and the server is on another machine (sslmode=disable \
                 says that the network between is trusted)",
            ));
        }
        // Never plain when TLS was asked for.
        _ => return Err(refused("TLS to PostgreSQL is not supported yet, and sslmode=require asks for it")),
    }
    if config.get_application_name().is_none() {
        config.application_name("asaanbill");
    }
    // The server reads options in order and the last one wins: what the URL says goes before our limits, not before the
    // promise that a commit is on the disk, which a database's own settings could have taken back.
    let options = format!(
        "-c statement_timeout={} -c idle_in_transaction_session_timeout={} {BY_KEY} {} -c synchronous_commit=on",
        STATEMENT_TIMEOUT.as_millis(),
        IDLE_TIMEOUT.as_millis(),
        config.get_options().unwrap_or_default(),
    );
    config.options(options);
    config.connect_timeout(CONNECT_TIMEOUT);
    config.keepalives(true).keepalives_idle(KEEPALIVE_IDLE);
    config.keepalives_interval(KEEPALIVE_INTERVAL).keepalives_retries(KEEPALIVE_RETRIES);
    config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
    Ok(config)
}

/// Statements are few, and each finds its rows by a key whatever the values: planning one anew costs more than running it. But a
/// plan may be made while a table is empty, and is kept until the server has new figures of the table, a minute later at the
/// earliest. It mustn't be one that reads all of what has come since.
const BY_KEY: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off \
                      -c enable_mergejoin=off -c jit=off";

/// Whether no byte leaves this machine. Where addresses are given beside names, the driver connects to the addresses.
fn stays_here(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().all(is_here),
        addresses => addresses.iter().all(IpAddr::is_loopback),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn check(url: &str, expected: Result<(), &str>) {
        match (parse(url), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => {
                assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{url}");
                assert!(error.to_string().contains(part), "{url}: {error}");
                assert!(error.source().is_none(), "{url}");
            }
            (found, _) => panic!("{url}: {expected:?} was expected, not {found:?}"),
        }
    }

    #[test]
    fn without_tls_only_this_machine_is_trusted_unsaid() {
        const UNSUPPORTED: Result<(), &str> = Err("TLS to PostgreSQL is not supported yet");
        for here in ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "%2Frun%2Fpostgresql", "localhost,127.0.0.1"] {
            check(&format!("postgres://u:p@{here}/bills"), Ok(()));
            check(&format!("postgres://u:p@{here}/bills?sslmode=prefer"), Ok(()));
            check(&format!("postgres://u:p@{here}/bills?sslmode=disable"), Ok(()));
            check(&format!("postgres://u:p@{here}/bills?sslmode=require"), UNSUPPORTED);
        }
        for away in ["db.example", "10.0.0.7", "[fd00::1]", "localhost,db.example", "localhost.example"] {
            check(&format!("postgres://u:p@{away}/bills"), UNSUPPORTED);
            check(&format!("postgres://u:p@{away}/bills?sslmode=require"), UNSUPPORTED);
            check(&format!("postgres://u:p@{away}/bills?sslmode=disable"), Ok(()));
        }
        check("postgres://u@localhost/bills?hostaddr=10.0.0.7", UNSUPPORTED);
        check("postgres://u@db.example/bills?hostaddr=127.0.0.1", Ok(()));
        check("host=/run/postgresql user=u dbname=bills", Ok(()));
        check("host=db.example user=u dbname=bills", UNSUPPORTED);
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_quoted() {
        for url in [
            "postgres://u:half@?secret=1@localhost/bills",
            "postgres://u:secret@localhost:secret/bills",
            "postgres://%FF%FE:secret@localhost/bills",
            "postgres://u:secret@localhost/bills?sslmode=verify-full",
            "postgres://u:secret@localhost/bills?secret",
            "mysql://u:secret@localhost/bills",
            "secret",
        ] {
            check(url, Err("can't be read"));
            let error = parse(url).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn the_urls_options_come_between_our_limits_and_our_promise() {
        let options = |url: &str| parse(url).unwrap().get_options().unwrap_or_default().to_owned();
        let ours = format!("-c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000 {BY_KEY}");
        assert_eq!(options("postgres://u@localhost/bills"), format!("{ours}  -c synchronous_commit=on"));
        assert_eq!(
            options("postgres://u@localhost/bills?options=-c%20statement_timeout%3D5"),
            format!("{ours} -c statement_timeout=5 -c synchronous_commit=on")
        );
    }

    #[test]
    fn what_is_parsed_shows_no_password() {
        let config = parse("postgres://u:secret@localhost/bills").unwrap();
        assert_eq!(config.get_password(), Some(&b"secret"[..]));
        assert!(!format!("{config:?}").contains("secret"));
    }
}
