//! Requests as an integrator might send them: the hub answers each in its envelope, and never with a failure of its own.

use asaanbill_wire::Envelope;
use bytes::Bytes;

use crate::house::with_house;

/// Where the rest goes, by the first byte.
const PATHS: [&str; 6] = [
    "/integration/add?generationTypes=PSID",
    "/integration/add?generationTypes=SQRC_WITH_AMOUNT",
    "/integration/add?generationTypes=SQRC_WITHOUT_AMOUNT",
    "/integration/add?generationTypes=DQRC",
    "/integration/add-bulk?contentType=JSON",
    "/integration/login",
];

pub(crate) fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    // Digits, so that seeds can be read: 0 is the first path.
    let path = PATHS[usize::from(first.wrapping_sub(b'0')) % PATHS.len()];
    let answer = with_house(|house| house.ask_as_demo(path, Bytes::copy_from_slice(rest)));
    let status = answer.status();
    assert!(!status.is_server_error(), "{path}: {status}");
    let envelope = Envelope::read_bytes(answer.body()).expect("the hub's envelope");
    assert_eq!(envelope.code(), Some(status.as_u16()), "{path}");
    assert!(!envelope.message().is_empty());
}
