//! A registry and a forge on one loopback port: sparse index, uploads, downloads and release pages, with faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What happens to an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 429, come back after these seconds.
    TooMany(u64),
    /// Stored, then 503.
    StoredThen503,
    /// 503, and nothing stored.
    Plain503,
    /// Stored, then the connection ends without an answer.
    StoredThenClosed,
    /// The connection ends, and nothing is stored.
    Closed,
    /// Stored, and no answer comes for as long as the client waits.
    StoredThenSilent,
    /// Refused for a reason of the registry's own.
    Refused,
}

/// One registry. Stops with the process; each connection has one exchange.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    crates: BTreeMap<String, Stored>,
    /// For the next uploads, in order.
    pub(crate) faults: VecDeque<Fault>,
    /// How often the index is read before it shows a new crate.
    pub(crate) lag: u32,
    /// Uploads that were stored, by crate.
    pub(crate) accepted: BTreeMap<String, u32>,
    /// All uploads that arrived, refused ones too.
    pub(crate) uploads: u32,
    /// The descriptions as they were sent.
    pub(crate) descriptions: BTreeMap<String, Value>,
    /// The forge's release pages.
    pub(crate) pages: Vec<Value>,
    /// Answers to the next posts of a page: `true` makes the page first.
    pub(crate) page_faults: VecDeque<bool>,
    /// Called with the number of a stored upload, before it is answered.
    pub(crate) on_stored: Option<Box<dyn FnMut(u32) + Send>>,
    /// Downloads are of something else.
    pub(crate) corrupt_downloads: bool,
}

struct Stored {
    line: Value,
    package: Vec<u8>,
    hidden_for: u32,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let registry = Self { address, state: Arc::default() };
        let served = registry.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let one = served.clone();
                // A client that goes away is no concern of a registry.
                std::thread::spawn(move || one.serve(stream.unwrap()).ok());
            }
        });
        registry
    }

    pub(crate) fn index(&self) -> String {
        format!("sparse+http://{}/index/", self.address)
    }

    pub(crate) fn forge(&self) -> String {
        format!("http://{}/forge", self.address)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The checksum of each crate that is stored, in the index or not yet.
    pub(crate) fn checksums(&self) -> BTreeMap<String, String> {
        let state = self.state();
        state.crates.iter().map(|(name, one)| (name.clone(), one.line["cksum"].as_str().unwrap().to_owned())).collect()
    }

    /// Somebody else's crate of this name and version.
    pub(crate) fn plant(&self, name: &str, version: &str) {
        self.store(&json!({"name": name, "vers": version, "deps": [], "features": {}}), b"another package".to_vec());
        self.state().crates.get_mut(name).unwrap().hidden_for = 0;
    }

    pub(crate) fn yank(&self, name: &str) {
        self.state().crates.get_mut(name).unwrap().line["yanked"] = json!(true);
    }

    pub(crate) fn package(&self, name: &str) -> Vec<u8> {
        self.state().crates[name].package.clone()
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (head, body) = read_request(&mut stream)?;
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match (method, path) {
            ("GET", "/index/config.json") => {
                let base = format!("http://{}", self.address);
                answer(&mut stream, 200, "", json!({"dl": format!("{base}/dl"), "api": base}).to_string().as_bytes())
            }
            ("GET", path) if path.starts_with("/index/") => {
                let line = self.shown(path.rsplit('/').next().unwrap_or_default());
                let (status, line) = line.map_or((404, String::new()), |line| (200, line));
                answer(&mut stream, status, "", line.as_bytes())
            }
            ("GET", path) if path.starts_with("/dl/") => {
                let name = path.split('/').nth(2).unwrap_or_default();
                let package = self.state().crates.get(name).map(|one| one.package.clone());
                let corrupt = self.state().corrupt_downloads;
                match package {
                    Some(_) if corrupt => answer(&mut stream, 200, "", b"not the package"),
                    Some(package) => answer(&mut stream, 200, "", &package),
                    None => answer(&mut stream, 404, "", b""),
                }
            }
            ("PUT", "/api/v1/crates/new") => self.upload(stream, &head, &body),
            ("GET", path) if path.starts_with("/forge/releases/tags/") => {
                let tag = path.rsplit('/').next().unwrap_or_default();
                let there = self.state().pages.iter().any(|page| page["tag_name"] == tag);
                answer(&mut stream, if there { 200 } else { 404 }, "", b"{}")
            }
            ("POST", "/forge/releases") => {
                let fault = self.state().page_faults.pop_front();
                if fault != Some(false) {
                    self.state().pages.push(serde_json::from_slice(&body).unwrap());
                }
                answer(&mut stream, if fault.is_none() { 201 } else { 502 }, "", b"{}")
            }
            _ => answer(&mut stream, 405, "", b""),
        }
    }

    fn upload(&self, mut stream: TcpStream, head: &str, body: &[u8]) -> std::io::Result<()> {
        let error = |detail: &str| json!({"errors": [{"detail": detail}]}).to_string();
        if !head.to_lowercase().contains("authorization: token-of-the-tests") {
            return answer(&mut stream, 403, "", error("no such token").as_bytes());
        }
        let part = |body: &[u8]| u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
        let (description, rest) = body[4..].split_at(part(body));
        let (description, package) = (serde_json::from_slice::<Value>(description).unwrap(), rest[4..].to_vec());
        assert_eq!(part(rest), package.len(), "the upload's second length");
        let name = description["name"].as_str().unwrap().to_owned();
        let (fault, there) = {
            let mut state = self.state();
            state.uploads += 1;
            (state.faults.pop_front(), state.crates.contains_key(&name))
        };
        let stores = !matches!(fault, Some(Fault::TooMany(_) | Fault::Plain503 | Fault::Closed | Fault::Refused));
        if there && stores {
            return answer(&mut stream, 400, "", error("crate version is already uploaded").as_bytes());
        }
        if stores {
            self.store(&description, package);
            *self.state().accepted.entry(name.clone()).or_default() += 1;
            self.state().descriptions.insert(name, description);
            let stored = self.state().accepted.values().sum();
            let told = self.state().on_stored.take();
            if let Some(mut told) = told {
                told(stored);
                self.state().on_stored = Some(told);
            }
        }
        match fault {
            None => answer(&mut stream, 200, "", br#"{"warnings":{}}"#),
            Some(Fault::TooMany(seconds)) => {
                let after = format!("retry-after: {seconds}\r\n");
                answer(&mut stream, 429, &after, error("too many new crates").as_bytes())
            }
            Some(Fault::StoredThen503 | Fault::Plain503) => answer(&mut stream, 503, "", b"backend"),
            Some(Fault::StoredThenClosed | Fault::Closed) => Ok(()),
            // Returns when the client has had enough and closes.
            Some(Fault::StoredThenSilent) => stream.read(&mut [0]).map(|_| ()),
            Some(Fault::Refused) => answer(&mut stream, 400, "", error("the name is reserved").as_bytes()),
        }
    }

    fn store(&self, description: &Value, package: Vec<u8>) {
        let digest = Sha256::digest(&package).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let renamed = |line: &Value| {
            let mut line = line.clone();
            line["req"] = line["version_req"].take();
            // The index says it the other way round: the name in the manifest, and the package that it stands for.
            if let Some(rename) = line.as_object_mut().unwrap().remove("explicit_name_in_toml") {
                line["package"] = line["name"].take();
                line["name"] = rename;
            }
            line
        };
        let deps: Vec<Value> = description["deps"].as_array().unwrap().iter().map(renamed).collect();
        let line = json!({
            "name": description["name"], "vers": description["vers"], "deps": deps, "features": description["features"],
            "cksum": digest, "yanked": false,
        });
        let mut state = self.state();
        let hidden_for = state.lag;
        state.crates.insert(description["name"].as_str().unwrap().to_owned(), Stored { line, package, hidden_for });
    }

    /// A crate's line in the index, if it is to be seen by now.
    fn shown(&self, name: &str) -> Option<String> {
        let mut state = self.state();
        let one = state.crates.get_mut(name)?;
        if one.hidden_for > 0 {
            one.hidden_for -= 1;
            return None;
        }
        Some(format!("{}\n", one.line))
    }
}

fn read_request(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.unwrap_or(0);
    if head.to_lowercase().contains("expect: 100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => body.extend_from_slice(&buffer[..read]),
        }
    }
    Ok((head, body))
}

fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} Told\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n")?;
    stream.write_all(body)
}
