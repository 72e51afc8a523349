//! `cargo xtask dist`: the command as people download it: one archive with the program, its licences and its README.

use std::error::Error;
use std::fs;
use std::process::Command;

use crate::run;
use crate::workspace::Workspace;

const PACKAGE: &str = "asaanbill-cli";
const PROGRAM: &str = "asaanbill";

/// Builds it with optimisation and packs it into `target/dist`.
pub(crate) fn dist() -> Result<bool, Box<dyn Error>> {
    let workspace = Workspace::load()?;
    let one = workspace.crates.iter().find(|one| one.name == PACKAGE).ok_or("there is no command")?;
    let version = one.told["version"].as_str().unwrap_or_default();
    let line = ["build", "--release", "--locked", "--package", PACKAGE, "--bin", PROGRAM];
    if !run::passes(&mut run::cargo(&workspace.root, line))? {
        return Ok(false);
    }
    let name = format!("{PROGRAM}-{version}-{}", host(&workspace)?);
    let folder = workspace.target.join("dist");
    let within = folder.join(&name);
    fs::create_dir_all(&within)?;
    let program = workspace.target.join("release").join(PROGRAM).with_extension(std::env::consts::EXE_EXTENSION);
    let from_root = ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"].map(|file| workspace.root.join(file));
    for file in from_root.iter().chain([&program, &one.folder.join("README.md")]) {
        let to = file.file_name().ok_or("a file without a name")?;
        fs::copy(file, within.join(to)).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let mut tar = Command::new("tar");
    tar.current_dir(&folder).args(["-czf", &format!("{name}.tar.gz"), &name]);
    run::output(&mut tar)?;
    fs::remove_dir_all(&within)?;
    println!("{}", folder.join(format!("{name}.tar.gz")).display());
    Ok(true)
}

/// What the compiler builds for, such as `x86_64-unknown-linux-gnu`.
pub(crate) fn host(workspace: &Workspace) -> Result<String, Box<dyn Error>> {
    let told = run::output(&mut run::cargo(&workspace.root, ["-vV"]))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("cargo -vV says no host")?.to_owned())
}
