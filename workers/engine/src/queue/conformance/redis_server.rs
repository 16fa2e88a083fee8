//! A real redis-server on a free port, ended when it is dropped.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(super) struct RedisServer {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl RedisServer {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A cluster of one node, which refuses a function whose keys are of more than one slot.
    pub(super) fn start_cluster() -> Self {
        let server = Self::start_node();
        assert_eq!(server.command("CLUSTER ADDSLOTSRANGE 0 16383"), "+OK");
        // It takes writes once it has been master for two seconds.
        while server.command("SET ready 1") != "+OK" {
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// A node of a cluster to be.
    pub(super) fn start_node() -> Self {
        Self::start_with(&["--cluster-enabled", "yes"])
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// On that port, which has to be free.
    pub(super) fn start_at(port: u16) -> Self {
        Self::try_start(port, &[]).expect("the port was free a moment ago")
    }

    pub(super) fn start_with(options: &[&str]) -> Self {
        loop {
            let started = Self::try_start(free_port(), options);
            if let Some(server) = started {
                return server;
            }
        }
    }

    /// None where another test has taken the port in between.
    fn try_start(port: u16, options: &[&str]) -> Option<Self> {
        // A replica keeps what its master sent in a file, and a server reads the file that it finds: each has a folder of its own.
        let folder = folder_at(port);
        std::fs::create_dir_all(&folder).unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(&folder)
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is not on PATH: `make test` installs it");
        let mut server = Self { process, port, folder };
        // Another test may have taken the port in between; then this server ends, or the other one answers.
        while server.process.try_wait().unwrap().is_none() {
            match server.info("server", "process_id") {
                Some(id) if id == server.process.id().to_string() => return Some(server),
                Some(_) => break,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        None
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn flush_all(&self) {
        assert_eq!(self.command("FLUSHALL"), "+OK");
    }

    /// Sends one inline command; the first line of the answer.
    pub(super) fn command(&self, command: &str) -> String {
        let mut connection = self.connect();
        connection.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(connection).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Its state as of now, as a file that a server can start from.
    pub(super) fn dump(&self) -> Vec<u8> {
        assert_eq!(self.command("SAVE"), "+OK");
        std::fs::read(self.folder.join("dump.rdb")).unwrap()
    }

    /// At a port that was just given up, with such a state.
    pub(super) fn start_from(port: u16, dump: &[u8]) -> Self {
        let folder = folder_at(port);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("dump.rdb"), dump).unwrap();
        Self::try_start(port, &[]).expect("the port was free a moment ago")
    }

    /// What INFO says of a field of a section; nothing where no server answers.
    pub(super) fn info(&self, section: &str, field: &str) -> Option<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        connection.write_all(format!("INFO {section}\r\n").as_bytes()).ok()?;
        let lines = BufReader::new(connection).lines().map_while(Result::ok);
        lines.into_iter().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))
    }

    /// How many commands it has run, those of functions too.
    pub(super) fn commands(&self) -> u64 {
        let mut connection = self.connect();
        connection.write_all(b"INFO commandstats\r\nQUIT\r\n").unwrap();
        let lines = BufReader::new(connection).lines().map_while(Result::ok);
        let calls = lines.filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok());
        calls.sum()
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }
}

fn folder_at(port: u16) -> PathBuf {
    std::env::temp_dir().join(format!("job-engine-{}-{port}", std::process::id()))
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have died already; there is nothing left to end then.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
