//! A hub that answers at once with the same.

use std::fmt::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// As long as the guide's.
pub(crate) const TOKEN: &str = "NOh/caEvov9l2PrLXRmLmNK92/nAvJJM4dnuR2+McdU0gfEzdPTqtVb90hlyqp3JTJPzlydDLroSMus3Q5e/QRkA3PGmEgsIYLfROQmW8Adku4jHq0R0PG3F7v9sXvkIMeKW2vAMma6w+BSmgzUgZPN+tz46DYDSYXfkVCM/0nEjt9GjJSJTtGGgoOMpspB0xHnDNFVHboZhPtrXD75ae8lbGo/GjmIUk7zJEDqNKg2dGt0Hr4NufO58q/LvGFqq==";

/// Some 450 bytes.
pub(crate) const ADDED: &str = r#"{"responseCode":200,"responseMessage":"Request processed successfully","data":{"id":25,"amount":14000.5,"amountAfterDueDate":14550.75,"identifier":"FS-BSCS-000000000001","title":"Muhammad Mahd Sheikh","dueDate":"28-03-2099","psid":"100139100100154854584585","qrString":"00020101021128560012D156000000000108o","status":"APPROVED","createdAt":"10:22 AM 10-Jan-2025","updatedAt":"10:22 AM 10-Jan-2025","paymentDetails":[]}}"#;

/// Serves on a thread of its own, so that its CPU isn't the client's. Gives its address.
pub(crate) fn serve() -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
    });
    format!("http://{}", told.recv().unwrap())
}

async fn answer(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ADDED}", ADDED.len());
    let mut read = Vec::with_capacity(4_096);
    loop {
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let whole = end + 4 + length.map_or(0, |length| length.trim().parse().unwrap());
        while read.len() < whole {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        read.drain(..whole);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The answer to a batch of so many rows.
pub(crate) fn bulk_answer(rows: usize) -> Vec<u8> {
    let mut answer = String::from(
        r#"{"responseCode":200,"responseMessage":"Request processed successfully","data":{"bulkPaymentRequestId":11,"payments":["#,
    );
    for number in 0..rows {
        let comma = if number > 0 { "," } else { "" };
        write!(
            answer,
            r#"{comma}{{"title":"Muhammad Mahd Sheikh, Faculty of Sciences, Department of Computing, Semester Fees {:04}","identifier":"FS-BSCS-{number:012}","amount":"14000.50","dueDate":"2099-03-28","amountAfterDueDate":"14550.75","status":"PROCESSED"}}"#,
            number % 10_000
        )
        .unwrap();
    }
    answer.push_str("]}}");
    answer.into_bytes()
}
