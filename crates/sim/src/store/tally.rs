//! How many payments a channel lists, kept and not counted: by the time of their last change, at several widths.
//!
//! A total is a sum over the few widest slices. A page deep in a long list is found by going down from wide slices to narrow
//! ones, so that only the last of them is walked. A slice depends on the time alone, so instances needn't agree on anything.

use std::collections::BTreeMap;

use asaanbill_core::ChannelId;
use asaanbill_storage::StorageError;
use jiff::Timestamp;

use super::tx::{Arg, Columns as _, Each, Given, Rows, Tx};

/// The levels and their widths, as powers of two of a microsecond: an eighth of a second, nine minutes, a month.
const LEVELS: [(i64, u32); 3] = [(0, 17), (1, 29), (WIDEST, 41)];

/// The level of the widest slices.
const WIDEST: i64 = 2;

const ADD: Each = Each {
    one: "INSERT INTO tallies (channel, level, slice, shard, payments) VALUES ($1, $2, $3, $4, $5)
          ON CONFLICT (channel, level, slice, shard) DO UPDATE SET payments = tallies.payments + excluded.payments",
    all: "INSERT INTO tallies (channel, level, slice, shard, payments)
          SELECT * FROM UNNEST($1::tallies[])
          ON CONFLICT (channel, level, slice, shard) DO UPDATE SET payments = tallies.payments + excluded.payments",
    given: Given::Rows,
};

/// What a set of changes adds to the kept totals.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<(ChannelId, i64, i64), i64>);

impl Tally {
    /// A record moved from one place in the list to another. It is new without the first, and stays out without the second.
    pub(super) fn moved(&mut self, channel: ChannelId, from: Option<Timestamp>, to: Option<Timestamp>) {
        for (at, change) in [(from, -1), (to, 1)] {
            let Some(at) = at else { continue };
            for (level, width) in LEVELS {
                *self.0.entry((channel, level, at.as_microsecond() >> width)).or_default() += change;
            }
        }
    }

    /// The changes as they are stored, in a shard.
    pub(super) fn rows(&self, shard: i64) -> Rows<'static> {
        let rows = self.0.iter().filter(|(_, change)| **change != 0).map(|((channel, level, slice), change)| {
            vec![i64::from(*channel).into(), Arg::Int(*level), Arg::Int(*slice), Arg::Int(shard), Arg::Int(*change)]
        });
        Rows { statement: &ADD, rows: rows.collect() }
    }
}

/// How many payments a channel lists.
pub(super) async fn total<T: Tx>(tx: &T, channel: ChannelId) -> Result<u64, StorageError> {
    let sum = "SELECT CAST(COALESCE(SUM(payments), 0) AS BIGINT) FROM tallies WHERE channel = $1 AND level = $2";
    let found = tx.query_one(sum, &[i64::from(channel).into(), WIDEST.into()], |row| row.count(0)).await?;
    Ok(found.unwrap_or_default())
}

/// How many payments each channel lists.
pub(super) async fn totals<T: Tx>(tx: &T) -> Result<Vec<(String, u64)>, StorageError> {
    let sum = "SELECT channel, CAST(SUM(payments) AS BIGINT) FROM tallies WHERE level = $1
               GROUP BY channel ORDER BY channel";
    tx.query(sum, &[WIDEST.into()], |row| Ok((row.int(0)?.to_string(), row.count(1)?))).await
}

/// Where to begin to walk a list, last change first: at payments changed before this instant (in microseconds since 1970), of
/// which so many are to be passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) before: i64,
    pub(super) skip: u64,
}

/// Goes from the newest payment `offset` places down.
pub(super) async fn start<T: Tx>(tx: &T, channel: ChannelId, offset: u64) -> Result<Start, StorageError> {
    let mut start = Start { before: i64::MAX, skip: offset };
    let mut within: Option<i64> = None;
    let mut wider = 0;
    for (level, width) in LEVELS.into_iter().rev() {
        let (first, last) = within.map_or((i64::MIN, i64::MAX), |slice| {
            let parts = wider - width;
            (slice << parts, (slice << parts) + (1 << parts) - 1)
        });
        let select = "SELECT slice, CAST(SUM(payments) AS BIGINT) FROM tallies
                      WHERE channel = $1 AND level = $2 AND slice >= $3 AND slice <= $4
                      GROUP BY slice ORDER BY slice DESC";
        let args = [i64::from(channel).into(), level.into(), first.into(), last.into()];
        let slices = tx.query(select, &args, |row| Ok((row.int(0)?, row.count(1)?))).await?;
        let Some(slice) = descend(&slices, width, &mut start) else { return Ok(start) };
        within = Some(slice);
        wider = width;
    }
    Ok(start)
}

/// Passes over whole slices while there is enough to pass over. Returns the slice in which the place is; none if it is beyond
/// the end.
fn descend(slices: &[(i64, u64)], width: u32, start: &mut Start) -> Option<i64> {
    for (slice, payments) in slices {
        if start.skip < *payments {
            start.before = slice.checked_add(1).and_then(|next| next.checked_mul(1 << width)).unwrap_or(i64::MAX);
            return Some(*slice);
        }
        start.skip -= payments;
        start.before = slice.checked_mul(1 << width).unwrap_or(i64::MIN);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Start, Tally, descend};
    use jiff::{SignedDuration, Timestamp};

    #[test]
    fn whole_slices_are_passed_over() {
        let check = |skip, expected: Option<i64>, start: Start| {
            let mut from = Start { before: i64::MAX, skip };
            assert_eq!(descend(&[(9, 3), (5, 2), (-1, 4)], 17, &mut from), expected, "{skip}");
            assert_eq!(from, start, "{skip}");
        };
        let at = |slice: i64, skip| Start { before: slice << 17, skip };
        check(0, Some(9), at(10, 0));
        check(2, Some(9), at(10, 2));
        check(3, Some(5), at(6, 0));
        check(4, Some(5), at(6, 1));
        check(5, Some(-1), at(0, 0));
        check(8, Some(-1), at(0, 3));
        check(9, None, at(-1, 0));
    }

    #[test]
    fn what_comes_and_goes_cancels_out() {
        let channel = 23_u64.try_into().unwrap();
        let mut tally = Tally::default();
        let now = Timestamp::UNIX_EPOCH;
        tally.moved(channel, None, Some(now));
        assert_eq!(tally.0.len(), 3);
        tally.moved(channel, Some(now), Some(now + SignedDuration::from_secs(1)));
        let narrow: Vec<_> = tally.0.iter().filter(|((_, level, _), _)| *level == 0).collect();
        assert_eq!(narrow.len(), 2);
        assert_eq!(tally.0.values().sum::<i64>(), 3);
        tally.moved(channel, Some(now + SignedDuration::from_secs(1)), None);
        assert!(tally.0.values().all(|change| *change == 0));
    }
}
