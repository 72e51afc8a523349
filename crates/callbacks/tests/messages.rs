//! What each error says: what is wrong and what is allowed, or what to do. Never a secret. A changed message changes this.

use std::error::Error as _;
use std::time::Duration;

use asaanbill_callbacks::{Inbox, InboxError, Limits, Location, Receiver, ReceiverError, ReceiverErrorKind, Sweep};

use crate::hub::Hub;
use crate::ledger::Ledger;

/// Settings that aren't allowed are all named at once.
#[tokio::test]
async fn settings() {
    let mut limits = Limits::default();
    limits.accept_timeout = Duration::from_secs(5);
    limits.lookups_at_once = 0;
    limits.lookups_per_second = Some(0);
    limits.connections = 1;
    let builder = Receiver::builder(Location::Memory, Hub::default().client(), Ledger::default()).limits(limits);
    let builder =
        builder.path_secret("sh rt").proxy_hops(99).handlers_at_once(0).sweep(Some(Sweep::every(Duration::ZERO)));
    let failed: ReceiverError = builder.build().await.unwrap_err();
    assert_eq!(failed.kind(), ReceiverErrorKind::Settings);
    insta::assert_snapshot!(failed.to_string().replace("; ", ";\n"), @"
    the receiver's settings: accept_timeout is 5s, and may be up to 4s: the hub gives up after 5 s;
    lookups_per_second is 0, and has to be at least 1;
    lookups_at_once is 0, and has to be 1 to 256;
    connections is 1, and has to be at least 16;
    handlers_at_once is 0, and has to be 1 to 256;
    the sweep is due more than once a second;
    the path secret has 5 characters, and may have 22 to 256;
    the path secret has other characters than A-Z, a-z, 0-9, - . _ ~;
    there are 99 proxy hops, and may be up to 8
    ");
}

#[tokio::test]
async fn an_inbox_that_can_t_be_opened() {
    let nowhere = Location::File("/nowhere/at/all/inbox.db".into());
    let builder = Receiver::builder(nowhere, Hub::default().client(), Ledger::default());
    let failed = builder.build().await.unwrap_err();
    assert_eq!(failed.kind(), ReceiverErrorKind::Store);
    insta::assert_snapshot!(format!("{failed}\n{}", failed.source().unwrap()), @"
    the inbox failed; what was acknowledged is kept, and nothing is acknowledged until it works again
    SQLite: the store is not available; nothing has changed, try again when the cause is gone
    ");
}

#[test]
fn an_address_that_is_no_inbox() {
    let refused: InboxError = "mysql://me:s3cret@db.example/x".parse::<Inbox>().unwrap_err();
    // What is allowed depends on the features.
    let told = refused.to_string();
    assert!(told.starts_with("an inbox is `sqlite:<file>`, `:memory:` or "), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}
