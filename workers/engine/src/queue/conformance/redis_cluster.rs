//! A real Redis Cluster on free ports, whose nodes want a password.

use redis::{Cmd, Connection, FromRedisValue, RedisResult, cmd};

use super::redis_server::RedisServer;

const PASSWORD: &str = "of-the-cluster";
const SLOTS: u16 = 16384;

/// The URL of a node.
pub(super) fn cluster_url(port: u16) -> String {
    format!("redis://default:{PASSWORD}@127.0.0.1:{port}/")
}

pub(super) struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Masters that have as many slots each.
    pub(super) fn start(masters: u16) -> Self {
        let mut cluster = Self { nodes: Vec::new() };
        for number in 0..masters {
            let node = cluster.add(Some(number + 1));
            let first = u32::from(number) * u32::from(SLOTS) / u32::from(masters);
            let last = u32::from(number + 1) * u32::from(SLOTS) / u32::from(masters) - 1;
            cluster.ask::<()>(node, cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(last));
        }
        for node in 0..cluster.nodes.len() {
            cluster.wait_for(node, "CLUSTER INFO", "cluster_state:ok");
        }
        cluster
    }

    /// The number of a new node that has met the others and owns nothing. Masters are given epochs, as `redis-cli --cluster create` does: those that
    /// begin with the same one settle that later, and who takes over a master in that moment may not get a greater one, so that nobody believes it.
    fn add(&mut self, epoch: Option<u16>) -> usize {
        let server = RedisServer::start_node();
        for setting in ["masterauth", "requirepass"] {
            assert_eq!(server.command(&format!("CONFIG SET {setting} {PASSWORD}")), "+OK");
        }
        self.nodes.push(server);
        let node = self.nodes.len() - 1;
        if let Some(epoch) = epoch {
            self.ask::<()>(node, cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(epoch));
        }
        if node > 0 {
            // Gossip does the rest.
            self.ask::<()>(node, cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(self.port(node - 1)));
        }
        node
    }

    /// The number of a new replica of that node, once it has what the node has.
    pub(super) fn add_replica(&mut self, of: usize) -> usize {
        let (replica, id) = (self.add(None), self.id(of));
        self.wait_for(replica, "CLUSTER NODES", &id);
        self.ask::<()>(replica, cmd("CLUSTER").arg("REPLICATE").arg(id));
        self.wait_for(replica, "INFO replication", "master_link_status:up");
        replica
    }

    pub(super) fn port(&self, node: usize) -> u16 {
        self.nodes[node].port()
    }

    pub(super) fn ask<T: FromRedisValue>(&self, node: usize, command: &Cmd) -> T {
        command.query(&mut self.connect(node).unwrap()).unwrap()
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// The node that owns the slot of a key.
    pub(super) fn owner(&self, key: &str) -> usize {
        let owns = |node: &usize| {
            self.connect(*node).and_then(|mut node| cmd("EXISTS").arg(key).query::<u8>(&mut node)).is_ok()
        };
        (0..self.nodes.len()).find(owns).unwrap()
    }

    /// Gives the slot of a key to another node, with all that is in it.
    pub(super) fn move_slot(&self, key: &str, to: usize) {
        let from = self.owner(key);
        let slot: u16 = self.ask(from, cmd("CLUSTER").arg("KEYSLOT").arg(key));
        let set =
            |node, state, of| self.ask::<()>(node, cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(state).arg(self.id(of)));
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
    pub(super) fn wait_for(&self, node: usize, command: &str, says: &str) {
        let mut words = command.split(' ');
        let mut asked = cmd(words.next().unwrap());
        asked.arg(words.collect::<Vec<_>>());
        while !self.ask::<String>(node, &asked).contains(says) {
            std::thread::yield_now();
        }
    }

    fn id(&self, node: usize) -> String {
        self.ask(node, cmd("CLUSTER").arg("MYID"))
    }

    fn connect(&self, node: usize) -> RedisResult<Connection> {
        redis::Client::open(cluster_url(self.port(node)))?.get_connection()
    }
}
