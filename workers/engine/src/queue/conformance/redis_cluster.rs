//! A real Redis Cluster on free ports, whose nodes want a password.

use std::path::Path;

use redis::{Cmd, Connection, FromRedisValue, RedisResult, cmd};

use super::redis_server::{RedisServer, free_port};

const PASSWORD: &str = "of-the-cluster";
const SLOTS: u16 = 16384;

/// The URL of a node's port for TLS.
pub(super) fn secured_url(port: u16) -> String {
    format!("rediss://default:{PASSWORD}@127.0.0.1:{port}/")
}

/// The URL of a node.
pub(super) fn cluster_url(port: u16) -> String {
    format!("redis://default:{PASSWORD}@127.0.0.1:{port}/")
}

pub(super) struct RedisCluster {
    nodes: Vec<RedisServer>,
    /// Where each of them speaks TLS, and with what, where they do.
    secured: Option<(Vec<u16>, Vec<String>)>,
}

impl RedisCluster {
    /// Masters that have as many slots each.
    pub(super) fn start(masters: u16) -> Self {
        Self { nodes: Vec::new(), secured: None }.with(masters)
    }

    /// The same with TLS, between the nodes too, for clients that show a certificate of the authority.
    pub(super) fn start_secured(masters: u16, authority: &Path, certificate: &Path, key: &Path) -> Self {
        let files = [("--tls-ca-cert-file", authority), ("--tls-cert-file", certificate), ("--tls-key-file", key)];
        let options = files.iter().flat_map(|(option, file)| [(*option).to_owned(), file.display().to_string()]);
        let options = options.chain(["--tls-cluster", "yes", "--tls-replication", "yes"].map(str::to_owned)).collect();
        Self { nodes: Vec::new(), secured: Some((Vec::new(), options)) }.with(masters)
    }

    fn with(mut self, masters: u16) -> Self {
        let cluster = &mut self;
        for number in 0..masters {
            let shard_connection = cluster.add(Some(number + 1));
            let first = u32::from(number) * u32::from(SLOTS) / u32::from(masters);
            let last = u32::from(number + 1) * u32::from(SLOTS) / u32::from(masters) - 1;
            cluster.ask::<()>(shard_connection, cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(last));
        }
        for shard_connection in 0..cluster.nodes.len() {
            cluster.wait_for(shard_connection, "CLUSTER INFO", "cluster_state:ok");
        }
        self
    }

    pub(super) fn tls_port(&self, shard_connection: usize) -> u16 {
        self.secured.as_ref().unwrap().0[shard_connection]
    }

    /// Where other nodes meet it.
    fn own_port(&self, shard_connection: usize) -> u16 {
        if self.secured.is_some() { self.tls_port(shard_connection) } else { self.port(shard_connection) }
    }

    fn start_node(&mut self) -> RedisServer {
        let Some((ports, options)) = &mut self.secured else { return RedisServer::start_node() };
        // What nodes report each other goes by the port 10,000 above.
        let port = std::iter::repeat_with(free_port).find(|port| *port < 50_000).unwrap();
        ports.push(port);
        let tls_port = port.to_string();
        let own = ["--cluster-enabled", "yes", "--tls-port", tls_port.as_str()];
        RedisServer::start_with(&own.into_iter().chain(options.iter().map(String::as_str)).collect::<Vec<_>>())
    }

    /// The number of a new node that has met the others and owns nothing. Masters are given epochs, as `redis-cli --cluster create` does: those that
    /// begin with the same one settle that later, and who takes over a master in that moment may not get a greater one, so that nobody believes it.
    fn add(&mut self, epoch: Option<u16>) -> usize {
        let server = self.start_node();
        for setting in ["masterauth", "requirepass"] {
            assert_eq!(server.command(&format!("CONFIG SET {setting} {PASSWORD}")), "+OK");
        }
        self.nodes.push(server);
        let shard_connection = self.nodes.len() - 1;
        if let Some(epoch) = epoch {
            self.ask::<()>(shard_connection, cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(epoch));
        }
        if shard_connection > 0 {
            // Gossip does the rest.
            self.ask::<()>(
                shard_connection,
                cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(self.own_port(shard_connection - 1)),
            );
        }
        shard_connection
    }

    /// The number of a new replica of that node, once it has what the node has.
    pub(super) fn add_replica(&mut self, of: usize) -> usize {
        let (replica, id) = (self.add(None), self.id(of));
        self.wait_for(replica, "CLUSTER NODES", &id);
        self.ask::<()>(replica, cmd("CLUSTER").arg("REPLICATE").arg(id));
        self.wait_for(replica, "INFO replication", "master_link_status:up");
        replica
    }

    pub(super) fn port(&self, shard_connection: usize) -> u16 {
        self.nodes[shard_connection].port()
    }

    pub(super) fn ask<T: FromRedisValue>(&self, shard_connection: usize, command: &Cmd) -> T {
        command.query(&mut self.connect(shard_connection).unwrap()).unwrap()
    }

    pub(super) fn kill(&mut self, shard_connection: usize) {
        self.nodes[shard_connection].kill();
    }

    /// The node that owns the slot of a key.
    pub(super) fn owner(&self, key: &str) -> usize {
        let owns = |shard_connection: &usize| {
            self.connect(*shard_connection)
                .and_then(|mut shard_connection| cmd("EXISTS").arg(key).query::<u8>(&mut shard_connection))
                .is_ok()
        };
        (0..self.nodes.len()).find(owns).unwrap()
    }

    /// Gives the slot of a key to another node, with all that is in it.
    pub(super) fn move_slot(&self, key: &str, to: usize) {
        let from = self.owner(key);
        let slot: u16 = self.ask(from, cmd("CLUSTER").arg("KEYSLOT").arg(key));
        let set = |shard_connection, state, of| {
            self.ask::<()>(shard_connection, cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(state).arg(self.id(of)))
        };
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
        loop {
            let keys: Vec<Vec<u8>> = self.ask(from, cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(100));
            if keys.is_empty() {
                break;
            }
            let mut migrate = cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(self.port(to)).arg("").arg(0).arg(5000).arg("AUTH").arg(PASSWORD);
            self.ask::<()>(from, migrate.arg("KEYS").arg(keys));
        }
        set(to, "NODE", to);
        set(from, "NODE", to);
    }

    /// Until the node answers so.
    pub(super) fn wait_for(&self, shard_connection: usize, command: &str, says: &str) {
        let mut words = command.split(' ');
        let mut asked = cmd(words.next().unwrap());
        asked.arg(words.collect::<Vec<_>>());
        while !self.ask::<String>(shard_connection, &asked).contains(says) {
            std::thread::yield_now();
        }
    }

    fn id(&self, shard_connection: usize) -> String {
        self.ask(shard_connection, cmd("CLUSTER").arg("MYID"))
    }

    fn connect(&self, shard_connection: usize) -> RedisResult<Connection> {
        redis::Client::open(cluster_url(self.port(shard_connection)))?.get_connection()
    }
}
