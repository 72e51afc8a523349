//! A simulator under mixed load: memory stays flat, and a kill in the middle loses nothing that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use asaanbill_transport::{HyperTransport, Transport};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::sim::{RECEIVED, Running};

/// After how many steps all that is bounded is full: the journal, the pages that the store holds in memory, the threads' heaps.
const WARM: u64 = 4_000;

/// How many steps more are made then, of up to two requests each and a call-back: an hour of a busy office, at five a second.
const STEPS: u64 = 18_000;

/// How many are under way at once.
const CLIENTS: u64 = 16;

/// Identifiers that are billed again and again, so that there are re-adds.
const IDENTIFIERS: u64 = 500;

/// By how much memory may grow meanwhile, in KiB: 230 bytes a step, less than anything that is kept of one takes.
#[cfg(target_os = "linux")]
const GROWTH_MAX: u64 = 4 * 1024;

struct Load {
    transport: HyperTransport,
    address: String,
    token: String,
    /// What was acknowledged: the PSIDs of added payments, and those of paid ones by their references.
    added: Mutex<BTreeSet<String>>,
    paid: Mutex<BTreeMap<String, String>>,
    next: AtomicU64,
}

impl Load {
    async fn ask(&self, method: Method, path: &str, body: String) -> Option<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", "application/json")
            .header("x-auth-ph-key", &self.token)
            .header("username", "demo")
            .header("channel-id", "23")
            .body(Bytes::from(body))
            .unwrap();
        let answer = self.transport.send(request).await.ok()?;
        let status = answer.status().as_u16();
        Some((status, serde_json::from_slice(answer.body()).ok()?))
    }

    /// One step of a client: mostly an add of any kind, now and then a payment, a look, a batch, or a login. False once the simulator
    /// is gone.
    async fn step(&self, number: u64) -> bool {
        let identifier = format!("FS-{}", number % IDENTIFIERS);
        let row = format!(
            r#"{{"title":"Sample","identifier":"{identifier}","amount":"50","dueDate":"2099-01-31","amountAfterDueDate":"55"}}"#
        );
        match number % 10 {
            0 => self.is_fine(Method::GET, "/integration/payment?pageSize=5", String::new()).await,
            1 if number % 200 == 1 => {
                let rows: Vec<String> = (0..50).map(|n| row.replace(&identifier, &format!("B-{number}-{n}"))).collect();
                let body = format!(r#"{{"payments":[{}]}}"#, rows.join(","));
                self.is_fine(Method::POST, "/integration/add-bulk?contentType=JSON", body).await
            }
            2 if number % 500 == 2 => {
                self.is_fine(Method::POST, "/integration/login", r#"{"password":"demo"}"#.to_owned()).await
            }
            _ => {
                let body = format!(r#"{{"payment":{row}}}"#);
                let kind = if number.is_multiple_of(7) { "SQRC_WITH_AMOUNT" } else { "PSID" };
                let added = self.ask(Method::POST, &format!("/integration/add?generationTypes={kind}"), body).await;
                let Some((status, added)) = added else { return false };
                assert_eq!(status, 200, "{added}");
                let psid = added["data"]["psid"].as_str().unwrap().to_owned();
                self.added.lock().unwrap().insert(psid.clone());
                if !number.is_multiple_of(3) {
                    return self
                        .is_fine(Method::GET, &format!("/integration/search/{psid}?pageSize=1"), String::new())
                        .await;
                }
                let reference = format!("R-{number}");
                let body = format!(r#"{{"psid":"{psid}","amount":"50","reference":"{reference}"}}"#);
                let Some((status, paid)) = self.ask(Method::POST, "/_sim/pay", body).await else { return false };
                // Somebody else may have paid the same bill meanwhile.
                assert!(status == 200 || status == 409, "{status} {paid}");
                if status == 200 {
                    self.paid.lock().unwrap().insert(reference, psid);
                }
                true
            }
        }
    }

    async fn is_fine(&self, method: Method, path: &str, body: String) -> bool {
        match self.ask(method, path, body).await {
            Some((status, answer)) => {
                assert_eq!(status, 200, "{path}: {answer}");
                true
            }
            None => false,
        }
    }

    /// Requests by all clients until this number.
    async fn run_to(self: &Arc<Self>, last: u64) {
        let clients = (0..CLIENTS).map(|_| {
            let load = Arc::clone(self);
            tokio::spawn(async move {
                loop {
                    let number = load.next.fetch_add(1, Ordering::Relaxed);
                    if number >= last || !load.step(number).await {
                        return;
                    }
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
    }
}

/// Acknowledges every call-back, and counts them.
async fn receiver() -> (SocketAddr, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let receive = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(([("content-type", "application/json")], RECEIVED))
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(receive)).await });
    (address, count)
}

fn token(running: &Running) -> String {
    let headers = running.log_in("demo", "demo", 23);
    let token = headers.lines().find_map(|line| line.strip_prefix("x-auth-ph-key: ")).unwrap();
    token.trim().to_owned()
}

/// Resident memory, in KiB.
#[cfg(target_os = "linux")]
fn memory(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_flat_and_a_kill_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let file = format!("--store=sqlite:{}", folder.path().join("hub.db").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (receiver, received) = runtime.block_on(receiver());
    let callbacks = format!("--callback-url=http://{receiver}/hooks");
    let args = [file.as_str(), callbacks.as_str(), "--journal-entries=100"];
    // With one heap, so that a heap more for a thread isn't taken for growth.
    let mut running = Running::start_with(folder.path(), &args, &[("MALLOC_ARENA_MAX", "1")]);
    let load = Arc::new(Load {
        transport: HyperTransport::new().unwrap(),
        address: running.address().to_owned(),
        token: token(&running),
        added: Mutex::default(),
        paid: Mutex::default(),
        next: AtomicU64::new(0),
    });
    runtime.block_on(load.run_to(WARM));
    let warm = memory(&running);
    runtime.block_on(load.run_to(WARM + STEPS));
    let later = memory(&running);
    assert!(later < warm + GROWTH_MAX, "{warm} KiB have become {later} KiB");
    let received = received.load(Ordering::Relaxed);
    assert!(received > STEPS / 100, "call-backs were part of it: {received}");

    // In the middle of more of the same.
    let killed_at = WARM + STEPS + 300;
    runtime.block_on(async {
        let going = tokio::spawn({
            let load = Arc::clone(&load);
            async move { load.run_to(u64::MAX).await }
        });
        while load.next.load(Ordering::Relaxed) < killed_at {
            tokio::task::yield_now().await;
        }
        running.kill();
        going.await.unwrap();
    });
    let paid = std::mem::take(&mut *load.paid.lock().unwrap());
    assert!(paid.len() > 200, "{}", paid.len());
    let again = Running::start(folder.path(), &args);
    let headers = again.log_in("demo", "demo", 23);
    for (reference, psid) in paid {
        // A replay is answered with the record; anything else would mean that the payment is gone.
        let body = format!(r#"{{"psid":"{psid}","amount":"50","reference":"{reference}"}}"#);
        let (status, answer) = again.ask("POST", "/_sim/pay", "", &body);
        assert_eq!(status, 200, "{reference}: {answer}");
        assert!(answer.contains(r#""status":"PROCESSED""#), "{answer}");
    }
    for psid in std::mem::take(&mut *load.added.lock().unwrap()) {
        let (status, found) = again.ask("GET", &format!("/integration/search/{psid}?pageSize=1"), &headers, "");
        assert!(status == 200 && found.contains(&psid), "{psid}: {found}");
    }
    let (status, list) = again.ask("GET", "/integration/payment?pageSize=1", &headers, "");
    assert_eq!(status, 200, "{list}");
}
