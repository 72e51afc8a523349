//! A cassette that a person has changed: what is read, is written and read again the same, and plays.

use asaanbill_transport::{Cassette, Player, Transport as _};
use bytes::Bytes;
use http::Request;

use crate::house::wait_for;

/// How many requests a cassette is asked for.
const PLAYED: usize = 4;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let cassette = match Cassette::from_json(text) {
        Ok(cassette) => cassette,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let written = cassette.to_json();
    let reread = Cassette::from_json(&written).expect("what was written is read");
    assert_eq!((reread.len(), reread.to_json()), (cassette.len(), written));
    let player = Player::new(cassette);
    for _ in 0..PLAYED {
        let request = Request::get("http://hub.test/integration/payment").body(Bytes::new()).expect("a request");
        if let Err(error) = wait_for(player.send(request)) {
            assert!(!error.to_string().is_empty());
        }
    }
}
