//! The client for programs without a runtime of their own.
//!
//! [`Client`] has a runtime inside, with one thread; its operations are those of the [asynchronous one](crate::Client) and
//! are documented there. They block, so **not for asynchronous programs**: inside a runtime they refuse to run, before
//! anything is sent.
//!
//! ```no_run
//! use asaanbill_client::blocking::Client;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = asaanbill_client::Client::builder().credentials("<your user name>", "<your password>").build()?;
//! let client = Client::new(client)?;
//! for payment in client.all_payments() {
//!     println!("{:?}", payment?.status());
//! }
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;

use asaanbill_core::{Bill, BulkRequestId, ChannelId, NewPayment, PaymentId, Psid};
use asaanbill_wire::{BulkRow, PageRequest};
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{BuildError, ClientError, ErrorKind};
use crate::raw::{Answer, Create, Read, Request, Unsent};
use crate::{
    BulkAccepted, BulkRequest, BulkSummary, ImportEvent, ImportOptions, Intent, IntentId, Page, Payment, Resolution,
    WatchPolicy,
};

/// A client whose operations block. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Client {
    inner: crate::Client,
    runtime: Arc<Inside>,
}

/// The runtime, which ends without waiting: a drop must not block, wherever it happens.
struct Inside(Option<Runtime>);

impl Inside {
    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("the runtime is there until the drop").block_on(work)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// An asynchronous stream, element by element.
#[must_use = "nothing is read until it is asked for"]
pub struct Iter<T> {
    client: Client,
    stream: Option<BoxStream<'static, Result<T, ClientError>>>,
}

impl Client {
    /// Makes a client block. Starts one thread.
    ///
    /// # Errors
    ///
    /// [`BuildError::Transport`] if the system gives no thread.
    pub fn new(client: crate::Client) -> Result<Self, BuildError> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("asaanbill-client").enable_all().build();
        let runtime = runtime.map_err(|error| BuildError::Transport(error.into()))?;
        Ok(Self { inner: client, runtime: Arc::new(Inside(Some(runtime))) })
    }

    /// The asynchronous client inside.
    pub fn inner(&self) -> &crate::Client {
        &self.inner
    }

    fn run<T>(&self, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        self.may_block()?;
        self.runtime.block_on(work)
    }

    /// Blocking inside a runtime would stop everything else that runs there.
    fn may_block(&self) -> Result<(), ClientError> {
        match Handle::try_current() {
            Ok(_) => Err(ClientError::new(
                ErrorKind::Refused,
                "the blocking client was called inside a runtime; take the asynchronous one there (nothing was sent)",
            )),
            Err(_) => Ok(()),
        }
    }

    fn iterate<T>(&self, stream: impl Stream<Item = Result<T, ClientError>> + Send + 'static) -> Iter<T> {
        Iter { client: self.clone(), stream: Some(stream.boxed()) }
    }

    /// As [`crate::Client::create`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn create(&self, request: Request<Create>) -> Result<Answer, Unsent> {
        match self.may_block() {
            Ok(()) => self.runtime.block_on(self.inner.create(request)),
            Err(error) => Err(Unsent { request: Some(request), error }),
        }
    }

    /// As [`crate::Client::all_payments`].
    pub fn all_payments(&self) -> Iter<Payment> {
        self.iterate(self.inner.all_payments())
    }

    /// As [`crate::Client::search_all`].
    pub fn search_all(&self, psid: Psid) -> Iter<Payment> {
        self.iterate(self.inner.search_all(psid))
    }

    /// As [`crate::Client::all_bulk_requests`].
    pub fn all_bulk_requests(&self) -> Iter<BulkSummary> {
        self.iterate(self.inner.all_bulk_requests())
    }

    /// As [`crate::Client::sweep`].
    pub fn sweep(&self) -> Iter<Payment> {
        self.iterate(self.inner.sweep())
    }

    /// As [`crate::Client::watch`].
    pub fn watch(&self, psid: Psid, policy: WatchPolicy) -> Iter<Payment> {
        self.iterate(self.inner.watch(psid, policy))
    }

    /// As [`crate::Client::import`], of anything that can be iterated.
    pub fn import<I>(&self, bills: I, options: ImportOptions) -> Iter<ImportEvent>
    where
        I: IntoIterator<Item = Bill>,
        I::IntoIter: Send + 'static,
    {
        self.iterate(self.inner.import(stream::iter(bills), options))
    }
}

/// Each operation that gives one answer.
macro_rules! operations {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {
        impl Client { $(
            #[doc = concat!("As [`crate::Client::", stringify!($name), "`].")]
            ///
            /// # Errors
            ///
            /// As there.
            pub fn $name(&self $(, $argument: $type)*) -> Result<$answer, ClientError> {
                self.run(self.inner.$name($($argument),*))
            }
        )+ }
    };
}

operations! {
    log_in() -> ChannelId;
    add(new: &NewPayment) -> Payment;
    add_once(key: &str, new: &NewPayment) -> Payment;
    add_if_none_outstanding(new: &NewPayment) -> Payment;
    add_bulk(bills: &[Bill]) -> BulkAccepted;
    add_bulk_rows(rows: Vec<BulkRow<'_>>) -> BulkAccepted;
    bulk_requests(page: PageRequest) -> Page<BulkSummary>;
    bulk_request(id: BulkRequestId) -> BulkRequest;
    payments(page: PageRequest) -> Page<Payment>;
    payment(id: PaymentId) -> Payment;
    search(psid: Psid, page: PageRequest) -> Page<Payment>;
    resolve(intent: &Intent) -> Resolution;
    resolve_now(intent: &Intent) -> Option<Resolution>;
    open_intents(after: Option<IntentId>) -> Vec<Intent>;
    read(request: &Request<Read>) -> Answer;
}

impl<T> Iterator for Iter<T> {
    type Item = Result<T, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.client.may_block() {
            // Once: whoever goes on asking is told that there is nothing.
            return self.stream.take().map(|_| Err(error));
        }
        self.client.runtime.block_on(self.stream.as_mut()?.next())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.inner).finish()
    }
}

impl<T> fmt::Debug for Iter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}
