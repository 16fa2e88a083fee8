//! Hooks of whole deployments: processes that die, and several that share the work.

use std::collections::BTreeSet;

use ghl_sandbox::SandboxConfig;
use serde_json::{Value, json};

use super::{TO_THIS_MACHINE, hook};
use crate::support::cluster::{Cluster, quick};
use crate::support::installation::Installation;
use crate::support::receiver::{Receiver, missing_values};

fn contacts(taken: &[Value]) -> BTreeSet<String> {
    taken.iter().filter_map(|body| body["data"]["id"].as_str()).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_a_killed_process_had_not_reported_is_reported_by_the_next() {
    let installation = Installation::new(TO_THIS_MACHINE).await;
    let (mut program, api) = installation.serve("up");
    let receiver = Receiver::start().await;
    let admin = installation.json(&["keys", "create", "--name", "admin", "--role", "admin"]);
    let admin = api.with_key(admin["key"].as_str().unwrap());
    hook(&admin, &receiver, &["contact.*"], json!({"ignoreOwn": false})).await;
    let location = &installation.location;
    let selected: Vec<Value> = installation
        .contacts
        .iter()
        .map(|contact| json!({"type": "contact.selected", "locationId": location, "contactId": contact}))
        .collect();
    let mut program = {
        api.accepted(&json!(selected)).await;
        receiver.until("the first is told", |taken| !taken.is_empty()).await;
        program.kill();
        installation.serve("up").0
    };
    let all: BTreeSet<String> = installation.contacts.iter().cloned().collect();
    let taken = receiver.until("all are told", |taken| contacts(taken) == all).await;
    receiver.assert_all_verified();
    assert_eq!(missing_values(&taken), [0; 0]);
    program.kill();
}

#[tokio::test]
async fn workers_over_redis_and_postgresql_share_the_work_and_report_each_contact_once() {
    let mut cluster = Cluster::start(SandboxConfig { locations: 2, ..quick(2, 10) }, TO_THIS_MACHINE).await;
    let receiver = Receiver::start().await;
    let admin = cluster.command(&["keys", "create", "--name", "admin", "--role", "admin", "--json"]);
    hook(&cluster.api().with_key(admin["key"].as_str().unwrap()), &receiver, &["contact.created"], json!({})).await;
    cluster.start_worker();
    cluster.start_worker();
    cluster.send(&cluster.selections()).await;
    let taken = receiver.until("all are told", |taken| contacts(taken).len() == 20).await;
    receiver.assert_all_verified();
    assert_eq!(taken.len(), 20, "{taken:#?}");
    assert_eq!(missing_values(&taken), [0; 0]);
}
