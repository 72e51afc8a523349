//! Each acknowledged genuine call-back leads to one effect, and a forged one to none, whatever comes when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use asaanbill_callbacks::CONFIRM_DELAYS_SECONDS;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::hub::Mood;
use crate::ledger::Deed;
use crate::world::{World, psid};

/// The numbers of the story. Bills come one after another on the first three; the last is an open QR code.
const PSIDS: [char; 4] = ['A', 'B', 'C', 'T'];

/// Longer than a receiver's leases last.
const LEASES_OVER: Duration = Duration::from_secs(16);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next bill on a number, once the one before it is paid; on the QR code nothing.
    Bill(usize, &'static str),
    /// The bill is paid, or the QR code is.
    Pay(usize, &'static str),
    /// What is paid is announced.
    Announce(usize),
    /// What is about to be paid is announced: the call-back is faster than the records.
    AnnounceEarly(usize),
    /// A call-back that came before comes again.
    Repeat(usize),
    /// Somebody else's call-back: a number, and an amount that may be right.
    Forge(char, &'static str),
    Wait(u64),
    Outage(Mood),
    Handler(Deed),
    Settle,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let bill = 0..PSIDS.len() - 1;
    let any = 0..PSIDS.len();
    let amount = || select(vec!["50", "70"]);
    prop_oneof![
        2 => (bill, amount()).prop_map(|(on, amount)| Step::Bill(on, amount)),
        4 => (any.clone(), amount()).prop_map(|(on, amount)| Step::Pay(on, amount)),
        5 => any.clone().prop_map(Step::Announce),
        2 => any.prop_map(Step::AnnounceEarly),
        2 => (0..8_usize).prop_map(Step::Repeat),
        3 => (select(vec!['A', 'B', 'C', 'T', 'X']), select(vec!["50", "70", "1", "fifty"]))
            .prop_map(|(letter, amount)| Step::Forge(letter, amount)),
        2 => select(vec![1, 7, 60]).prop_map(Step::Wait),
        1 => select(vec![Mood::Well, Mood::Unreachable, Mood::Failing, Mood::Silent]).prop_map(Step::Outage),
        1 => select(vec![Deed::Fail, Deed::Panic]).prop_map(Step::Handler),
        3 => Just(Step::Settle),
        1 => Just(Step::Restart),
    ]
}

/// What a PSID is asked for: payments of one number and one amount can't be told apart by their call-backs.
type Claim = (char, &'static str);

/// What has happened, by the rules.
struct Story {
    world: World,
    /// For each number the bill that isn't paid yet, its amount, and whether it was announced.
    unpaid: BTreeMap<char, (u64, &'static str, bool)>,
    /// What was paid, and what of it was announced.
    paid: BTreeMap<Claim, BTreeSet<u64>>,
    announced: BTreeMap<Claim, usize>,
    /// Payments on the QR code that were announced before they are in the records.
    scans_to_come: Vec<&'static str>,
    posted: Vec<Claim>,
    well: bool,
}

const QR: char = 'T';

impl Story {
    async fn begin(on_disk: bool) -> Self {
        let world = if on_disk { World::on_disk().await } else { World::in_memory().await };
        world.hub.template(&psid(QR));
        Self {
            world,
            unpaid: BTreeMap::new(),
            paid: BTreeMap::new(),
            announced: BTreeMap::new(),
            scans_to_come: Vec::new(),
            posted: Vec::new(),
            well: true,
        }
    }

    async fn act(mut self, step: Step) -> Self {
        match step {
            Step::Bill(on, amount) => {
                let letter = PSIDS[on];
                let hub = &self.world.hub;
                self.unpaid.entry(letter).or_insert_with(|| (hub.bill(&psid(letter), amount, amount), amount, false));
            }
            Step::Pay(on, amount) => self.pay(PSIDS[on], amount),
            Step::Announce(on) => self.announce(PSIDS[on]).await,
            Step::AnnounceEarly(on) => self.announce_early(PSIDS[on]).await,
            Step::Repeat(which) => {
                if let Some(claim) = self.posted.get(which % self.posted.len().max(1)).copied() {
                    self.post(claim).await;
                }
            }
            Step::Forge(letter, amount) => self.post((letter, amount)).await,
            Step::Wait(seconds) => tokio::time::advance(Duration::from_secs(seconds)).await,
            Step::Outage(mood) => {
                self.world.hub.set_mood(mood);
                self.well = mood == Mood::Well;
            }
            Step::Handler(deed) => self.world.ledger.plan([deed]),
            Step::Settle if self.well => self.world.settle().await,
            Step::Settle => {}
            Step::Restart => {
                self.world = self.world.restart(|_| {}).await;
                // What the receiver before was at is the next one's when the lease ends, and the clock stands still.
                tokio::time::advance(LEASES_OVER).await;
            }
        }
        self
    }

    fn pay(&mut self, letter: char, amount: &'static str) {
        if letter == QR {
            let id = self.world.hub.scan(&psid(QR), amount);
            self.paid.entry((QR, amount)).or_default().insert(id);
        } else if let Some((id, amount, announced)) = self.unpaid.remove(&letter) {
            self.world.hub.pay(id);
            self.paid.entry((letter, amount)).or_default().insert(id);
            *self.announced.entry((letter, amount)).or_default() += usize::from(announced);
        }
    }

    /// Announces one payment that wasn't announced.
    async fn announce(&mut self, letter: char) {
        let silent = self.paid.iter().find(|(claim, ids)| {
            claim.0 == letter && ids.len() > self.announced.get(claim).copied().unwrap_or_default()
        });
        if let Some(claim) = silent.map(|(claim, _)| *claim) {
            *self.announced.entry(claim).or_default() += 1;
            self.post(claim).await;
        }
    }

    async fn announce_early(&mut self, letter: char) {
        if letter == QR {
            self.scans_to_come.push("50");
            self.post((QR, "50")).await;
        } else if let Some((_, amount, announced @ false)) = self.unpaid.get_mut(&letter) {
            *announced = true;
            let claim = (letter, *amount);
            self.post(claim).await;
        }
    }

    async fn post(&mut self, (letter, amount): Claim) {
        self.posted.push((letter, amount));
        self.world.post_processed(&psid(letter), amount, Some(amount).filter(|_| letter != QR)).await;
    }

    /// What was handled, each as often as it was.
    fn handled(&self) -> BTreeMap<String, usize> {
        let mut handled = BTreeMap::new();
        for key in self.world.handled() {
            *handled.entry(key).or_default() += 1;
        }
        handled
    }

    fn check(&self, restarted: bool) {
        let mut handled = self.handled();
        for (claim, paid) in &self.paid {
            let counts: Vec<_> = paid.iter().filter_map(|id| handled.remove(&format!("payment/23/{id}"))).collect();
            let announced = self.announced.get(claim).copied().unwrap_or_default();
            assert!(counts.len() >= announced, "{announced} of {claim:?} announced, {} handled", counts.len());
            assert!(restarted || counts.iter().all(|times| *times == 1), "{claim:?} handled again");
        }
        assert!(handled.is_empty(), "never paid, and handled: {handled:?}");
    }

    /// Ends the outage, pays what was announced early, and waits for a day.
    async fn end(&mut self) {
        self.world.hub.set_mood(Mood::Well);
        let announced_early: Vec<_> =
            self.unpaid.iter().filter(|(_, bill)| bill.2).map(|(letter, _)| *letter).collect();
        for letter in announced_early {
            self.pay(letter, "");
        }
        for amount in std::mem::take(&mut self.scans_to_come) {
            self.pay(QR, amount);
            *self.announced.entry((QR, amount)).or_default() += 1;
        }
        self.wait_a_day().await;
    }

    async fn wait_a_day(&mut self) {
        for seconds in CONFIRM_DELAYS_SECONDS {
            self.world.pass(Duration::from_secs(seconds.into())).await;
        }
    }
}

fn tell(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let restarted = steps.iter().any(|step| matches!(step, Step::Restart));
        let mut story = Story::begin(restarted).await;
        for step in steps {
            story = story.act(*step).await;
        }
        story.end().await;
        story.check(restarted);

        // Now whatever was paid is announced, as the hub does.
        for letter in PSIDS {
            for _ in 0..steps.len() {
                story.announce(letter).await;
            }
        }
        story.wait_a_day().await;
        story.check(restarted);
        let paid: usize = story.paid.values().map(BTreeSet::len).sum();
        assert_eq!(story.handled().len(), paid);
    });
}

/// 24 times as a rule, and in proportion more often where `PROPTEST_CASES` asks for more than proptest's own 256. (In `proptest!` it would
/// take the number's place.)
#[test]
fn each_genuine_call_back_is_one_effect_and_a_forged_one_none() {
    let cases = (ProptestConfig::default().cases * 24 / 256).max(1);
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let told = runner.run(&prop::collection::vec(step(), 1..24), |steps| {
        tell(&steps);
        Ok(())
    });
    if let Err(error) = told {
        panic!("{error}\n{runner}");
    }
}

/// Each order of a payment and its genuine, forged and repeated call-backs.
#[test]
fn every_order_of_a_few_steps() {
    let steps = [Step::Pay(0, ""), Step::AnnounceEarly(0), Step::Forge('A', "1"), Step::Repeat(0), Step::Settle];
    for first in 0..steps.len() {
        for second in (0..steps.len()).filter(|step| *step != first) {
            for third in (0..steps.len()).filter(|step| ![first, second].contains(step)) {
                let rest = (0..steps.len()).filter(|step| ![first, second, third].contains(step));
                let order = [first, second, third].into_iter().chain(rest).map(|step| steps[step]);
                tell(&[Step::Bill(0, "50")].into_iter().chain(order).chain([Step::Announce(0)]).collect::<Vec<_>>());
            }
        }
    }
}
