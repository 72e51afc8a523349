//! What can be asked on the command line.

use clap::{Parser, Subcommand};

use crate::commands::listen::ListenArgs;
use crate::commands::sim::SimArgs;

/// Everything for AsaanBill, the Pakistani bill-payment hub.
#[derive(Debug, Parser)]
#[command(name = "asaanbill", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a bill's whole life: a simulated hub, a client and a call-back receiver on this machine
    ///
    /// Exit codes: 0 if every step held, 1 if one didn't, 2 if the command line can't be read.
    Demo {
        /// Print one JSON object a line, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Run a simulator of the hub until it is told to stop
    ///
    /// It prints one line when it is ready. SIGTERM and SIGINT stop it: it takes no more connections, finishes what is in
    /// flight, and ends in under a second.
    ///
    /// Exit codes: 0 if it was told to stop, 1 if it couldn't start or go on, 2 if the command line can't be read.
    Sim(Box<SimArgs>),

    /// Receive the hub's call-backs, and run a program for each event that the hub's records confirm
    ///
    /// Stops at Ctrl-C or SIGTERM, and finishes what is under way. Exit codes: 0 if it was told to stop, 1 if it can't
    /// start or listen, 2 if the command line can't be read.
    Listen(Box<ListenArgs>),
}
