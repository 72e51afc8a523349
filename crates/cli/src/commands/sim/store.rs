//! Where a simulator stores if nothing is said.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

/// The folder in the user's data directory.
const FOLDER: &str = "asaanbill";

/// The file in it.
const FILE: &str = "sim.db";

/// The file of the default store, by the XDG rules, or by the system's own.
///
/// # Errors
///
/// In words, if the user has no home.
pub(super) fn default_store(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let homeless = || "the user has no data directory: say --store sqlite:PATH or --store memory".to_owned();
    // The rules ask for an absolute path, and for a relative one to be passed over.
    let given = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = match given {
        Some(data) => data,
        None => etcetera::choose_base_strategy().map_err(|_| homeless())?.data_dir(),
    };
    Ok(data.join(FOLDER).join(FILE))
}

/// Makes the folder of a store's file, for its user alone. One that is there stays as it is.
///
/// # Errors
///
/// If it can't be made.
pub(super) fn make_folder(file: &Path) -> io::Result<()> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::{default_store, make_folder};
    use std::path::Path;

    #[test]
    fn in_the_users_data_directory() {
        let store =
            |value: &'static str| default_store(|name| (name == "XDG_DATA_HOME").then(|| value.into())).unwrap();
        assert_eq!(store("/data"), Path::new("/data/asaanbill/sim.db"));
        assert!(store("relative").is_absolute());
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::TempDir::new().unwrap();
        let file = home.path().join("share/asaanbill/sim.db");
        make_folder(&file).unwrap();
        make_folder(&file).unwrap();
        let mode = file.parent().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        make_folder(Path::new("sim.db")).unwrap();
        assert!(make_folder(Path::new("/dev/null/sim.db")).is_err());
    }
}
