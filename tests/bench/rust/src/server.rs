//! What jobs call where each sends one: answers every request alike, at once, over connections that stay open.
//!
//! It prints its address. As little as will do: it shares the machine with those that are measured.

use bench::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const END: &[u8] = b"\r\n\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream));
    }
}

/// Until the other side hangs up. Requests have no body and do not overtake each other.
async fn serve(mut stream: TcpStream) {
    let mut request = Vec::with_capacity(1024);
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        if request.ends_with(END) {
            request.clear();
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}
