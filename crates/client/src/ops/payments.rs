//! Reading payments.
//!
//! guide:read-5

use asaanbill_core::{PaymentId, Psid};
use asaanbill_wire::{self as wire, Endpoint, Item, ListedPayment, PAGE_NO, PAGE_SIZE, PageRequest, Scalar};
use tracing::Instrument as _;

use super::with_query;
use crate::error::ClientError;
use crate::exchange::Data;
use crate::raw::Request;
use crate::trace::operation;
use crate::{Client, Payment};

/// A page of a list. Elements that can't be read at all are counted, not shown.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// The elements.
    pub items: Vec<T>,
    /// How many elements of this page can't be read.
    pub unread: usize,
    /// How many elements the whole list has.
    pub total: Option<u64>,
    /// Whether nothing follows. An answer that doesn't say so is the last page if it is empty.
    pub is_last: bool,
}

impl<T> Page<T> {
    pub(crate) fn from_wire<W>(page: wire::Page<W>, read: impl FnMut(W) -> T) -> Self {
        let total = page.total();
        let said_last = page.is_last.as_ref().and_then(Scalar::flag);
        let count = page.content.len();
        let items: Vec<T> = page.content.into_iter().filter_map(Item::into_read).map(read).collect();
        Self { unread: count - items.len(), items, total, is_last: said_last.unwrap_or(count == 0) }
    }

    fn empty() -> Self {
        Self { items: Vec::new(), unread: 0, total: Some(0), is_last: true }
    }
}

pub(super) fn page_query(page: PageRequest) -> [(&'static str, String); 2] {
    [(PAGE_NO, page.number().to_string()), (PAGE_SIZE, page.size().to_string())]
}

impl Client {
    /// A page of the channel's payments that have a PSID, last changed first. The list shifts while it is read.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn payments(&self, page: PageRequest) -> Result<Page<Payment>, ClientError> {
        let endpoint = Endpoint::Payments;
        let path = with_query(endpoint.template(), page_query(page));
        self.page(endpoint, path).instrument(operation!("payments")).await
    }

    /// One payment by its record's number, which isn't its PSID.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such payment.
    pub async fn payment(&self, id: PaymentId) -> Result<Payment, ClientError> {
        let endpoint = Endpoint::Payment;
        let request = Request::read(endpoint, endpoint.path(id));
        let read = self.sessions().read(&request, self.retry()).instrument(operation!("payment")).await?;
        let Data::<ListedPayment>(listed) = read;
        Ok(Payment::from(*listed))
    }

    /// A page of all payments of a PSID, newest first: the current one, and those before it. Nothing found is an empty page.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn search(&self, psid: Psid, page: PageRequest) -> Result<Page<Payment>, ClientError> {
        let endpoint = Endpoint::Search;
        let path = with_query(&endpoint.path(psid), page_query(page));
        match self.page(endpoint, path).instrument(operation!("search")).await {
            // The guide says both: an empty list, and 404.
            Err(error) if error.is_not_found() => Ok(Page::empty()),
            done => done,
        }
    }

    async fn page(&self, endpoint: Endpoint, path: String) -> Result<Page<Payment>, ClientError> {
        let Data::<wire::Page<ListedPayment>>(read) =
            self.sessions().read(&Request::read(endpoint, path), self.retry()).await?;
        Ok(Page::from_wire(*read, Payment::from))
    }
}
