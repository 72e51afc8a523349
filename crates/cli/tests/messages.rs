//! What each command says when it can't do what it was asked for: one line for a person, with the causes and what to do. Never a
//! secret. A changed message changes this.

use std::net::TcpListener;
use std::process::Command;

use crate::text;

/// The exit code and what it said, of a command that ends by itself.
fn said(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asaanbill"));
    for name in ["ADMIN_TOKEN", "STORE", "PATH_SECRET", "BASE_URL", "USERNAME", "PASSWORD"] {
        command.env_remove(format!("ASAANBILL_{name}"));
    }
    let output = command.args(arguments).env_remove("CLICOLOR_FORCE").output().unwrap();
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    let told = text(&output.stderr).trim_end();
    assert!(!told.contains("s3cret"), "{told}");
    format!("{}: {told}", output.status.code().unwrap())
}

#[test]
fn a_simulator_that_can_t_start() {
    // Everything that is wrong with the command line at once.
    let misread = said(&[
        "sim",
        "--listen=8088",
        "--store=mysql://me:s3cret@db.example/x",
        "--seed=-1",
        "--user=ali:s3cret",
        "--admin-token=s3cret",
        "--host-name=a b",
        "--callback-url=http://me:s3cret@127.0.0.1/",
        "--bulk-progress=soon",
        "--tls-cert=/nowhere/at/all.pem",
    ]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = said(&["sim", "--store=memory", &format!("--listen={address}")]).replace(&address, "ADDRESS");
    let no_store = said(&["sim", "--listen=127.0.0.1:0", "--store=sqlite:/dev/null/hub.db"]);
    insta::assert_snapshot!([misread, busy, no_store].join("\n"), @"
    2: asaanbill: --listen: expected IP:PORT, such as 127.0.0.1:8088, [::1]:0 or 0.0.0.0:8088
    asaanbill: --store: expected memory, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    asaanbill: --bulk-progress: expected at-once, after:SECONDS, polls:N or by-hand
    asaanbill: --seed: expected a number from 0 to 18446744073709551615
    asaanbill: --callback-url: the call-back address can't be used: it holds a user or a password (allowed: http or https, host, port, path)
    asaanbill: --host-name: expected a name without a port, such as sim.example
    asaanbill: --admin-token: expected 8 to 512 ASCII characters without spaces
    asaanbill: --user: number 1: expected NAME:PASSWORD:CHANNEL:ROLE
    asaanbill: --tls-key: needed beside --tls-cert
    For more information, try '--help'.
    1: asaanbill: ADDRESS can't be listened on; free it or give another: Address already in use (os error 98)
    1: asaanbill: the folder of /dev/null/hub.db can't be made; give another --store: File exists (os error 17)
    ");
}

#[test]
fn a_receiver_that_can_t_start() {
    let listen = |more: &[&str]| {
        let fixed = ["listen", "--print", "--username=demo", "--password=s3cret"];
        said(&fixed.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let secret = "--path-secret=0123456789abcdefghijkl";
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = listen(&[secret, "--store=:memory:", &format!("--listen={address}")]).replace(&address, "ADDRESS");
    let messages = [
        listen(&["--path-secret=short", "--store=:memory:", "--proxy-hops=99"]),
        listen(&[secret, "--store=:memory:", "--base-url=http://hub.example"]),
        listen(&[secret, "--store=sqlite:/nowhere/at/all/inbox.db"]),
        listen(&[secret, "--store=inbox.db"]),
        busy,
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    1: asaanbill: the receiver's settings: the path secret has 5 characters, and may have 22 to 256; there are 99 proxy hops, and may be up to 8
    1: asaanbill: the hub's base address is not allowed: only https is allowed, and http on this machine (expected: https://HOST/PATH)
    1: asaanbill: the inbox failed; what was acknowledged is kept, and nothing is acknowledged until it works again: SQLite: the store is not available; nothing has changed, try again when the cause is gone: unable to open database file: /nowhere/at/all/inbox.db: Error code 14: unable to open database file
    2: error: invalid value 'inbox.db' for '--store <STORE>': an inbox is `sqlite:<file>`, `:memory:` or `postgres://user:password@host/database`

    For more information, try '--help'.
    1: asaanbill: ADDRESS can't be listened on; free it or give another: Address already in use (os error 98)
    ");
}
