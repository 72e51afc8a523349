//! Randomness that a seed repeats, and a cancellation that a count repeats.

use std::pin::Pin;
use std::task::{Context, Poll};

/// `SplitMix64`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `bound`, which isn't included.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A future that is dropped after it was polled so often: then there is nothing.
pub(crate) struct Cancelled<F> {
    work: Option<Pin<Box<F>>>,
    polls: usize,
}

pub(crate) fn cancelled_after<F: Future>(polls: usize, work: F) -> Cancelled<F> {
    Cancelled { work: Some(Box::pin(work)), polls }
}

impl<F: Future> Future for Cancelled<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            self.work = None;
            return Poll::Ready(None);
        }
        self.polls -= 1;
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let poll = work.as_mut().poll(context).map(Some);
        if poll.is_pending() && self.polls == 0 {
            self.work = None;
            return Poll::Ready(None);
        }
        poll
    }
}
