//! Lists as streams.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use asaanbill_core::Psid;
use asaanbill_wire::PageRequest;
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use crate::error::ClientError;
use crate::{BulkSummary, Client, Page, Payment};

/// Elements that come one after another, read from the hub as they are asked for. A [`Stream`], and for those who need no
/// more, [`next`](Self::next). After an error it ends.
///
/// Cancellation: dropping it, or the future of `next`, is safe: nothing but reading goes on.
#[must_use = "nothing is read until it is asked for"]
pub struct Items<T>(BoxStream<'static, Result<T, ClientError>>);

impl<T> Items<T> {
    pub(crate) fn new(stream: impl Stream<Item = Result<T, ClientError>> + Send + 'static) -> Self {
        Self(stream.boxed())
    }

    /// The next element, or none if there are no more.
    ///
    /// Cancellation: safe; what was being read is read again when asked for anew.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        self.0.next().await
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}

impl Client {
    /// The channel's payments that have a PSID, last changed first, page by page from `first` on. **The list shifts while it
    /// is read**: a payment may come twice or, if it changes meanwhile, not at all. [`sweep`](Self::sweep) misses none.
    pub fn payment_pages(&self, first: PageRequest) -> Items<Page<Payment>> {
        let client = self.clone();
        Items::new(pages(first, move |page| {
            let client = client.clone();
            async move { client.payments(page).await }
        }))
    }

    /// As [`payment_pages`](Self::payment_pages), payment by payment. What can't be read is left out.
    pub fn all_payments(&self) -> Items<Payment> {
        elements(self.payment_pages(PageRequest::default()))
    }

    /// All payments of a PSID, newest first.
    pub fn search_all(&self, psid: Psid) -> Items<Payment> {
        let client = self.clone();
        elements(pages(PageRequest::default(), move |page| {
            let client = client.clone();
            async move { client.search(psid, page).await }
        }))
    }

    /// The channel's batches, newest first.
    pub fn all_bulk_requests(&self) -> Items<BulkSummary> {
        let client = self.clone();
        elements(pages(PageRequest::default(), move |page| {
            let client = client.clone();
            async move { client.bulk_requests(page).await }
        }))
    }
}

/// Page after page, until the hub says that it was the last, or an empty one comes.
fn pages<T, F, A>(first: PageRequest, fetch: F) -> impl Stream<Item = Result<Page<T>, ClientError>> + Send + 'static
where
    T: Send + 'static,
    F: Fn(PageRequest) -> A + Send + Sync + Clone + 'static,
    A: Future<Output = Result<Page<T>, ClientError>> + Send,
{
    stream::try_unfold(Some(first), move |next| {
        let fetch = fetch.clone();
        async move {
            let Some(request) = next else { return Ok(None) };
            let page = fetch(request).await?;
            let next = request.next().filter(|_| !page.is_over());
            Ok(Some((page, next)))
        }
    })
}

fn elements<T: Send + 'static>(pages: impl Stream<Item = Result<Page<T>, ClientError>> + Send + 'static) -> Items<T> {
    Items::new(pages.map_ok(|page| stream::iter(page.items.into_iter().map(Ok))).try_flatten())
}

impl<T> Page<T> {
    /// Whether nothing follows, or nothing would come of asking further.
    pub(crate) fn is_over(&self) -> bool {
        self.is_last || (self.items.is_empty() && self.unread == 0)
    }
}
