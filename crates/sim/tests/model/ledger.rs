//! A billing clerk's ledger: plain lists, and the rules as the guide tells them. It shares no code with the hub.

use std::collections::BTreeMap;

pub(super) const HOUR: i64 = 3600;

/// How long it is to midnight in Karachi from the beginning: from then on the later amount is due.
const MIDNIGHT: i64 = 13 * HOUR + 37 * 60 + 30;

/// How a bill, or a code of one of three kinds, is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bill,
    Printed,
    /// Without an amount: each payment is a record of its own.
    Open,
    /// For an hour.
    Hour,
}

/// How batches go on. Times are seconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Policy {
    AtOnce,
    ByHand,
    After(i64),
    Polls(u32),
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Add {
        kind: Kind,
        key: Option<u8>,
        amount: u64,
    },
    /// Key and amount of each row; 0 is none.
    Bulk(Vec<(u8, u64)>),
    Pay {
        psid: usize,
        amount: u64,
        reference: u8,
    },
    Hand(usize),
    Poll(usize),
    Fail {
        batch: usize,
        place: u32,
    },
    /// The clock moves, perhaps back.
    Time(i64),
}

/// What is said to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Added or paid.
    Record(usize),
    Batch(usize),
    Done,
    Failed(u64),
    Refused,
    Unknown,
    WrongAmount,
    AlreadyPaid,
    Expired,
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    kind: Kind,
    key: Option<u8>,
    amount: u64,
    created: i64,
    pub(super) changed: i64,
    pub(super) status: &'static str,
    pub(super) psid: Option<usize>,
    /// Whether it came of paying a code without amount.
    is_sale: bool,
}

#[derive(Clone, Debug)]
struct Batch {
    stage: &'static str,
    rows: Vec<usize>,
    due: Option<i64>,
    polls: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) policy: Policy,
    pub(super) seeded: bool,
    /// Seconds since the beginning.
    pub(super) now: i64,
    /// In the order in which they were accepted.
    pub(super) records: Vec<Record>,
    /// What the last step was answered with.
    pub(super) answer: Answer,
    /// Each payer's PSID, and whose bill it serves.
    payers: BTreeMap<u8, (usize, usize)>,
    psids: usize,
    batches: Vec<Batch>,
    debits: BTreeMap<(usize, u8), usize>,
}

impl Ledger {
    pub(super) fn new(policy: Policy, seeded: bool) -> Self {
        Self {
            policy,
            seeded,
            now: 0,
            records: Vec::new(),
            answer: Answer::Done,
            payers: BTreeMap::new(),
            psids: 0,
            batches: Vec::new(),
            debits: BTreeMap::new(),
        }
    }

    pub(super) fn psids(&self) -> usize {
        self.psids
    }

    pub(super) fn batches(&self) -> usize {
        self.batches.len()
    }

    pub(super) fn stages(&self) -> Vec<&'static str> {
        self.batches.iter().map(|batch| batch.stage).collect()
    }

    pub(super) fn take(&mut self, step: &Step) {
        self.answer = match step {
            Step::Add { kind: Kind::Bill | Kind::Printed, key: None, .. } => Answer::Refused,
            Step::Add { kind, key, amount } => {
                let record = self.write(*kind, *key, *amount, "DRAFT");
                self.approve(record);
                Answer::Record(record)
            }
            Step::Bulk(rows) => self.accept(rows),
            Step::Pay { psid, amount, reference } => self.pay(*psid, *amount, *reference),
            Step::Hand(batch) => self.hand(*batch),
            Step::Poll(batch) => self.poll(*batch),
            Step::Fail { batch, place } => self.fail(*batch, *place),
            Step::Time(seconds) => {
                let target = self.now + seconds;
                self.do_due(target);
                self.now = target;
                Answer::Done
            }
        };
        self.do_due(self.now);
    }

    fn write(&mut self, kind: Kind, key: Option<u8>, amount: u64, status: &'static str) -> usize {
        let (created, changed) = (self.now, self.now);
        self.records.push(Record { kind, key, amount, created, changed, status, psid: None, is_sale: false });
        self.records.len() - 1
    }

    fn put(&mut self, record: usize, status: &'static str) {
        self.records[record].status = status;
        self.records[record].changed = self.now;
    }

    /// Gives a record its payer's PSID, and makes an unpaid one before it make way; or is told that a later one was quicker.
    fn approve(&mut self, record: usize) {
        let before = self.records[record].key.and_then(|key| self.payers.get(&key).copied());
        let psid = match before {
            Some((_, newest)) if newest > record => return self.put(record, "ERRORED"),
            Some((psid, newest)) => {
                if self.records[newest].status == "APPROVED" {
                    self.put(newest, "DISCARD");
                }
                psid
            }
            None => {
                self.psids += 1;
                self.psids - 1
            }
        };
        if let Some(key) = self.records[record].key {
            self.payers.insert(key, (psid, record));
        }
        self.records[record].psid = Some(psid);
        self.put(record, "APPROVED");
    }

    fn accept(&mut self, rows: &[(u8, u64)]) -> Answer {
        if rows.iter().all(|(_, amount)| *amount == 0) {
            return Answer::Refused;
        }
        let good = rows.iter().filter(|(_, amount)| *amount != 0);
        let rows = good.map(|(key, amount)| self.write(Kind::Bill, Some(*key), *amount, "DRAFT")).collect();
        let due = match self.policy {
            Policy::AtOnce => Some(self.now),
            Policy::After(seconds) => Some(self.now + seconds / 2),
            Policy::ByHand | Policy::Polls(_) => None,
        };
        self.batches.push(Batch { stage: "DRAFT", rows, due, polls: 0 });
        Answer::Batch(self.batches.len() - 1)
    }

    /// Does what is due up to a time, each when it is due.
    fn do_due(&mut self, until: i64) {
        loop {
            let due = self.batches.iter().enumerate().filter_map(|(batch, one)| Some((one.due?, batch)));
            let Some((due, batch)) = due.min().filter(|(due, _)| *due <= until) else { return };
            self.now = self.now.max(due);
            self.go_on(batch);
        }
    }

    /// One step of a batch.
    fn go_on(&mut self, batch: usize) {
        let rows = self.batches[batch].rows.clone();
        let (stage, due) = match self.batches[batch].stage {
            "DRAFT" => {
                for record in rows {
                    if self.records[record].status == "DRAFT" {
                        self.put(record, "IN_PROCESS");
                    }
                }
                let due = match self.policy {
                    Policy::AtOnce => Some(self.now),
                    Policy::After(seconds) => Some(self.now + seconds - seconds / 2),
                    Policy::ByHand | Policy::Polls(_) => None,
                };
                ("IN_PROCESS", due)
            }
            _ => {
                for record in rows {
                    if self.records[record].status == "IN_PROCESS" {
                        self.approve(record);
                    }
                }
                ("PROCESSED", None)
            }
        };
        self.batches[batch].stage = stage;
        self.batches[batch].due = due;
    }

    fn hand(&mut self, batch: usize) -> Answer {
        match self.batches.get(batch).map(|batch| batch.stage) {
            None => return Answer::Unknown,
            Some("PROCESSED") => {}
            Some(_) => self.go_on(batch),
        }
        Answer::Done
    }

    fn poll(&mut self, batch: usize) -> Answer {
        let Some(one) = self.batches.get_mut(batch) else { return Answer::Unknown };
        one.polls += 1;
        if let Policy::Polls(last) = self.policy {
            let enough = one.polls >= last;
            if one.stage == "DRAFT" {
                self.go_on(batch);
            }
            if enough && self.batches[batch].stage == "IN_PROCESS" {
                self.go_on(batch);
            }
        }
        Answer::Done
    }

    fn fail(&mut self, batch: usize, place: u32) -> Answer {
        let Some(one) = self.batches.get(batch) else { return Answer::Unknown };
        let row = one.rows.get(usize::try_from(place).unwrap()).copied();
        match row {
            Some(record) if matches!(self.records[record].status, "DRAFT" | "IN_PROCESS") => {
                self.put(record, "ERRORED");
                Answer::Failed(1)
            }
            _ => Answer::Failed(0),
        }
    }

    fn pay(&mut self, psid: usize, amount: u64, reference: u8) -> Answer {
        if amount == 0 {
            return Answer::Refused;
        }
        if let Some(before) = self.debits.get(&(psid, reference)) {
            return Answer::Record(*before);
        }
        let served = |record: &Record| record.psid == Some(psid) && !record.is_sale;
        let Some(record) = self.records.iter().rposition(served) else { return Answer::Unknown };
        // A batch's row may have got its PSID late, and then isn't the one that the PSID serves.
        let record = match self.records[record].key.and_then(|key| self.payers.get(&key)) {
            Some((_, newest)) => *newest,
            None => record,
        };
        let Record { kind, key, amount: due, created, status, .. } = self.records[record];
        if status == "PROCESSED" {
            return Answer::AlreadyPaid;
        }
        let paid = match kind {
            Kind::Open => {
                let sale = self.write(kind, key, 0, "PROCESSED");
                self.records[sale].psid = Some(psid);
                self.records[sale].is_sale = true;
                sale
            }
            Kind::Hour if self.now >= created + HOUR => return Answer::Expired,
            Kind::Bill | Kind::Printed | Kind::Hour => {
                let later = if kind != Kind::Hour && self.now >= MIDNIGHT { 5 } else { 0 };
                if amount != due + later {
                    return Answer::WrongAmount;
                }
                self.put(record, "PROCESSED");
                record
            }
        };
        self.debits.insert((psid, reference), paid);
        Answer::Record(paid)
    }
}
