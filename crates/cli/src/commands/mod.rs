//! The commands.

pub(crate) mod demo;
pub(crate) mod listen;
pub(crate) mod sim;
