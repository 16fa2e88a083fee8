//! A server that can't keep the queue is found at its first meeting, by name.

use super::redis_server::RedisServer;
use super::{claiming, job, limit};
use crate::job::Priority;
use crate::limit::ColdStart;
use crate::queue::{Queue, QueueError, Trouble};

async fn open(url: &str) -> Result<Queue, QueueError> {
    Queue::redis(url, "test", 1, limit(50), claiming(), ColdStart::Unspent).await
}

#[tokio::test]
async fn a_server_that_evicts_keys_is_refused() {
    let redis = RedisServer::start();
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl", "volatile-lru"] {
        redis.command(&format!("CONFIG SET maxmemory-policy {policy}"));
        let refused = open(&redis.url()).await.unwrap_err();
        let reason = refused.to_string();
        assert!(matches!(refused, QueueError::Unfit(_)) && reason.contains(policy), "{reason}");
    }
    redis.command("CONFIG SET maxmemory-policy noeviction");
    open(&redis.url()).await.unwrap();
}

/// Each command that the queue runs is taken from the user in turn.
#[tokio::test]
async fn a_user_that_lacks_a_command_is_refused_with_its_name_and_nothing_is_written() {
    let redis = RedisServer::start();
    let url = format!("redis://worker:secret@127.0.0.1:{}/", redis.port());
    let user = |rules: &str| assert_eq!(redis.command(&format!("ACL SETUSER worker reset on >secret {rules}")), "+OK");
    for command in [
        "hscan",
        "hset",
        "hdel",
        "hget",
        "hmget",
        "hexists",
        "zadd",
        "zrange",
        "zrangebyscore",
        "zrem",
        "zscore",
        "lpop",
        "lpush",
        "rpush",
        "lindex",
        "llen",
        "exists",
        "del",
        "blpop",
        "time",
        "get",
    ] {
        user(&format!("~* +@all -{command}"));
        let reason = open(&url).await.unwrap_err().to_string();
        assert!(reason.contains("lacks") && reason.contains(command), "{command}: {reason}");
        assert_eq!(redis.command("DBSIZE"), ":0", "{command}");
    }
    for command in ["fcall", "info", "function|load"] {
        user(&format!("~* +@all -{command}"));
        redis.command("FUNCTION FLUSH");
        let refused = open(&url).await.unwrap_err();
        let word = command.split('|').next().unwrap();
        assert!(refused.to_string().contains(word), "{command}: {refused}");
        assert!(
            matches!(refused.trouble(), Some(Trouble::Permission)) && !refused.is_passing(),
            "{command}: {refused:?}"
        );
    }
    user("~other:* +@all");
    let reason = open(&url).await.unwrap_err().to_string();
    assert!(reason.contains("may not use the keys `test:"), "{reason}");
    // No more than is needed is enough.
    user(
        "~test:* +@read +@write +@hash +@list +@sortedset +fcall +function|load +info +client|id +client|unblock +time +ping +cluster|slots",
    );
    let queue = open(&url).await.unwrap();
    queue.push(&[job("lane", "a", Priority::Realtime)]).await.unwrap();
}

#[tokio::test]
async fn a_wrong_login_says_so_and_counts_once_it_is_mended() {
    let redis = RedisServer::start();
    let url = format!("redis://worker:secret@127.0.0.1:{}/", redis.port());
    let queue = Queue::redis_unmet(&url.as_str().into(), &"test".into(), 1, limit(50), claiming(), ColdStart::Unspent);
    let queue = queue.unwrap();
    let refused = queue.meet().await.unwrap_err();
    assert_eq!(refused.trouble(), Some(Trouble::Login), "{refused:?}");
    redis.command("ACL SETUSER worker reset on >secret ~* +@all");
    queue.meet().await.unwrap();
}

#[tokio::test]
async fn a_server_that_comes_later_is_used_when_it_comes_and_counts_as_used_up() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://127.0.0.1:{port}/");
    let queue = Queue::redis_unmet(&url.as_str().into(), &"test".into(), 2, limit(50), claiming(), ColdStart::Unspent);
    let queue = queue.unwrap();
    let refused = queue.meet().await.unwrap_err();
    assert!(refused.is_passing() && refused.trouble() == Some(Trouble::Unreachable), "{refused:?}");
    assert!(queue.push(&[job("lane", "a", Priority::Realtime)]).await.is_err());
    let _redis = RedisServer::start_at(port);
    queue.push(&[job("lane", "a", Priority::Realtime)]).await.unwrap();
    let lane = queue.lane("lane").await.unwrap().unwrap();
    assert_eq!(lane.state, crate::queue::LaneState::Held, "somebody may have sent calls meanwhile");
}
