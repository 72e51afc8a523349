//! Programs that some tests need and that a fresh machine with Rust doesn't have.
//!
//! Nothing is passed over silently inside a test: the tests that need a program are behind a cargo feature, and that
//! feature is on exactly when the program is there.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A program that is used when it is there.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// It is there if one folder has all of these.
    pub(crate) binaries: &'static [&'static str],
    /// Where to look beside `PATH`. A `*` stands for one folder's name; the highest number wins.
    pub(crate) folders: &'static [&'static str],
    /// Tells the tests the folder; set by a person, it is the only folder that is looked into.
    pub(crate) variable: &'static str,
    /// The `crate/feature`s that need it. Features that switch these on need not be named.
    pub(crate) features: &'static [&'static str],
    /// What its presence adds.
    pub(crate) gives: &'static str,
    /// How to get it.
    pub(crate) get: &'static str,
}

/// What the tests can use.
pub(crate) const PROGRAMS: &[Program] = &[
    Program {
        name: "PostgreSQL",
        binaries: &["initdb", "postgres"],
        // Debian keeps the server's programs out of PATH, a folder for each version; so do Red Hat and Homebrew in their ways.
        folders: &["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"],
        variable: "ASAANBILL_POSTGRES_BIN",
        features: &["asaanbill-storage/postgres-tests"],
        gives: "the stores' tests on a cluster of their own",
        get: "apt-get install postgresql",
    },
    Program {
        name: "bash",
        binaries: &["bash"],
        folders: &[],
        variable: "ASAANBILL_BASH_BIN",
        features: &["asaanbill-cli/walk-tests"],
        gives: WALK,
        get: "apt-get install bash",
    },
    Program {
        name: "curl",
        binaries: &["curl"],
        folders: &[],
        variable: "ASAANBILL_CURL_BIN",
        features: &["asaanbill-cli/walk-tests"],
        gives: WALK,
        get: "apt-get install curl",
    },
    Program {
        name: "jq",
        binaries: &["jq"],
        folders: &["/opt/homebrew/bin"],
        variable: "ASAANBILL_JQ_BIN",
        features: &["asaanbill-cli/walk-tests"],
        gives: WALK,
        get: "apt-get install jq",
    },
    Program {
        name: "Chromium",
        binaries: &["chromium"],
        folders: &[],
        variable: "ASAANBILL_CHROMIUM_BIN",
        features: &["asaanbill-cli/browser-tests"],
        gives: "the proof that no other page drives the simulator",
        get: "apt-get install chromium",
    },
];

/// What the programs of `docs/walk.sh` give.
const WALK: &str = "the walk through every endpoint of the simulator";

/// A program and the folder it was found in.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) program: &'a Program,
    pub(crate) folder: Option<PathBuf>,
}

impl Program {
    /// Looks where its variable says, else in `PATH`, else in the known folders.
    pub(crate) fn find(&self) -> Found<'_> {
        let chosen = env::var_os(self.variable).filter(|folder| !folder.is_empty());
        let path = env::var_os("PATH").unwrap_or_default();
        Found { program: self, folder: self.find_in(chosen.as_deref(), &path) }
    }

    fn find_in(&self, chosen: Option<&OsStr>, path: &OsStr) -> Option<PathBuf> {
        let has_all = |folder: &PathBuf| self.binaries.iter().all(|name| is_program(folder, name));
        if let Some(chosen) = chosen {
            return Some(PathBuf::from(chosen)).filter(has_all);
        }
        let known = self.folders.iter().flat_map(|pattern| expand(pattern));
        env::split_paths(path).chain(known).filter(|folder| folder.is_absolute()).find(has_all)
    }
}

fn is_program(folder: &Path, name: &str) -> bool {
    folder.join(name).with_extension(env::consts::EXE_EXTENSION).is_file()
}

/// The folders that a pattern with at most one `*` names, highest number first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![pattern.into()];
    };
    let Some((parent, prefix)) = before.rsplit_once('/') else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, format!("{}{after}", entry.path().display()).into()))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Makes these files under a fresh folder and says where `server` and `client` are found, relative to it.
    /// `@` stands for that folder.
    fn check(files: &[&str], folders: &[&str], chosen: Option<&str>, path: &str, expected: Option<&str>) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let file = root.path().join(file).with_extension(env::consts::EXE_EXTENSION);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let here = |text: &str| text.replace('@', root.path().to_str().unwrap());
        let folders: Vec<&'static str> = folders.iter().map(|folder| &*here(folder).leak()).collect();
        let program = Program {
            name: "Server",
            binaries: &["server", "client"],
            folders: folders.leak(),
            variable: "SERVER_BIN",
            features: &[],
            gives: "",
            get: "",
        };
        let found = program.find_in(chosen.map(here).as_deref().map(OsStr::new), OsStr::new(&here(path)));
        assert_eq!(found, expected.map(|folder| root.path().join(folder)));
    }

    #[test]
    fn all_binaries_in_one_folder() {
        check(&["bin/server", "bin/client"], &[], None, "@/none:@/bin", Some("bin"));
        check(&["bin/server", "sbin/client"], &[], None, "@/bin:@/sbin", None);
        check(&[], &["@/gone/*/bin", "@/gone"], None, "@/bin", None);
    }

    #[test]
    fn known_folders_by_number_after_the_path() {
        let files =
            ["lib/9/bin/server", "lib/9/bin/client", "lib/16/bin/server", "lib/16/bin/client", "lib/x/bin/server"];
        check(&files, &["@/lib/*/bin"], None, "@/bin", Some("lib/16/bin"));
        check(&files, &["@/lib/*/bin"], None, "@/lib/9/bin", Some("lib/9/bin"));
        let files = ["srv-17/bin/server", "srv-17/bin/client", "lib/18/bin/server"];
        check(&files, &["@/lib/*/bin", "@/srv-*/bin"], None, "", Some("srv-17/bin"));
        check(&["fix/server", "fix/client"], &["@/fix"], None, "", Some("fix"));
    }

    #[test]
    fn a_person_s_choice_is_the_only_one() {
        let files = ["bin/server", "bin/client", "mine/server", "mine/client"];
        check(&files, &[], Some("@/mine"), "@/bin", Some("mine"));
        check(&files, &[], Some("@/other"), "@/bin", None);
    }
}
