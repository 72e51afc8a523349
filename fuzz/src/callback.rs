//! Call-backs as a receiver reads them, and acknowledgements as a hub does: what is read, is written and read again the same.

use std::fmt::Debug;

use asaanbill_wire::{Acknowledgement, BulkApproved, Processed};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) fn run(data: &[u8]) {
    match Acknowledgement::read(data) {
        Ok(_) => {}
        Err(why) => assert!(!why.to_string().is_empty()),
    }
    again::<Processed>(data);
    again::<BulkApproved>(data);
}

fn again<T: DeserializeOwned + Serialize + Debug>(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_string(&read).expect("what was read is written");
    let reread: T = serde_json::from_str(&written).expect("what was written is read");
    assert_eq!(serde_json::to_string(&reread).ok().as_deref(), Some(written.as_str()));
}
