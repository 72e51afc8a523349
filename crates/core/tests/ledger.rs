//! A hub in a few lines, made of nothing but the crate's rules: what a store does with decisions and changes.

use std::collections::BTreeMap;
use std::convert::Infallible;

use asaanbill_core::{
    Amount, Change, Decision, Fields, Identifier, IdentifierState, NewPayment, Outcome, Payment, PaymentId,
    PaymentKind, Psid, PsidSource, Settlement, Stage, decide_batch,
};
use jiff::Timestamp;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    pub(crate) payments: BTreeMap<PaymentId, Payment>,
    pub(crate) states: BTreeMap<Identifier, IdentifierState>,
    psids: u64,
    seconds: i64,
}

/// The fields of a bill that is fine but for what the caller changes.
pub(crate) fn bill<'a>(identifier: &'a str, amount: &'a str) -> Fields<'a> {
    Fields {
        title: Some("Ali Tuck Shop"),
        identifier: Some(identifier),
        amount: Some(amount),
        due_date: Some("2024-03-28"),
        amount_after_due_date: Some(amount),
        ..Fields::default()
    }
}

impl Ledger {
    /// Adds one payment, as `/add` does: refused whole, or approved at once.
    pub(crate) fn add(&mut self, kind: PaymentKind, fields: &Fields<'_>) -> Result<PaymentId, String> {
        let new = NewPayment::parse(kind, fields).map_err(|e| e.to_string())?;
        let id = self.accept(new);
        let state = self.state(self.payments[&id].new.identifier());
        match state.decide(id) {
            Decision::AlreadySo => panic!("{id} is new"),
            Decision::Overtaken { by } => panic!("{id} is the newest, and was overtaken by {by}"),
            Decision::Approve { psid, discard } => {
                let psid = match psid {
                    PsidSource::TakeOver(psid) => psid,
                    PsidSource::Allocate => self.allocate(),
                };
                self.approve(id, psid, discard);
            }
        }
        Ok(id)
    }

    /// Accepts a batch: good rows become drafts.
    pub(crate) fn add_bulk(&mut self, rows: &[Fields<'_>]) -> Vec<Result<PaymentId, String>> {
        rows.iter()
            .map(|row| NewPayment::parse(PaymentKind::Psid, row).map(|new| self.accept(new)).map_err(|e| e.to_string()))
            .collect()
    }

    /// Assigns PSIDs to drafts, as the batch's worker does.
    pub(crate) fn assign(&mut self, drafts: &[PaymentId]) {
        let rows: Vec<_> = drafts.iter().map(|id| (*id, self.payments[id].new.identifier().cloned())).collect();
        let mut states = self.states.clone();
        let mut psids = self.psids;
        let assigned = decide_batch(&rows, &mut states, |_, _| {
            psids += 1;
            Ok::<_, Infallible>(psid(psids))
        });
        self.psids = psids;
        for row in assigned.unwrap() {
            match row.outcome {
                Outcome::Approved { psid, discard } => self.approve(row.id, psid, discard),
                Outcome::AlreadySo => {}
                Outcome::Overtaken { by } => {
                    let change = self.payments[&row.id].stage.overtake(row.id, by, self.now()).unwrap();
                    self.commit(change);
                }
            }
        }
        assert_eq!(self.states, states, "the batch's states are those of its rows committed one by one");
    }

    /// Pays the current payment of a PSID, and says which record is paid.
    pub(crate) fn pay(&mut self, psid: Psid, amount: Amount) -> Result<PaymentId, String> {
        self.tick();
        let now = self.now();
        let current =
            self.payments.values().rev().find(|p| matches!(p.stage, Stage::Approved { psid: p } if p == psid));
        let payment = current.ok_or("nothing to pay")?.clone();
        match payment.pay(amount, now).map_err(|e| e.to_string())? {
            Settlement::This(change) => {
                self.commit(change);
                if let Some(identifier) = payment.new.identifier() {
                    let state = self.state(Some(identifier)).after_payment(payment.id);
                    self.states.insert(identifier.clone(), state);
                }
                Ok(payment.id)
            }
            Settlement::Another(stage) => {
                let id = self.accept(payment.new);
                self.payments.get_mut(&id).unwrap().stage = stage;
                Ok(id)
            }
        }
    }

    fn accept(&mut self, new: NewPayment) -> PaymentId {
        self.tick();
        let id = PaymentId::try_from(self.payments.len() as u64 + 1).unwrap();
        self.payments.insert(id, Payment::draft(id, new, self.now()));
        id
    }

    fn approve(&mut self, id: PaymentId, psid: Psid, discard: Option<PaymentId>) {
        let now = self.now();
        if let Some(earlier) = discard {
            let change = self.payments[&earlier].stage.supersede(earlier, now).unwrap();
            self.commit(change);
        }
        let scheduled = self.payments[&id].stage.schedule(id, now).unwrap();
        self.commit(scheduled);
        let assigned = self.payments[&id].stage.assign(id, psid, now).unwrap();
        self.commit(assigned);
        if let Some(identifier) = self.payments[&id].new.identifier().cloned() {
            let state = self.state(Some(&identifier)).after_approval(id, psid);
            self.states.insert(identifier, state);
        }
    }

    fn commit(&mut self, change: Change) {
        let payment = self.payments.get_mut(&change.id).unwrap();
        assert_eq!(payment.status(), change.from);
        payment.stage = change.to;
        payment.updated_at = change.at;
    }

    fn state(&self, identifier: Option<&Identifier>) -> IdentifierState {
        identifier.and_then(|i| self.states.get(i)).copied().unwrap_or_default()
    }

    fn allocate(&mut self) -> Psid {
        self.psids += 1;
        psid(self.psids)
    }

    fn tick(&mut self) {
        self.seconds += 1;
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.seconds).unwrap()
    }
}

pub(crate) fn psid(number: u64) -> Psid {
    format!("100139{number:018}").parse().unwrap()
}
