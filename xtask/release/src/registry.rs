//! A registry by its sparse index and its web interface, as the Cargo book describes them.

use std::time::Duration;

use semver::Version;
use serde_json::Value;

use crate::http::{Answer, Http, is_allowed};
use crate::stop::{Doing, Stop};
use crate::world::{TOKEN, Token, World};

/// An index file has a line for each version of a crate; ours have few.
const INDEX_LIMIT: u64 = 16 * 1024 * 1024;

/// crates.io takes packages of at most 10 MiB.
const PACKAGE_LIMIT: u64 = 10 * 1024 * 1024;

/// Errors and warnings.
const WORDS_LIMIT: u64 = 256 * 1024;

/// Reading has no effect there, so a failed read is tried again: five times within about half a minute.
const READ_WAITS: [u64; 4] = [1, 3, 9, 20];

/// A registry that was asked where things are.
#[derive(Debug)]
pub(crate) struct Registry<'a> {
    world: &'a World,
    http: Http,
    index: String,
    api: String,
    download: String,
}

/// What the index says of a crate's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// SHA-256 of the package in hexadecimal digits.
    pub(crate) sha256: String,
    pub(crate) yanked: bool,
}

/// What is known of an upload.
#[derive(Debug)]
pub(crate) enum Uploaded {
    /// The registry took it.
    Accepted,
    /// It took nothing and wants to be asked later: after this time, if it said so.
    NotNow(Option<Duration>),
    /// It may have taken it: only the index knows.
    Unknown(String),
    /// It says that it has this version already. The index has to say which.
    Already(String),
    /// It says that it didn't, and why.
    Refused(String),
}

impl<'a> Registry<'a> {
    /// Asks the index where uploads and downloads go.
    pub(crate) fn open(world: &'a World) -> Result<Self, Stop> {
        let index = world.index.strip_prefix("sparse+").unwrap_or_default().trim_end_matches('/').to_owned() + "/";
        if !is_allowed(&index) {
            return Err(Stop::hard(format!("the index {:?} isn't sparse+https://…, nor on this machine", world.index)));
        }
        let http = Http::new(world.exchange);
        let mut registry = Self { world, http, index, api: String::new(), download: String::new() };
        let url = format!("{}config.json", registry.index);
        let config: Value =
            serde_json::from_slice(&registry.read(&url, INDEX_LIMIT)?.body).doing(format!("read {url}"))?;
        let word = |key: &str| config[key].as_str().unwrap_or_default().trim_end_matches('/').to_owned();
        (registry.api, registry.download) = (word("api"), word("dl"));
        for (key, url) in [("api", &registry.api), ("dl", &registry.download)] {
            if !is_allowed(url) {
                return Err(Stop::hard(format!("the registry's {key} is {url:?}: neither https nor on this machine")));
            }
        }
        Ok(registry)
    }

    /// What the index says now. `None`: it has no such crate, or no such version.
    pub(crate) fn entry(&self, name: &str, version: &Version) -> Result<Option<Entry>, Stop> {
        let answer = self.read(&format!("{}{}", self.index, index_path(name)), INDEX_LIMIT)?;
        if answer.status != 200 {
            return Ok(None);
        }
        let text = String::from_utf8(answer.body).doing(format!("read the index of {name}"))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line: Value = serde_json::from_str(line).doing(format!("read the index of {name}"))?;
            if line["vers"].as_str().and_then(|text| text.parse().ok()).as_ref() == Some(version) {
                let sha256 = line["cksum"].as_str().unwrap_or_default().to_lowercase();
                return Ok(Some(Entry { sha256, yanked: line["yanked"] == true }));
            }
        }
        Ok(None)
    }

    /// Sends a crate, once.
    pub(crate) fn upload(&self, body: &[u8]) -> Result<Uploaded, Stop> {
        let token = self.world.token.as_ref().map(Token::expose).ok_or_else(|| {
            Stop::hard(format!("no token: set {TOKEN} to one that may publish new crates and updates"))
        })?;
        let url = format!("{}/api/v1/crates/new", self.api);
        Ok(match self.http.put(&url, token, body, WORDS_LIMIT) {
            Ok(answer) => judged(&answer),
            Err(no_answer) => Uploaded::Unknown(no_answer.to_string()),
        })
    }

    /// The package, as everybody gets it.
    pub(crate) fn download(&self, name: &str, version: &Version, sha256: &str) -> Result<Vec<u8>, Stop> {
        let url = download_url(&self.download, name, version, sha256);
        let answer = self.read(&url, PACKAGE_LIMIT)?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(Stop::later(format!("{url} answered {}", answer.status)))
        }
    }

    /// Reads until there is an answer that means something: 200, or "not there".
    fn read(&self, url: &str, limit: u64) -> Result<Answer, Stop> {
        let mut waits = READ_WAITS.into_iter().map(Duration::from_secs);
        loop {
            let (why, told) = match self.http.get(url, None, limit) {
                Ok(answer) if matches!(answer.status, 200 | 404 | 410 | 451) => return Ok(answer),
                Ok(answer) => (format!("status {}", answer.status), answer.retry_after),
                Err(no_answer) => (no_answer.to_string(), None),
            };
            let Some(wait) = waits.next() else {
                return Err(Stop::later(format!("{url} can't be read: {why}")));
            };
            self.world.clock.wait(told.unwrap_or(wait).min(self.world.longest_wait));
        }
    }
}

/// What an answer to an upload says.
fn judged(answer: &Answer) -> Uploaded {
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let errors: Vec<&str> =
        told["errors"].as_array().into_iter().flatten().filter_map(|error| error["detail"].as_str()).collect();
    match answer.status {
        // An older interface says 200 to everything, and what is wrong in the body.
        200..=299 if errors.is_empty() => Uploaded::Accepted,
        429 => Uploaded::NotNow(answer.retry_after),
        status @ (408 | 500..) => Uploaded::Unknown(format!("status {status}")),
        status if errors.is_empty() => Uploaded::Refused(format!("status {status}")),
        status => {
            let words = format!("status {status}: {}", errors.join("; "));
            // No status tells this case; crates.io says "already uploaded", others "already exists".
            if words.contains("already") { Uploaded::Already(words) } else { Uploaded::Refused(words) }
        }
    }
}

/// `as/aa/asaanbill-core`
fn index_path(name: &str) -> String {
    let name = name.to_lowercase();
    match name.len() {
        1 | 2 => format!("{}/{name}", name.len()),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

/// The template's markers filled in; without any, the usual path after it.
fn download_url(template: &str, name: &str, version: &Version, sha256: &str) -> String {
    let path = index_path(name);
    let prefix = path.rsplit_once('/').map_or("", |(prefix, _)| prefix);
    if !template.contains('{') {
        return format!("{template}/{name}/{version}/download");
    }
    template
        .replace("{crate}", name)
        .replace("{version}", &version.to_string())
        .replace("{prefix}", prefix)
        .replace("{lowerprefix}", prefix)
        .replace("{sha256-checksum}", sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_things_are() {
        let paths = ["a", "ab", "abc", "asaanbill-core", "Asaan"].map(index_path);
        assert_eq!(paths, ["1/a", "2/ab", "3/a/abc", "as/aa/asaanbill-core", "as/aa/asaan"]);
        let version = "0.1.0".parse().unwrap();
        let url = |template| download_url(template, "asaanbill-qr", &version, "ff");
        assert_eq!(
            url("https://static.crates.io/crates"),
            "https://static.crates.io/crates/asaanbill-qr/0.1.0/download"
        );
        assert_eq!(
            url("https://x/{prefix}/{crate}-{version}.crate?{sha256-checksum}"),
            "https://x/as/aa/asaanbill-qr-0.1.0.crate?ff"
        );
    }

    #[test]
    fn what_an_answer_to_an_upload_says() {
        let check = |status: u16, body: &str, expected: &str| {
            let answer = Answer { status, body: body.into(), retry_after: Some(Duration::from_secs(9)) };
            assert_eq!(format!("{:?}", judged(&answer)), expected, "{status} {body}");
        };
        let error = r#"{"errors":[{"detail":"already uploaded"}]}"#;
        check(200, r#"{"warnings":{}}"#, "Accepted");
        check(200, "", "Accepted");
        check(200, error, "Already(\"status 200: already uploaded\")");
        check(400, error, "Already(\"status 400: already uploaded\")");
        check(400, r#"{"errors":[{"detail":"no"},{"detail":"never"}]}"#, "Refused(\"status 400: no; never\")");
        check(403, "no", "Refused(\"status 403\")");
        check(429, error, "NotNow(Some(9s))");
        check(408, "", "Unknown(\"status 408\")");
        check(503, error, "Unknown(\"status 503\")");
    }
}
