//! Client, simulator and call-back receiver in one world, for tests. Not published.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use asaanbill_e2e::{World, bill};
//!
//! let world = World::start().await?;
//! let client = world.client(world.in_process())?;
//! assert!(client.add(&bill("FS-BSCS-095", "50")?).await?.psid().is_some());
//! # Ok(())
//! # }
//! ```

/// The examples of the project's README are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod world;

pub use world::{World, bill};
