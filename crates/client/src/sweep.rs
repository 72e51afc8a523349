//! All payments, while they change.
//!
//! The list is sorted by the time of the last change, newest first, and read by page numbers. So while it is read, payments
//! that are added or change come to its head and push the others down: those come twice, which is seen. But one that
//! changes jumps from a part that isn't read yet into the part that was: it would be missed. Hence, after the last page, a
//! second pass over the head. A payment in the list changes at most once, from APPROVED to its end, so one second pass finds
//! each that has jumped; it may stop at the first payment of the first page that stands as it stood, because whatever
//! changed since the start stands above it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use asaanbill_core::{PaymentId, Psid};
use asaanbill_wire::PageRequest;
use futures_util::stream::{self, TryStreamExt as _};

use crate::error::{ClientError, ErrorKind};
use crate::items::Items;
use crate::{Client, Page, Payment, Status};

/// How many payments a sweep asks for at once.
pub const SWEEP_PAGE_SIZE: u32 = 500;

/// The most payments that a sweep reads: it remembers each, some 100 MB of them. A channel that has more is read by
/// [`Client::payment_pages`].
pub const SWEEP_MAX: usize = 1_000_000;

/// How often a sweep reads a page again because the list has become shorter, which the guide's list never does.
const STEPS_BACK_MAX: u32 = 100;

impl Client {
    /// The channel's payments that have a PSID, each once. It is **a sweep, not a snapshot**: each payment that is in the
    /// list when the sweep begins is given once, as it stands when it is met; one that comes later may be given too.
    /// Payments whose number can't be read may come twice; what can't be read at all is left out.
    ///
    /// After an error it ends, [`ErrorKind::Refused`] if the list has more than [`SWEEP_MAX`] payments.
    pub fn sweep(&self) -> Items<Payment> {
        let sweeper = Sweeper::new(self.clone(), SWEEP_PAGE_SIZE);
        let pages = stream::try_unfold(sweeper, |mut sweeper| async move {
            let page = sweeper.next_page().await?;
            Ok::<_, ClientError>(page.map(|page| (page, sweeper)))
        });
        Items::new(pages.map_ok(|page: Vec<Payment>| stream::iter(page.into_iter().map(Ok))).try_flatten())
    }
}

type Key = (PaymentId, Option<Psid>);

/// A sweep under way.
pub(crate) struct Sweeper {
    client: Arc<Client>,
    pass: Pass,
    first: PageRequest,
    seen: HashSet<Key>,
    /// How the payments of the first page stood.
    anchors: HashMap<Key, Option<Status>>,
    total: Option<u64>,
    steps_back: u32,
}

enum Pass {
    /// Over the whole list.
    Main(PageRequest),
    /// Over the head, for what has jumped there.
    Head(PageRequest),
    Over,
}

impl Sweeper {
    pub(crate) fn new(client: Client, page_size: u32) -> Self {
        let first = PageRequest::new(0, page_size).unwrap_or_default();
        Self {
            client: Arc::new(client),
            pass: Pass::Main(first),
            first,
            seen: HashSet::new(),
            anchors: HashMap::new(),
            total: None,
            steps_back: 0,
        }
    }

    /// What the next page has that wasn't seen; none at the end.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Vec<Payment>>, ClientError> {
        match self.pass {
            Pass::Main(request) => {
                let page = self.client.payments(request).await?;
                if request == self.first {
                    self.anchors =
                        page.items.iter().filter_map(|payment| Some((key(payment)?, payment.status()))).collect();
                }
                self.pass = self.after_main(request, &page);
                self.unseen(page).map(Some)
            }
            Pass::Head(request) => {
                let page = self.client.payments(request).await?;
                let still = |payment: &Payment| {
                    key(payment)
                        .is_some_and(|key| self.anchors.get(&key).is_some_and(|stood| *stood == payment.status()))
                };
                let met = page.items.iter().any(still);
                self.pass = match request.next() {
                    Some(next) if !met && !page.is_over() => Pass::Head(next),
                    _ => Pass::Over,
                };
                self.unseen(page).map(Some)
            }
            Pass::Over => Ok(None),
        }
    }

    /// Ends the pass over the whole list: what follows is of no interest.
    pub(crate) fn skip_the_rest(&mut self) {
        if let Pass::Main(next) = self.pass {
            self.pass = self.head(next);
        }
    }

    fn after_main(&mut self, request: PageRequest, page: &Page<Payment>) -> Pass {
        let shrunk = matches!((self.total, page.total), (Some(before), Some(now)) if now < before);
        self.total = page.total.or(self.total);
        // Something has left the list, so that what stood on this page may have moved up to the one before.
        if shrunk
            && self.steps_back < STEPS_BACK_MAX
            && let Some(before) = request.number().checked_sub(1).and_then(|n| PageRequest::new(n, request.size()).ok())
        {
            self.steps_back += 1;
            return Pass::Main(before);
        }
        match request.next() {
            Some(next) if !page.is_over() => Pass::Main(next),
            _ => self.head(request.next().unwrap_or(request)),
        }
    }

    /// A list that was read in one page can't have shifted meanwhile.
    fn head(&self, next: PageRequest) -> Pass {
        if next.number() <= 1 { Pass::Over } else { Pass::Head(self.first) }
    }

    fn unseen(&mut self, page: Page<Payment>) -> Result<Vec<Payment>, ClientError> {
        let unseen = page.items.into_iter().filter(|payment| key(payment).is_none_or(|key| self.seen.insert(key)));
        let unseen = unseen.collect();
        if self.seen.len() > SWEEP_MAX {
            let message =
                format!("the channel has more than {SWEEP_MAX} payments, which is the most that a sweep reads");
            return Err(ClientError::new(ErrorKind::Refused, message));
        }
        Ok(unseen)
    }
}

fn key(payment: &Payment) -> Option<Key> {
    Some((payment.id()?, payment.psid()))
}
