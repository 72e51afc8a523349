//! Many deadlines on one timer.
//!
//! An exchange hardly ever meets its deadline, and a timer of its own costs it as much as a seventh of a small request: to be put
//! up, looked at whenever the runtime rests, and taken down. So the deadlines of a runtime wait in a table, and one task sleeps
//! until the first of them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

/// A deadline, and a number that no other has.
type Key = (Instant, u64);

#[derive(Default)]
struct Table {
    next: u64,
    /// An entry is there as long as its task is. A program has one or a few: too few for a map.
    runtimes: Vec<(Id, Waiting)>,
}

impl Table {
    fn of(&mut self, runtime: Id) -> Option<&mut Waiting> {
        self.runtimes.iter_mut().find(|(id, _)| *id == runtime).map(|(_, waiting)| waiting)
    }

    /// What waits on the runtime that is current, begun if nothing does yet.
    fn of_current(&mut self, until: Instant) -> (Id, &mut Waiting) {
        let runtime = Handle::current();
        let id = runtime.id();
        let at = self.runtimes.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
            self.runtimes.push((id, Waiting::start(&runtime, until)));
            self.runtimes.len() - 1
        });
        (id, &mut self.runtimes[at].1)
    }

    fn remove(&mut self, runtime: Id) -> Option<Waiting> {
        let at = self.runtimes.iter().position(|(id, _)| *id == runtime)?;
        Some(self.runtimes.swap_remove(at).1)
    }
}

/// What waits on a runtime.
struct Waiting {
    wakers: BTreeMap<Key, Waker>,
    /// Until when the task sleeps.
    until: Instant,
    /// Tells it that somebody has an earlier deadline.
    earlier: Arc<Notify>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The outcome of `work`, or nothing if the deadline comes first. Work that is done at once is done whenever that is. It is pinned by
/// whoever has it: handed over, it would be in memory twice, and moved each time.
///
/// # Panics
///
/// Outside of a tokio runtime, and in one whose timers aren't enabled.
pub(crate) async fn until<W: Future>(deadline: Instant, mut work: Pin<&mut W>) -> Option<W::Output> {
    let mut place = Place { deadline, at: None };
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if place.is_over(context) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// One deadline's place in the table, which it leaves when it is dropped.
struct Place {
    deadline: Instant,
    at: Option<(Id, Key)>,
}

impl Place {
    fn is_over(&mut self, context: &Context<'_>) -> bool {
        let mut table = table();
        if let Some((runtime, key)) = &self.at
            && let Some(waker) = table.of(*runtime).and_then(|waiting| waiting.wakers.get_mut(key))
        {
            let before = (!waker.will_wake(context.waker())).then(|| mem::replace(waker, context.waker().clone()));
            // Not under the lock: with a waker somebody else's things may go.
            drop(table);
            drop(before);
            return false;
        }
        // It has no place yet, or was woken for its deadline, or its runtime ends. In the first case the task looks at the clock.
        if self.at.take().is_some() && self.deadline <= Instant::now() {
            return true;
        }
        table.next += 1;
        let key = (self.deadline, table.next);
        let (runtime, waiting) = table.of_current(self.deadline);
        waiting.wakers.insert(key, context.waker().clone());
        if self.deadline < waiting.until {
            waiting.earlier.notify_one();
        }
        self.at = Some((runtime, key));
        false
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((runtime, key)) = &self.at else { return };
        let waker = table().of(*runtime).and_then(|waiting| waiting.wakers.remove(key));
        // Not under the lock, as above.
        drop(waker);
    }
}

impl Waiting {
    fn start(runtime: &Handle, until: Instant) -> Self {
        // Here rather than in the task, where nobody would hear it: this panics where timers aren't enabled.
        drop(sleep_until(until));
        let earlier = Arc::<Notify>::default();
        runtime.spawn(Watch(runtime.id()).run(Arc::clone(&earlier)));
        Self { wakers: BTreeMap::new(), until, earlier }
    }
}

/// The task of a runtime. It ends when it wakes and nothing waits.
struct Watch(Id);

impl Watch {
    async fn run(self, earlier: Arc<Notify>) {
        while let Some(until) = self.wake_those_due() {
            let _ = timeout_at(until, earlier.notified()).await;
        }
    }

    /// Says when the next one is due.
    fn wake_those_due(&self) -> Option<Instant> {
        let mut table = table();
        let waiting = table.of(self.0)?;
        let later = waiting.wakers.split_off(&(Instant::now(), u64::MAX));
        let due = mem::replace(&mut waiting.wakers, later);
        let next = waiting.wakers.first_key_value().map(|((until, _), _)| *until);
        if let Some(until) = next {
            waiting.until = until;
        }
        drop(table);
        due.into_values().for_each(Waker::wake);
        next
    }
}

impl Drop for Watch {
    /// Whoever came in the last moment, or survives the runtime, finds another place.
    fn drop(&mut self) {
        let waiting = table().remove(self.0);
        waiting.into_iter().flat_map(|waiting| waiting.wakers.into_values()).for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join;
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_time().build().unwrap()
    }

    /// How many wait on this runtime.
    fn waiting() -> usize {
        table().of(Handle::current().id()).map_or(0, |waiting| waiting.wakers.len())
    }

    async fn seconds_of(deadline: u32, work: Option<u32>) -> (u64, bool) {
        let begun = Instant::now();
        let work = async {
            match work {
                Some(seconds) => sleep_until(begun + SECOND * seconds).await,
                None => pending().await,
            }
        };
        let done = until(begun + SECOND * deadline, pin!(work)).await.is_some();
        (begun.elapsed().as_secs(), done)
    }

    #[tokio::test(start_paused = true)]
    async fn work_or_its_deadline_whichever_is_first() {
        assert_eq!(seconds_of(30, None).await, (30, false));
        assert_eq!(seconds_of(30, Some(7)).await, (7, true));
        assert_eq!(seconds_of(0, None).await, (0, false));
        assert_eq!(until(Instant::now(), pin!(async { 5 })).await, Some(5), "what is done at once is done");
        assert_eq!(waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_one_with_an_earlier_deadline_isnt_held_up() {
        let later = async {
            sleep_until(Instant::now() + SECOND).await;
            seconds_of(2, None).await
        };
        assert_eq!(join(seconds_of(30, None), later).await, ((30, false), (2, false)));
        // And those that come when the task has looked at an earlier one.
        assert_eq!(join(seconds_of(3, None), seconds_of(30, Some(5))).await, ((3, false), (5, true)));
        assert_eq!(join(seconds_of(3, None), seconds_of(9, None)).await, ((3, false), (9, false)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_dropped_leaves_nothing() {
        let mut some = (0..100).map(|_| Box::pin(seconds_of(30, None))).collect::<Vec<_>>();
        assert!(some.iter_mut().all(|one| one.now_or_never().is_none()));
        assert_eq!(waiting(), 100);
        drop(some);
        assert_eq!(waiting(), 0);
        advance(SECOND * 31).await;
        tokio::task::yield_now().await;
        assert!(table().of(Handle::current().id()).is_none(), "and the task is gone");
    }

    #[test]
    fn a_runtime_that_rests_holds_up_no_other() {
        let (rests, works) = (runtime(), runtime());
        let never = pin!(pending::<()>());
        let mut first = Box::pin(until(Instant::now() + Duration::from_millis(5), never));
        rests.block_on(async { assert!(first.as_mut().now_or_never().is_none()) });
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(works.block_on(until(soon, pin!(pending::<()>()))), None);
        // Its runtime ends, and it waits on another one.
        drop(rests);
        assert_eq!(works.block_on(first), None);
    }

    #[test]
    #[should_panic(expected = "timers are disabled")]
    fn without_timers_it_says_so() {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(until(Instant::now() + SECOND, pin!(pending::<()>())));
    }
}
