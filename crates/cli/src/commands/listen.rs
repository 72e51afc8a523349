//! `asaanbill listen`: a receiver of call-backs that runs a program for each confirmed event.

use std::error::Error;
use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use asaanbill_callbacks::{Confirmed, Handler, HandlerError, Inbox, IpNet, PaymentRecord, Receiver, bind};
use asaanbill_client::Client;
use async_trait::async_trait;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::exit_code;

/// How long a program may take for one event; then it is ended, and the event comes again.
const EXEC_TIMEOUT: Duration = Duration::from_secs(60);

/// What `listen` is told.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("to").required(true).multiple(true).args(["exec", "print"])))]
pub(crate) struct ListenArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// The secret part of the path: the hub posts to http://…/SECRET/processed. 22 to 256 of A-Z a-z 0-9 - . _ ~
    #[arg(long, value_name = "SECRET", env = "ASAANBILL_PATH_SECRET", hide_env_values = true)]
    path_secret: String,

    /// Where the inbox is: sqlite:FILE, or `postgres://USER:PASSWORD@HOST/DATABASE`
    #[arg(
        long,
        value_name = "STORE",
        env = "ASAANBILL_STORE",
        hide_env_values = true,
        default_value = "sqlite:inbox.db"
    )]
    store: Inbox,

    /// Take call-backs from this network alone; may be given several times
    #[arg(long, value_name = "CIDR")]
    allow: Vec<IpNet>,

    /// How many proxies of yours are before it
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    proxy_hops: usize,

    /// The hub's base address; its staging system if nothing is said
    #[arg(long, value_name = "URL", env = "ASAANBILL_BASE_URL")]
    base_url: Option<String>,

    /// Who logs in to the hub
    #[arg(long, value_name = "NAME", env = "ASAANBILL_USERNAME")]
    username: String,

    /// The password
    #[arg(long, value_name = "PASSWORD", env = "ASAANBILL_PASSWORD", hide_env_values = true)]
    password: String,

    /// Run this program for each event, with the event as JSON on standard input; exit code 0 means that it is handled
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,

    /// Print each event, one JSON object a line
    #[arg(long)]
    print: bool,

    /// Serve /metrics, /health and /receipts there: a private address
    #[arg(long, value_name = "ADDRESS")]
    operator: Option<SocketAddr>,
}

/// Listens until it is told to stop.
pub(crate) async fn run(args: ListenArgs) -> ExitCode {
    match listen(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit_code::failed(&*error),
    }
}

async fn listen(args: ListenArgs) -> Result<(), Box<dyn Error>> {
    let ListenArgs {
        listen,
        path_secret,
        store,
        allow,
        proxy_hops,
        base_url,
        username,
        password,
        exec,
        print,
        operator,
    } = args;
    let mut client = Client::builder().credentials(username, password);
    if let Some(url) = base_url {
        client = client.base_url(url);
    }
    let receiver = Receiver::builder(store, client.build()?, Outlet { exec, print })
        .path_secret(path_secret)
        .allow(allow)
        .proxy_hops(proxy_hops)
        .build()
        .await?;
    let listener = bind(listen).map_err(|error| not_bound(listen, &error))?;
    say(&format!("listening on {}", listener.local_addr()?));
    if let Some(address) = operator {
        let listener = TcpListener::bind(address).await.map_err(|error| not_bound(address, &error))?;
        say(&format!("metrics and health on {}", listener.local_addr()?));
        let router = receiver.operator_router();
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    receiver.serve(listener, told_to_stop()).await?;
    Ok(())
}

/// Why there is no listener, and what to do.
fn not_bound(address: SocketAddr, error: &std::io::Error) -> String {
    format!("{address} can't be listened on; free it or give another: {error}")
}

/// For a person, beside the events on standard output.
fn say(line: &str) {
    use std::io::Write as _;
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "asaanbill: {line}");
}

/// By the keyboard, or by whoever runs services.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Nobody can say it: it listens until it is killed, which loses nothing.
        std::future::pending::<()>().await;
    }
}

/// Where events go.
struct Outlet {
    exec: Option<String>,
    print: bool,
}

#[async_trait]
impl Handler for Outlet {
    async fn handle(&self, event: Confirmed) -> Result<(), HandlerError> {
        let mut line = event_json(&event).to_string();
        line.push('\n');
        if let Some(command) = &self.exec {
            exec(command, &line).await?;
        }
        if self.print {
            use std::io::Write as _;
            let mut out = anstream::stdout().lock();
            out.write_all(line.as_bytes())?;
            out.flush()?;
        }
        Ok(())
    }
}

/// Runs the program through the shell. Its exit code decides.
async fn exec(command: &str, line: &str) -> Result<(), HandlerError> {
    let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    shell.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command);
    // Standard output is for events; the program's goes where messages go.
    let mut child = shell.stdin(Stdio::piped()).stdout(std::io::stderr()).kill_on_drop(true).spawn()?;
    let input = child.stdin.take();
    let running = async {
        if let Some(mut input) = input {
            // A program that doesn't read its input may handle the event all the same.
            let _ = input.write_all(line.as_bytes()).await;
        }
        child.wait().await
    };
    let status = tokio::time::timeout(EXEC_TIMEOUT, running).await??;
    if status.success() { Ok(()) } else { Err(format!("the program ended with {status}").into()) }
}

/// An event for a script: names that never change, amounts as text.
fn event_json(event: &Confirmed) -> Value {
    let notice = event.notice();
    let mut value = json!({
        "effect_key": event.effect_key(),
        "received_at": notice.received_at.to_string(),
        "swept": notice.swept,
        "attempt": notice.attempt,
    });
    match event {
        Confirmed::Payment(paid) => {
            value["event"] = "payment".into();
            value["payment"] = payment_json(paid.record());
        }
        Confirmed::Bulk(batch) => {
            value["event"] = "bulk".into();
            value["id"] = batch.id().get().into();
            value["payments"] = batch.record().payments.iter().map(payment_json).collect();
        }
        _ => value["event"] = "other".into(),
    }
    value
}

fn payment_json(record: &PaymentRecord) -> Value {
    json!({
        "id": record.id().map(|id| id.get()),
        "psid": record.psid().map(|psid| psid.as_str().to_owned()),
        "title": record.title(),
        "identifier": record.identifier(),
        "amount": record.amount().map(|amount| amount.as_str().to_owned()),
        "amount_after_due_date": record.amount_after_due_date().map(|amount| amount.as_str().to_owned()),
        "due_date": record.due_date_text(),
        "status": record.status_text(),
        "paid_at": record.paid_at().map(|at| at.to_string()),
    })
}
