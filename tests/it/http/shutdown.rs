//! SIGTERM: what runs is finished, nothing new is taken.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::api::Api;
use crate::support::installation::Installation;
use crate::support::wait_until_async;

fn address(api: &Api) -> &str {
    api.url.strip_prefix("http://").unwrap()
}

async fn until_nobody_listens(api: &Api) {
    wait_until_async("nobody listens", async || TcpStream::connect(address(api)).is_err()).await;
}

#[tokio::test]
async fn a_job_under_way_is_finished_before_the_program_ends() {
    let installation = Installation::new(&[]).await;
    let (mut program, api) = installation.serve("up");
    // What a new location is asked for first takes a run of its own.
    api.pulled(&installation.location, &installation.contacts[1]).await;
    // A GHL that holds still holds the job.
    installation.sandbox.suspend();
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
    let accepted = api.accepted(&event).await;
    let id = accepted[0]["jobId"].as_str().unwrap();
    api.job_in_state(id, "running").await;

    program.terminate();
    until_nobody_listens(&api).await;
    assert!(program.is_running(), "{}", program.output());
    installation.sandbox.resume();
    assert_eq!(program.wait().code(), Some(0));
    assert_eq!(installation.json(&["jobs", "show", id])["state"], "done");
}

#[tokio::test]
async fn a_second_signal_gives_the_job_back_and_it_is_not_lost() {
    let mut installation = Installation::new(&[]).await;
    let (mut program, api) = installation.serve("up");
    installation.sandbox.suspend();
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
    let accepted = api.accepted(&event).await;
    let id = accepted[0]["jobId"].as_str().unwrap();
    api.job_in_state(id, "running").await;

    program.terminate();
    until_nobody_listens(&api).await;
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
    installation.sandbox.resume();
    let given_back = installation.json(&["jobs", "show", id]);
    assert_eq!((&given_back["state"], &given_back["attempts"]), (&json!("waiting"), &json!(0)), "{given_back}");

    // What the first process sent may still count in GHL's window: so long the second one calls nothing.
    installation.set("GHL_TIMEOUT_MS", "1000");
    installation.set("GHL_BURST_INTERVAL_MS", "100");
    let (_program, api) = installation.serve("up");
    api.job_in_state(id, "done").await;
}

#[tokio::test]
async fn a_job_of_a_killed_process_is_run_by_the_next_one() {
    let mut installation = Installation::new(&[]).await;
    let (mut program, api) = installation.serve("up");
    installation.sandbox.suspend();
    let event =
        json!({"type": "contact.selected", "locationId": installation.location, "contactId": installation.contacts[0]});
    let accepted = api.accepted(&event).await;
    let id = accepted[0]["jobId"].as_str().unwrap();
    api.job_in_state(id, "running").await;
    program.kill();
    installation.sandbox.resume();

    installation.set("GHL_TIMEOUT_MS", "1000");
    installation.set("GHL_BURST_INTERVAL_MS", "100");
    let (_program, api) = installation.serve("up");
    api.job_in_state(id, "done").await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_program_ends() {
    let installation = Installation::new(&[]).await;
    let (mut program, api) = installation.serve("up");
    let body = json!({"id": "late", "type": "contact.selected", "locationId": installation.location,
        "contactId": installation.contacts[0]})
    .to_string();
    let (first, rest) = body.split_at(10);
    let mut stream = TcpStream::connect(address(&api)).unwrap();
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        api.key,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server asks for the body once it works on the request.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first.as_bytes()).unwrap();

    program.terminate();
    until_nobody_listens(&api).await;
    assert!(program.is_running());
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    assert_eq!(program.wait().code(), Some(0));
    assert_eq!(installation.job_count(), 1);
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_hold_the_program() {
    let installation = Installation::new(&[]).await;
    let (mut program, api) = installation.serve("up");
    let _silent = TcpStream::connect(address(&api)).unwrap();
    let mut idle = TcpStream::connect(address(&api)).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut begin = [0; 15];
    idle.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");

    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
}
