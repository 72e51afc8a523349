//! `asaanbill demo`: a bill's whole life, over real HTTP on this machine.

mod failure;
mod story;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use crate::exit_code;
use crate::output::{Output, Step};

use self::failure::Failure;
use self::world::World;

/// How long the whole demonstration may take. It takes well under one second; what takes longer hangs.
const LIMIT: Duration = Duration::from_secs(5);

/// Runs the demonstration, and fails if any step doesn't hold.
pub(crate) async fn run(json: bool) -> ExitCode {
    let mut output = Output::new(json);
    let told = tokio::time::timeout(LIMIT, tell(&mut output)).await;
    let told = told.unwrap_or_else(|_| Err(Failure::new(format!("it took longer than {} s", LIMIT.as_secs()))));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if json {
                let step = Step::new("failed", "").fact("error", failure.to_string());
                // A closed pipe ends the story; the exit code says that it didn't hold.
                let _ = output.show(step);
            }
            exit_code::failed(&failure)
        }
    }
}

async fn tell(output: &mut Output) -> Result<(), Failure> {
    let mut world = World::start(output).await?;
    let told = story::tell(&mut world, output).await;
    // The step that failed says more than a store that can't be removed after it.
    told.and(world.stop().await)
}
