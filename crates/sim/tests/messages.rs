//! What each error says: what is wrong, and what is allowed or to be done. Never a secret. A changed message changes this.

use std::error::Error;
use std::time::Duration;

use asaanbill_core::ChannelId;
use asaanbill_sim::{
    BankError, BulkProgress, Fault, FaultError, FaultKind, RESEND_BODY_MAX, RESENDS_MAX, RequestMatcher, SettingError,
    Settings, Sim, SimBuilder, SimError, StoreAddress, StoreAddressError, UnknownProgress, Unmet, WorldError,
};
use asaanbill_storage::{Location, StorageError};

/// An error with its causes, as the command shows it.
fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(chain);
    cause.map_or(error.to_string(), |cause| format!("{error}: {cause}"))
}

async fn refused(builder: SimBuilder) -> String {
    let error: SimError = builder.build().await.unwrap_err();
    chain(&error)
}

#[tokio::test]
async fn a_simulator_that_can_t_start() {
    let setting = |name: &str, value: &str| {
        let mut settings = Settings::default();
        settings.set(name, value).unwrap();
        Sim::builder().settings(settings)
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, "none").unwrap();
    let url = |url: &str| Sim::builder().callback_url(url.parse().unwrap());
    let messages = [
        refused(Sim::builder().store(Location::File("/nowhere/at/all/hub.db".into()))).await,
        refused(url("http://hub.example/")).await,
        refused(url("http://me:s3cret@127.0.0.1/?a=b")).await,
        refused(setting("callback_authority", file.to_str().unwrap())).await,
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the store can't be opened; the cause says what to do: SQLite: the store is not available; nothing has changed, try again when the cause is gone: unable to open database file: /nowhere/at/all/hub.db: Error code 14: unable to open database file
    the call-back address: allowed: this machine (127.0.0.0/8, ::1, localhost), and what callback_targets names
    the call-back address can't be used: it holds a user or a password; it has a query (allowed: http or https, host, port, path)
    callback_authority: the file holds no certificate in PEM form
    ");
}

#[test]
fn texts_that_name_nothing() {
    let value = |name: &str, value: &str| Settings::default().set(name, value).unwrap_err();
    let unknown = value("callback_target", "x");
    assert!(matches!(unknown, SettingError::Unknown(_)));
    let wrong = value("bulk_progress", "s3cret");
    assert!(matches!(wrong, SettingError::Value { .. }));
    let store: StoreAddressError = "mysql://me:s3cret@db.example/x".parse::<StoreAddress>().unwrap_err();
    let progress: UnknownProgress = "soon".parse::<BulkProgress>().unwrap_err();
    let messages = [
        unknown.to_string(),
        wrong.to_string(),
        value("accept_literals", "s3cret").to_string(),
        value("bank_password", " ").to_string(),
        value("callback_targets", "10.0.0.0").to_string(),
        store.to_string(),
        progress.to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    there is no setting callback_target
    bulk_progress: expected at-once, after:SECONDS, polls:N or by-hand
    accept_literals: expected true or false
    bank_password: expected 1 to 128 characters of ASCII, not all blank
    callback_targets: expected loopback, or networks such as 10.0.0.0/8,fd00::/8
    expected memory, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    expected at-once, after:SECONDS, polls:N or by-hand
    ");
}

#[test]
fn a_payer_s_money_that_is_not_taken() {
    let due = "55.5".parse().unwrap();
    let all = [
        BankError::UnknownPsid,
        BankError::UnreadableCode,
        BankError::UnknownCode,
        BankError::AlreadyPaid,
        BankError::WrongAmount { due },
        BankError::Expired,
        BankError::Blocked,
        BankError::Reference,
        BankError::Store,
    ];
    insta::assert_snapshot!(all.map(|error| error.to_string()).join("\n"), @"
    no payment has this PSID
    this is no payment QR code that can be read
    no payment has this QR code
    already paid under another reference
    the amount must be 55.5 rupees
    this dynamic QR code has expired
    this payment can't be paid: it never got a PSID, or a newer one has taken it over
    a bank reference has 1 to 64 characters, none of them a control character
    the hub's store failed
    ");
}

#[tokio::test]
async fn a_content_that_stays_as_it_is() {
    let sim = Sim::builder().build().await.unwrap();
    let told = |result: Result<(), WorldError>| result.unwrap_err();
    let unknown = told(sim.restore_snapshot("gone").await);
    assert!(matches!(unknown, WorldError::Unknown(_)));
    let unreadable = told(sim.import("{").await);
    assert!(matches!(unreadable, WorldError::Unreadable(_)));
    let channel = ChannelId::try_from(23_u64).unwrap();
    let elsewhere = "http://hub.example/".parse().unwrap();
    let messages = [
        unknown,
        told(sim.remove_user("nobody").await),
        told(sim.resend_callback(1, None, 1).await),
        unreadable,
        told(sim.set_callback_url(channel, Some(&elsewhere)).await),
        told(sim.save_snapshot("a b").await),
        told(sim.resend_callback(1, None, RESENDS_MAX + 1).await),
        told(sim.resend_callback(1, Some("x".repeat(RESEND_BODY_MAX + 1)), 1).await),
        WorldError::Store(StorageError::closed()),
        WorldError::TooLarge,
        WorldError::Password,
    ];
    assert!(matches!(messages[5], WorldError::Name) && matches!(messages[6], WorldError::Times));
    assert!(matches!(messages[7], WorldError::Body));
    insta::assert_snapshot!(messages.map(|error| chain(&error)).join("\n"), @"
    there is no snapshot of this name or number
    there is no user of this name or number
    there is no call-back of this name or number
    this is no JSON document: EOF while parsing an object at line 1 column 1
    the call-back address: allowed: this machine (127.0.0.0/8, ::1, localhost), and what callback_targets names
    a snapshot's name has 1 to 64 characters of a-z, A-Z, 0-9, '.', '_' and '-'
    a call-back is sent again 1 to 1000 times
    a call-back is sent again with a body of at most 524288 bytes
    the store failed, and nothing has changed; the cause says what to do: the store is closed: the store is not available; nothing has changed, try again when the cause is gone
    a snapshot holds at most 500000 rows, and this simulator has more; copy the store itself instead
    the password can't be digested
    ");
}

#[tokio::test]
async fn a_fault_that_can_t_be_armed() {
    let sim = Sim::builder().build().await.unwrap();
    let arm = |fault: Fault| -> FaultError { sim.faults().arm(fault).unwrap_err() };
    let invalid = arm(Fault::new(FaultKind::ResetBefore).nth(0).times(0).share(0, 1));
    let fault = Fault::new(FaultKind::ResetBefore);
    let many = loop {
        if let Err(error) = sim.faults().arm(fault) {
            break error;
        }
    };
    assert!(many.is_too_many());
    insta::assert_snapshot!(format!("{invalid}\n{many}"), @"
    nth: allowed: a whole number from 1; times: allowed: a whole number from 1; per_mille: allowed: a whole number from 1 to 1000
    1000 faults are armed already: disarm some
    ");
}

/// A bill that nobody asked for.
#[tokio::test]
async fn an_expectation_that_isn_t_met() {
    let sim = Sim::builder().build().await.unwrap();
    let unmet: Unmet = sim.expect(RequestMatcher::any().status(200)).within(Duration::ZERO).await.unwrap_err();
    insta::assert_snapshot!(unmet, @"
    expected within 0ns: at least 1 of [status 200]; there were 0
      requests in the journal: 0
    ");
}

#[cfg(feature = "tls")]
#[test]
fn a_certificate_and_its_key() {
    use asaanbill_sim::{ServerTls, TlsError};

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = write("certificate.pem", &own.cert.pem());
    let key = write("key.pem", &other.signing_key.serialize_pem());
    let (empty, gone) = (write("empty.pem", "nothing"), folder.path().join("gone.pem"));
    let told = |certificate: &std::path::Path, key: &std::path::Path| -> String {
        let error: TlsError = ServerTls::from_pem_files(certificate, key).unwrap_err();
        error.to_string()
    };
    let messages = [told(&gone, &key), told(&empty, &key), told(&certificate, &gone), told(&certificate, &key)];
    insta::assert_snapshot!(messages.join("\n"), @"
    the certificate can't be read; give a file in PEM form
    the file holds no certificate in PEM form
    the private key can't be read; give a file in PEM form
    the certificate and the private key don't belong together; give the key that the certificate was made for
    ");
}
