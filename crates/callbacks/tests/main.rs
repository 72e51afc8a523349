//! Call-backs in, effects out, beside a hub in memory and on a clock that the test moves.
//!
//! Each of these bugs was planted once, and caught by the test beside it:
//!
//! | bug | test |
//! |---|---|
//! | it is acknowledged before it is stored | `accepting::what_is_not_stored_is_not_acknowledged`, `full` |
//! | a record that isn't paid has an effect | `product` |
//! | a record of other amounts has one | `product` |
//! | a repeat has a second one | `product`, `store::contract` |
//! | a completion without the lease's token | `store::contract` on both stores |
//! | a transaction takes its lease at its end | e2e's `receivers::a_transaction_past_its_lease_is_not_run_beside_itself` |
//! | a body that came before is dropped for ever | `confirming::each_payment_on_a_template_is_an_effect`, `exactly_once` |
//! | a hub that can't be asked uses up an attempt | `outages` |
//! | the sweep announces what was announced | `sweeping::what_nobody_announced_is_found_once` |
//! | it leaves no time to the call-back | `sweeping::a_payment_is_left_to_its_call_back_for_a_while` |
//! | it takes the hub's minutes for moments | `sweeping::what_is_paid_in_the_first_minute_is_found` |
//! | something else is forgotten than what came to nothing | `sweeping::what_came_to_nothing_is_forgotten_and_nothing_else_is` |
//! | nobody waits for a handler under way | `draining` |
//! | the allow-list isn't asked | `guarding::the_secret_and_the_allow_list` |
//! | unresolved receipts, connections, heads, bodies or time without a bound | `guarding::a_flood_is_bounded`, `flooding`, `accepting::a_body_has_a_limit`, `sockets` |

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a seed is of use to whoever repeats a failure")]

mod hub;
mod ledger;
mod world;

#[cfg(feature = "postgres-tests")]
#[allow(dead_code, reason = "storage's own; not all of it is used here")]
#[path = "../../storage/tests/cluster.rs"]
mod cluster;

#[cfg(feature = "postgres-tests")]
#[path = "../../storage/tests/proxy.rs"]
mod proxy;

mod accepting;
mod confirming;
mod draining;
mod durability;
mod exactly_once;
#[cfg(unix)]
mod flooding;
mod full;
mod guarding;
mod handling;
#[cfg(feature = "postgres-tests")]
mod lost;
mod messages;
mod operating;
mod outages;
mod privacy;
mod product;
mod records;
mod sockets;
mod sweeping;
