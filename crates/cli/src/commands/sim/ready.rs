//! How a simulator says that it serves: to a person in a line, to a program in a file.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

/// What the ready file holds. The address is `IP:PORT`, as it was bound.
#[derive(Serialize)]
struct Ready {
    address: SocketAddr,
    pid: u32,
}

/// A ready file. It is removed with this value.
#[derive(Debug)]
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Removes what an earlier run left, which would be taken for this one's.
    pub(super) fn clear(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes it whole: whoever finds it finds all of it.
    pub(super) fn write(path: &Path, address: SocketAddr) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, &Ready { address, pid: std::process::id() })?;
        file.write_all(b"\n")?;
        file.persist(path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        // Somebody may have removed it before.
        let _ = fs::remove_file(&self.0);
    }
}

/// Where a program on this machine reaches the address: an address for all interfaces is reached by loopback.
fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The line for a person, with a login to copy. A password that was given isn't repeated.
pub(super) fn line(
    address: SocketAddr,
    store: &str,
    (user, password): (&str, Option<&str>),
    certificate: Option<&Path>,
) -> String {
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{}/payment-hub/integration", reached(address));
    let trust = certificate.map(|path| format!("--cacert {} ", quoted(&path.to_string_lossy()))).unwrap_or_default();
    let user = quoted(&format!("username: {user}"));
    let body = quoted(&format!(r#"{{"password":"{}"}}"#, password.unwrap_or("PASSWORD")));
    format!(
        "asaanbill sim is ready at {base} (store: {store}); log in: curl -sS {trust}-H {user} \
         -H 'content-type: application/json' -d {body} {base}/login"
    )
}

/// As a POSIX shell reads it back.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{ReadyFile, line};
    use std::path::Path;

    #[test]
    fn a_line_to_copy() {
        assert_eq!(
            line("127.0.0.1:8088".parse().unwrap(), "memory", ("demo", Some("demo")), None),
            r#"asaanbill sim is ready at http://127.0.0.1:8088/payment-hub/integration (store: memory); log in: curl -sS -H 'username: demo' -H 'content-type: application/json' -d '{"password":"demo"}' http://127.0.0.1:8088/payment-hub/integration/login"#
        );
        assert_eq!(
            line("[::]:443".parse().unwrap(), "memory", ("o'neil", None), Some(Path::new("/a b.pem"))),
            r#"asaanbill sim is ready at https://[::1]:443/payment-hub/integration (store: memory); log in: curl -sS --cacert '/a b.pem' -H 'username: o'\''neil' -H 'content-type: application/json' -d '{"password":"PASSWORD"}' https://[::1]:443/payment-hub/integration/login"#
        );
    }

    #[test]
    fn a_file_that_is_whole_and_goes() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("ready.json");
        ReadyFile::clear(&path).unwrap();
        std::fs::write(&path, "an earlier run's, which was longer than what comes").unwrap();
        let file = ReadyFile::write(&path, "0.0.0.0:80".parse().unwrap()).unwrap();
        let expected = format!("{{\"address\":\"0.0.0.0:80\",\"pid\":{}}}\n", std::process::id());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        drop(file);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        assert!(ReadyFile::write(&folder.path().join("gone/ready.json"), "0.0.0.0:80".parse().unwrap()).is_err());
    }
}
