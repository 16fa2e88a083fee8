//! An HTTP server that answers with what it is reported, byte for byte, and keeps what it was sent.

#![expect(clippy::unwrap_used, reason = "only tests use it")]
#![warn(missing_docs)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
pub enum Answer {
    /// Sends these bytes, and keeps the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes, which may be none, and closes the connection.
    Cut(Vec<u8>),
    /// Sends nothing, and keeps the connection.
    Silence,
}

impl Answer {
    /// A whole reply of JSON.
    pub fn json(status: u16, body: &str) -> Self {
        Self::with_headers(status, &[], body)
    }

    /// A whole reply of JSON with more headers.
    pub fn with_headers(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::Bytes(reply(status, "application/json", headers, body))
    }

    /// A page for people.
    pub fn page(status: u16) -> Self {
        Self::Bytes(reply(status, "text/html", &[], "<!doctype html><title>Bad gateway</title>"))
    }
}

/// The bytes of a reply.
pub fn reply(status: u16, content_type: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!("HTTP/1.1 {status} Told\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{more}\r\n{body}")
        .into_bytes()
}

/// The server; it stops with the test's runtime.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Server {
    /// Starts it with the answers that it gives, in turn.
    pub async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let (reported, kept) = (answers.clone(), requests.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, reported.clone(), kept.clone()));
            }
        });
        Self { address, requests, answers }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// One answer more.
    pub fn will(&self, answer: Answer) {
        self.answers.lock().unwrap().push_back(answer);
    }

    /// All requests that arrived, head and body, header names in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut socket: TcpStream, answers: Arc<Mutex<VecDeque<Answer>>>, kept: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read_request(&mut socket).await {
        kept.lock().unwrap().push(request);
        // A request that no answer is left for is kept and cut off, so that the test counts it.
        let answer = answers.lock().unwrap().pop_front().unwrap_or(Answer::Cut(Vec::new()));
        let (bytes, close) = match answer {
            Answer::Bytes(bytes) => (bytes, false),
            Answer::Cut(bytes) => (bytes, true),
            Answer::Silence => (Vec::new(), false),
        };
        // The client may hang up before the end of a reply that it will not read.
        if socket.write_all(&bytes).await.is_err() || close {
            return;
        }
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return Some(text);
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn content_length(head: &str) -> usize {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.map_or(0, |length| length.parse().unwrap())
}
