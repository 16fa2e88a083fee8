//! A redis-server of the test's own.

use std::fs::File;
use std::process::{Command, Stdio};

use super::authority::{Authority, Counts};
use super::folder::Folder;
use super::leash::Leashed;
use super::ports::free_port;
use super::wait_until;

/// A redis-server on a free port with an empty folder, killed with the value.
#[derive(Debug)]
pub(crate) struct RedisServer {
    pub(crate) process: Leashed,
    port: u16,
    options: Vec<String>,
    /// Its port for TLS, where it has one, and who signs for it.
    secured: Option<(u16, Authority)>,
    folder: Folder,
}

impl RedisServer {
    /// Without persistence: a restart forgets everything.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    /// With redis-server's own options, such as `["--appendonly", "yes"]`.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::start_at(free_port(), options)
    }

    /// On that port.
    pub(crate) fn start_at(port: u16, options: &[&str]) -> Self {
        let folder = Folder::new("redis");
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let process = launch(port, &folder, &options);
        let mut server = Self { process, port, options, secured: None, folder };
        server.wait_ready();
        server
    }

    /// With a port for TLS too, for clients that show a certificate of the authority. The plain one is for the test.
    pub(crate) fn start_secured(options: &[&str]) -> Self {
        let (authority, port) = (Authority::new(), free_port());
        let (certificate, key) = authority.sign("server", "IP:127.0.0.1", Counts::Now);
        let files = [
            ("--tls-cert-file", certificate),
            ("--tls-key-file", key),
            ("--tls-ca-cert-file", authority.certificate()),
        ];
        let tls_port = port.to_string();
        let files = files.map(|(option, file)| [option.to_owned(), file.display().to_string()]).concat();
        let tls = ["--tls-port", &tls_port].into_iter().chain(files.iter().map(String::as_str));
        let mut server = Self::start_with(&options.iter().copied().chain(tls).collect::<Vec<_>>());
        server.secured = Some((port, authority));
        server
    }

    /// The settings by which programs use it: the URL, and what TLS needs.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let Some((port, authority)) = &self.secured else { return vec![("REDIS_URL", self.url())] };
        let (certificate, key) = authority.sign("client", "DNS:client", Counts::Now);
        vec![
            ("REDIS_URL", format!("rediss://127.0.0.1:{port}/0")),
            ("REDIS_CA_FILE", authority.certificate().display().to_string()),
            ("REDIS_CERT_FILE", certificate.display().to_string()),
            ("REDIS_KEY_FILE", key.display().to_string()),
        ]
    }

    /// A cluster of masters that have as many slots each.
    pub(crate) fn start_cluster(masters: usize, options: &[&str]) -> Vec<Self> {
        const SLOTS: usize = 16384;
        // Its own choice for what nodes report each other, 10,000 above the port, is where systems number outgoing connections.
        let buses: Vec<_> = (0..masters).map(|_| free_port().to_string()).collect();
        let start =
            |bus: &String| Self::start_with(&[&["--cluster-enabled", "yes", "--cluster-port", bus], options].concat());
        let nodes: Vec<_> = buses.iter().map(start).collect();
        let cluster =
            |node: &Self, words: &[String]| redis::cmd("CLUSTER").arg(words).exec(&mut node.connection()).unwrap();
        for (number, (node, bus)) in nodes.iter().zip(&buses).enumerate() {
            let (first, last) = (number * SLOTS / masters, (number + 1) * SLOTS / masters - 1);
            cluster(node, &["ADDSLOTSRANGE".to_owned(), first.to_string(), last.to_string()]);
            cluster(&nodes[0], &["MEET".to_owned(), "127.0.0.1".to_owned(), node.port.to_string(), bus.clone()]);
        }
        for node in &nodes {
            let info = || redis::cmd("CLUSTER").arg("INFO").query::<String>(&mut node.connection()).unwrap();
            let known = format!("cluster_known_nodes:{masters}\r");
            wait_until("the cluster is up", || info().contains("cluster_state:ok") && info().contains(&known), info);
        }
        nodes
    }

    /// A certificate and its key, as files, that a client could show until years ago.
    pub(crate) fn expired_client(&self) -> [String; 2] {
        let (_, authority) = self.secured.as_ref().expect("it was started secured");
        let (certificate, key) = authority.sign("former", "DNS:client", Counts::NoMore);
        [certificate, key].map(|file| file.display().to_string())
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The same with a password, which a server without one takes as well.
    pub(crate) fn url_with(&self, password: &str) -> String {
        format!("redis://default:{password}@127.0.0.1:{}/0", self.port)
    }

    /// A connection that blocks the calling thread.
    pub(crate) fn connection(&self) -> redis::Connection {
        self.try_connect().expect("a started redis-server takes connections")
    }

    /// Forgets all keys and all functions, as a lost server does.
    pub(crate) fn flush_all(&self) {
        let mut connection = self.connection();
        let () = redis::cmd("FLUSHALL").query(&mut connection).unwrap();
        let () = redis::cmd("FUNCTION").arg("FLUSH").query(&mut connection).unwrap();
    }

    /// Breaks off every connection, as a network does.
    pub(crate) fn drop_connections(&self) {
        let () = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec(&mut self.connection()).unwrap();
    }

    /// `kill -9`: what it has not written is lost.
    pub(crate) fn kill(&mut self) {
        self.process.end("KILL");
    }

    /// Starts it again on the same port and folder, after [`RedisServer::kill`] or on top of a running one.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.process = launch(self.port, &self.folder, &self.options);
        self.wait_ready();
    }

    fn try_connect(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(self.url())?.get_connection()
    }

    fn wait_ready(&mut self) {
        let log = self.folder.path().join("log");
        let reported = || std::fs::read_to_string(&log).unwrap_or_default();
        wait_until(
            "redis-server answers PING",
            || {
                let ended = self.process.has_ended();
                assert!(ended.is_none(), "redis-server ended at once ({ended:?}):\n{}", reported());
                // A server that still loads its file takes connections and answers LOADING.
                let connection = self.try_connect();
                connection.and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection)).is_ok()
            },
            reported,
        );
    }
}

fn launch(port: u16, folder: &Folder, options: &[String]) -> Leashed {
    let is_there = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(is_there, "redis-server is not installed; `make test` installs what the tests need");
    let log = File::create(folder.path().join("log")).unwrap();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no", "--dir"]);
    command.arg(folder.path()).args(options).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Leashed::start(command, "KILL")
}
