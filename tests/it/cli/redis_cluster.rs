//! A deployment whose queue is in a Redis Cluster.

use serde_json::{Value, json};

use crate::support::installation::{Installation, document};
use crate::support::redis::RedisServer;

const OPTIONS: [&str; 4] = ["--appendonly", "yes", "--maxmemory-policy", "noeviction"];

fn check<'a>(reported: &'a Value, name: &str) -> &'a Value {
    let checks = reported["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name}: {reported}"))
}

#[tokio::test]
async fn gateway_and_worker_share_a_redis_cluster() {
    let cluster = RedisServer::start_cluster(3, &OPTIONS);
    let settings = [("REDIS_URL", &*cluster[0].url()), ("CLIENTY_QUEUE_SHARDS", "4")];
    let installation = Installation::new(&settings).await;
    let reported = installation.json(&["doctor"]);
    assert_eq!(check(&reported, "redis cluster")["found"], "state ok, 3 masters, 4 shards of the queue");
    for name in ["redis cluster", "redis version", "redis eviction", "redis persistence", "redis clock"] {
        assert_eq!(check(&reported, name)["state"], "ok", "{reported}");
    }
    let (_gateway, api) = installation.serve("gateway");
    let (_worker, _) = installation.start(&["worker"]);
    for contact in &installation.contacts {
        assert_eq!(api.pulled(&installation.location, contact).await["contact"]["id"], *contact);
    }
    installation.json(&["jobs", "pause", &installation.location]);
    assert!(check(&installation.json(&["doctor"]), "locations")["found"].as_str().unwrap().contains("paused"));
}

#[tokio::test]
async fn what_is_wrong_with_one_node_of_a_cluster_is_reported_with_its_address() {
    let mut cluster = RedisServer::start_cluster(3, &OPTIONS);
    let () = redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory-policy", "allkeys-lru"])
        .exec(&mut cluster[1].connection())
        .unwrap();
    let installation = Installation::new(&[("REDIS_URL", &cluster[0].url())]).await;
    let ended = installation.run(&["doctor", "--json"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let reported = document(&ended);
    let eviction = check(&reported, "redis eviction");
    assert_eq!(
        (&eviction["state"], &eviction["found"]),
        (&json!("failed"), &json!(format!("allkeys-lru at {}", cluster[1].address())))
    );
    let shards = check(&reported, "redis cluster");
    assert_eq!(shards["state"], "warning");
    assert!(shards["remedy"].as_str().unwrap().contains("CLIENTY_QUEUE_SHARDS to 3"), "{shards}");

    cluster[2].kill();
    let ended = installation.run(&["doctor", "--json"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let lost = check(&document(&ended), "redis").clone();
    assert!(lost["found"].as_str().unwrap().contains(&cluster[2].address()), "{lost}");
}
