//! A real redis-server on a free port, ended when it is dropped.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(super) struct RedisServer {
    process: Child,
    port: u16,
}

impl RedisServer {
    pub(super) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is not on PATH: `make test` installs it");
        let server = Self { process, port };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(super) fn flush_all(&mut self) {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        connection.write_all(b"FLUSHALL\r\n").unwrap();
        let mut answer = [0; 5];
        std::io::Read::read_exact(&mut connection, &mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have died already; there is nothing left to end then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
