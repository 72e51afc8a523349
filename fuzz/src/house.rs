//! A simulator that is asked over and over, without a socket.

use std::cell::{Cell, RefCell};

use asaanbill_sim::{Clock, Sim};
use asaanbill_transport::Transport as _;
use asaanbill_wire::{CHANNEL_HEADER, TOKEN_HEADER, USERNAME_HEADER};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// After so many requests it forgets what they left, so that it stays small.
const REQUESTS_UNTIL_RESET: u32 = 2_000;

/// When its clock stands still.
const NOW: &str = "2025-01-10T10:22:30+05:00";

/// The bill that it has: its PSID is the first one, 100139000000000000000001.
const BILL: &str =
    r#"{"payment":{"title":"a","identifier":"FS-1","amount":"50","dueDate":"2025-01-31","amountAfterDueDate":"55"}}"#;

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().build().expect("a runtime");
    static HOUSE: RefCell<Option<House>> = const { RefCell::new(None) };
}

/// The simulator, and who is logged in.
pub(crate) struct House {
    sim: Sim,
    token: String,
    requests: Cell<u32>,
}

/// Runs to the end of what is waited for, on this thread's runtime.
pub(crate) fn wait_for<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// With this thread's simulator, which is built at the first time.
pub(crate) fn with_house<T>(work: impl FnOnce(&House) -> T) -> T {
    HOUSE.with_borrow_mut(|house| {
        let house = house.get_or_insert_with(House::new);
        house.tidy();
        work(house)
    })
}

impl House {
    fn new() -> Self {
        let clock = Clock::frozen(NOW.parse().expect("an instant"));
        let sim = wait_for(async { Sim::builder().clock(clock).build().await }).expect("a simulator");
        let mut house = Self { sim, token: String::new(), requests: Cell::new(REQUESTS_UNTIL_RESET) };
        let answer = house.ask(
            "/integration/login",
            &[(USERNAME_HEADER, "demo")],
            Bytes::from_static(br#"{"password":"demo"}"#),
        );
        let answer: Value = serde_json::from_slice(answer.body()).expect("JSON");
        house.token = answer["data"]["token"].as_str().expect("a token").to_owned();
        house
    }

    /// Every so often, and before the first: one bill, and nothing else.
    fn tidy(&self) {
        self.requests.set(self.requests.get() + 1);
        if self.requests.get() > REQUESTS_UNTIL_RESET {
            self.requests.set(0);
            wait_for(self.sim.reset()).expect("it forgets");
            let added = self.ask_as_demo("/integration/add?generationTypes=PSID", Bytes::from_static(BILL.as_bytes()));
            assert_eq!(added.status(), 200);
        }
    }

    /// Posts as the user who is logged in.
    pub(crate) fn ask_as_demo(&self, path: &str, body: Bytes) -> Response<Bytes> {
        self.ask(path, &[(USERNAME_HEADER, "demo"), (TOKEN_HEADER, &self.token), (CHANNEL_HEADER, "23")], body)
    }

    /// Posts, and has an answer: a hub that gives none is broken.
    pub(crate) fn ask(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Response<Bytes> {
        let mut request = Request::post(format!("http://hub.test{path}")).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        wait_for(self.sim.transport().send(request.body(body).expect("a request"))).expect("an answer")
    }
}
