//! The forge's release: a page with the notes, on the tag. GitHub's interface.

use semver::Version;
use serde_json::{Value, json};

use crate::git;
use crate::http::Http;
use crate::stop::{Doing, Stop};
use crate::workspace::Workspace;
use crate::world::{FORGE_TOKEN, Token, World};

/// A release's page as JSON, with its notes.
const ANSWER_LIMIT: u64 = 1024 * 1024;

/// The forge's interface for this repository.
#[derive(Debug)]
pub(crate) struct Forge<'a> {
    world: &'a World,
    http: Http,
    base: String,
}

impl<'a> Forge<'a> {
    /// As the world says, else from the repository that the manifests name.
    pub(crate) fn of(world: &'a World, workspace: &Workspace) -> Result<Self, Stop> {
        let told = || {
            let repository = workspace.crates.iter().find_map(|one| one.package.repository.as_deref())?;
            let path = repository.strip_prefix("https://github.com/")?.trim_end_matches('/').trim_end_matches(".git");
            Some(format!("https://api.github.com/repos/{path}"))
        };
        let base = world.forge.clone().or_else(told);
        let base =
            base.ok_or_else(|| Stop::hard("the manifests' repository is on no forge that we know: github.com"))?;
        Ok(Self { world, http: Http::new(world.exchange), base })
    }

    /// Whether the version has its page.
    pub(crate) fn has(&self, version: &Version) -> Result<bool, Stop> {
        let url = format!("{}/releases/tags/{}", self.base, git::tag(version));
        let token = self.world.forge_token.as_ref().map(authorization);
        let answer = self.http.get(&url, token.as_deref(), ANSWER_LIMIT);
        match answer.map_err(|error| Stop::later(format!("{url}: {error}")))?.status {
            200 => Ok(true),
            404 => Ok(false),
            status => Err(Stop::later(format!("{url} answered {status}"))),
        }
    }

    /// Makes the page, unless it is there. The tag has to be.
    pub(crate) fn make(&self, version: &Version, notes: &str) -> Result<(), Stop> {
        if self.has(version)? {
            return Ok(());
        }
        let token = self.world.forge_token.as_ref().map(authorization).ok_or_else(|| {
            Stop::hard(format!("no token for the release notes: set {FORGE_TOKEN} to one that may write contents"))
        })?;
        let tag = git::tag(version);
        let page = json!({"tag_name": tag, "name": tag, "body": notes, "prerelease": !version.pre.is_empty()});
        let url = format!("{}/releases", self.base);
        let why = match self.http.post(&url, &token, &page.to_string(), ANSWER_LIMIT) {
            Ok(answer) if answer.status == 201 => return Ok(()),
            Ok(answer) => format!("{url} answered {}: {}", answer.status, words(&answer.body)),
            Err(no_answer) => format!("{url}: {no_answer}"),
        };
        // Whatever it said: the page is there, or it isn't.
        if self.has(version).doing(format!("look after the release notes ({why})"))? {
            Ok(())
        } else {
            Err(Stop::later(why))
        }
    }
}

fn authorization(token: &Token) -> String {
    format!("Bearer {}", token.expose())
}

fn words(body: &[u8]) -> String {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    told["message"].as_str().unwrap_or("no message").to_owned()
}
