//! Many producers with the same records in different orders.

use serde_json::{Value, json};

use crate::support::installation::Installation;
use crate::support::postgres::PostgresServer;
use crate::support::redis::RedisServer;

const CLIENTS: usize = 16;
const BATCHES: usize = 4;
const CONTACTS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shuffled_batches_over_the_same_contacts_are_all_accepted_without_a_deadlock() {
    let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let settings = [("REDIS_URL", redis.url()), ("DATABASE_URL", postgres.url())];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let installation = Installation::new(&settings).await;
    let (_program, api) = installation.serve("gateway");
    let event = |contact: usize, text: &str| {
        json!({"type": "contact.updated", "locationId": installation.location,
            "contactId": format!("contact{contact}"), "data": {"city": text}})
    };
    api.accepted(&(0..CONTACTS).map(|contact| event(contact, "Bonn")).collect::<Value>()).await;

    let clients = (0..CLIENTS).map(|client| {
        let batches: Vec<Value> = (0..BATCHES)
            .map(|batch| {
                // Steps without a common factor with the count: each order holds every contact once.
                let step = [1, 3, 7, 9, 11, 13, 17, 19][(client + batch) % 8];
                let order = (0..CONTACTS).map(|place| (place * step + client) % CONTACTS);
                order.map(|contact| event(contact, &format!("city {client} {batch}"))).collect()
            })
            .collect();
        let api = api.clone();
        tokio::spawn(async move {
            let mut statuses = Vec::new();
            for batch in batches {
                statuses.push(api.post(batch.to_string()).await.status);
            }
            statuses
        })
    });
    let mut statuses = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        statuses.extend(client.await.unwrap());
    }
    let deadlocks = postgres.log().matches("deadlock detected").count();
    assert_eq!(deadlocks, 0);
    assert_eq!(statuses, [202; CLIENTS * BATCHES]);
}
