//! A wire to PostgreSQL that breaks at the statement a test names.
//!
//! It reads the client's side of the protocol far enough to count statements. At the one that is named it closes every
//! connection before the server has seen that statement, and takes no new one until it is mended: what the client sees
//! is a lost server. What the server had done before stays done, and the client never learns of it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy before a PostgreSQL; closed with the value.
pub(crate) struct Wire {
    state: Arc<State>,
    server: JoinHandle<()>,
}

struct State {
    statements: Mutex<Count>,
    broken: watch::Sender<bool>,
    /// Nothing moves, in neither direction, and nobody is informed.
    hangs: watch::Sender<bool>,
}

#[derive(Default)]
struct Count {
    /// Statements since the last order.
    seen: Vec<String>,
    /// How many get through.
    most: Option<usize>,
}

impl Wire {
    /// Stands before the server of `url`, a `postgres://user@host:port/database`.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let server = url.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            statements: Mutex::default(),
            broken: watch::Sender::new(false),
            hangs: watch::Sender::new(false),
        });
        let of_server = (Arc::clone(&state), server.clone());
        let serving = tokio::spawn(async move {
            let (state, server) = of_server;
            while let Ok((client, _)) = listener.accept().await {
                if *state.broken.borrow() {
                    continue;
                }
                let (state, server) = (Arc::clone(&state), server.clone());
                tokio::spawn(async move { carry(client, &server, &state).await });
            }
        });
        let through = url.replace(&server, &address);
        (Self { state, server: serving }, through)
    }

    /// From now on so many statements get through. At the next one the wire breaks.
    pub(crate) fn break_after(&self, statements: usize) {
        *self.state.statements.lock().unwrap() = Count { seen: Vec::new(), most: Some(statements) };
    }

    /// Counts from now on, without breaking.
    pub(crate) fn count(&self) {
        *self.state.statements.lock().unwrap() = Count::default();
    }

    /// The statements since the last order, the one at which it broke included.
    pub(crate) fn statements(&self) -> Vec<String> {
        self.state.statements.lock().unwrap().seen.clone()
    }

    pub(crate) fn is_broken(&self) -> bool {
        *self.state.broken.borrow()
    }

    /// From now on nothing moves, as behind a line that went dead; new connections are taken and not served.
    pub(crate) fn hang(&self) {
        self.state.hangs.send_replace(true);
    }

    /// New connections are taken, and nothing breaks any more.
    pub(crate) fn mend(&self) {
        self.state.statements.lock().unwrap().most = None;
        self.state.broken.send_replace(false);
        self.state.hangs.send_replace(false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn carry(client: TcpStream, server: &str, state: &State) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut broken = state.broken.subscribe();
    tokio::select! {
        _ = upwards(from_client, to_server, state) => {}
        _ = downwards(from_server, to_client, state) => {}
        _ = broken.wait_for(|broken| *broken) => {}
    }
}

async fn downwards(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, state: &State) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = server.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        state.moves().await;
        client.write_all(&bytes[..read]).await?;
    }
}

/// Instead of a version: the client asks whether the server speaks TLS, before it really starts.
const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// Message by message. The startup has no type, nor has the question about TLS before it.
async fn upwards(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, state: &State) -> std::io::Result<()> {
    let mut is_startup = true;
    loop {
        let mut message = if is_startup { Vec::new() } else { vec![client.read_u8().await?] };
        let length = client.read_u32().await?;
        message.extend(length.to_be_bytes());
        let head = message.len();
        message.resize(head + usize::try_from(length).unwrap() - 4, 0);
        client.read_exact(&mut message[head..]).await?;
        if is_startup {
            is_startup = message[head..] == SSL_REQUEST;
        } else if let Some(text) = statement(&message)
            && !state.passes(text)
        {
            state.broken.send_replace(true);
            return Ok(());
        }
        state.moves().await;
        server.write_all(&message).await?;
    }
}

/// The text of a statement that is sent whole, or the name of one that was prepared before.
fn statement(message: &[u8]) -> Option<String> {
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    match message.first()? {
        b'Q' => Some(text(&message[5..])),
        b'P' => {
            let name = message[5..].iter().position(|byte| *byte == 0)?;
            Some(text(&message[5 + name + 1..]))
        }
        // Bind: of which prepared statement.
        b'B' => {
            let portal = message[5..].iter().position(|byte| *byte == 0)?;
            Some(format!("bind {}", text(&message[5 + portal + 1..])))
        }
        _ => None,
    }
}

impl State {
    async fn moves(&self) {
        // The sender lives as long as this.
        let _ = self.hangs.subscribe().wait_for(|hangs| !hangs).await;
    }

    fn passes(&self, text: String) -> bool {
        let mut count = self.statements.lock().unwrap();
        // A sign of life is no statement.
        if text.is_empty() {
            return true;
        }
        count.seen.push(text);
        count.most.is_none_or(|most| count.seen.len() <= most)
    }
}
