//! The fixtures themselves: a test that trusts them must be able to.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use redis::Commands;
use sqlx::{Connection, PgConnection};

use crate::support::postgres::PostgresServer;
use crate::support::program::{Program, clienty_sync, run};
use crate::support::redis::RedisServer;

#[test]
fn a_started_redis_answers_and_forgets_when_flushed() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    let () = connection.set("key", "value").unwrap();
    assert_eq!(connection.get::<_, Option<String>>("key").unwrap().as_deref(), Some("value"));
    server.flush_all();
    assert_eq!(connection.get::<_, Option<String>>("key").unwrap(), None);
}

#[test]
fn a_redis_with_a_log_remembers_over_a_kill() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let url = server.url();
    let () = server.connection().set("key", "value").unwrap();
    server.kill();
    assert!(redis::Client::open(url.clone()).unwrap().get_connection().is_err());
    server.restart();
    assert_eq!(server.url(), url);
    assert_eq!(server.connection().get::<_, Option<String>>("key").unwrap().as_deref(), Some("value"));
}

#[tokio::test]
async fn a_started_postgres_has_a_database_for_each_test() {
    let server = PostgresServer::start();
    let mut own = PgConnection::connect(&server.create_database("own")).await.unwrap();
    sqlx::query("create table seen (id bigint)").execute(&mut own).await.unwrap();
    let count = "select count(*) from information_schema.tables where table_name = 'seen'";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut own).await.unwrap(), 1);

    let mut other = PgConnection::connect(&server.url()).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut other).await.unwrap(), 0);
}

#[test]
fn the_built_program_runs_to_its_end() {
    let ended = run(clienty_sync(&["--version"], &[("RUST_LOG", "info")]));
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn a_program_is_received_on_both_streams_and_ends_when_asked() {
    let mut program =
        Program::start(shell("trap 'echo bye; exit 7' TERM; echo hello; echo warned >&2; while :; do sleep 0.1; done"));
    assert_eq!(program.wait_for_line("hello"), "hello");
    assert_eq!(program.wait_for_line("warned"), "warned");
    program.terminate();
    assert_eq!(program.wait().code(), Some(7));
    assert_eq!(program.wait_for_line("bye"), "bye");
}

#[test]
fn a_suspended_program_takes_no_signal_until_it_goes_on() {
    let mut program = Program::start(shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done"));
    program.wait_for_line("ready");
    program.suspend();
    program.terminate();
    assert!(program.is_running());
    program.resume();
    assert_eq!(program.wait().code(), Some(7));
}

#[test]
fn a_killed_program_is_gone() {
    let mut program = Program::start(shell("echo ready; exec sleep 1000"));
    program.wait_for_line("ready");
    program.kill();
    assert!(!program.is_running());
    assert_eq!(program.output(), "ready");
}

#[test]
fn a_program_is_ready_when_its_readyz_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let answers = thread::spawn(move || {
        for status in ["503 Service Unavailable", "200 OK"] {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            // To the end of the head: bytes left unread turn the close into a reset, which can overtake the answer.
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            assert_eq!(head[0], "GET /readyz HTTP/1.1");
            stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).unwrap();
        }
    });
    let mut program = Program::start(shell("exec sleep 1000"));
    program.wait_ready(address);
    answers.join().unwrap();
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}
