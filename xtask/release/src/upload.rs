//! What a registry is sent: the description of a crate as JSON, and its package.
//!
//! We upload ourselves and don't leave it to `cargo publish`, which packs anew for each crate and tells its outcome in words.
//! Here the bytes that were packed once and attested are the bytes that are sent, and an answer is a status with headers.
//! A test holds the body against the one that cargo sends.

use cargo_metadata::DependencyKind;
use serde_json::{Map, Value, json};

use crate::stop::{Doing, Stop};
use crate::workspace::Crate;

/// The body of `PUT /api/v1/crates/new`: each part after its length in four bytes, the lowest first.
pub(crate) fn body(one: &Crate, package: &[u8]) -> Result<Vec<u8>, Stop> {
    let description = description(one)?.to_string();
    let mut body = Vec::with_capacity(description.len() + package.len() + 8);
    for part in [description.as_bytes(), package] {
        let length = u32::try_from(part.len()).doing(format!("upload {}, which is too large", one.name))?;
        body.extend(length.to_le_bytes());
        body.extend(part);
    }
    Ok(body)
}

fn description(one: &Crate) -> Result<Value, Stop> {
    let told = &one.told;
    let readme = match one.package.readme() {
        Some(path) => Some(std::fs::read_to_string(&path).doing(format!("read {path}"))?),
        None => None,
    };
    let dependencies: Vec<Value> = one
        .needs()
        .map(|wanted| {
            let mut line = Map::new();
            line.insert("name".into(), json!(wanted.name));
            line.insert("version_req".into(), json!(wanted.req.to_string()));
            line.insert("features".into(), json!(wanted.features));
            line.insert("optional".into(), json!(wanted.optional));
            line.insert("default_features".into(), json!(wanted.uses_default_features));
            line.insert("target".into(), json!(wanted.target.as_ref().map(ToString::to_string)));
            let kind = match wanted.kind {
                DependencyKind::Development => "dev",
                DependencyKind::Build => "build",
                _ => "normal",
            };
            line.insert("kind".into(), json!(kind));
            if let Some(rename) = &wanted.rename {
                line.insert("explicit_name_in_toml".into(), json!(rename));
            }
            Value::Object(line)
        })
        .collect();
    Ok(json!({
        "name": told["name"], "vers": told["version"], "deps": dependencies, "features": told["features"],
        "authors": told["authors"], "description": told["description"], "documentation": told["documentation"],
        "homepage": told["homepage"], "readme": readme, "readme_file": told["readme"], "keywords": told["keywords"],
        "categories": told["categories"], "license": told["license"], "license_file": told["license_file"],
        "repository": told["repository"], "badges": {}, "links": told["links"], "rust_version": told["rust_version"],
    }))
}
