//! Nothing that is not public is dialled: a table of addresses, names that answer this and that, redirects.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Nothing of it may be called.
const INSIDE: [&str; 92] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.1.2.3",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    // Spelled otherwise.
    "127.1",
    "127.0.1",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "0",
    "0x0",
    "0xa9fea9fe",
    "2852039166",
    "3232235521",
    "127.0.0.1.",
    "0x7F.0x0.0x0.0x1",
    "127.0.0.0x1",
    "%31%32%37.0.0.1",
    "１２７.０.０.１",
    "127。0。0。1",
    "①②⑦.0.0.1",
    // Of IPv6, with what carries one of IPv4.
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::8.8.8.8]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::10.1.2.3]",
    "[64:ff9b:1::1]",
    "[64:ff9b:1::8.8.8.8]",
    "[100::1]",
    "[2001::1]",
    "[2001:0:7f00:1::f7f7:f7f7]",
    "[2001:0:808:808::80ff:fffe]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:1ff::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2002:a9fe:a9fe::]",
    "[2002:c0a8:101::1]",
    "[2606:4700::5efe:127.0.0.1]",
    "[2606:4700::200:5efe:10.0.0.1]",
    "[3fff::1]",
    "[3fff:fff::1]",
    "[4000::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fdff::1]",
    "[fe80::1]",
    "[fe80::a9fe:a9fe]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[ffff::1]",
];

/// All of it may be called.
const PUBLIC: [&str; 16] = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.0.1",
    "223.255.255.255",
    "[2606:4700:4700::1111]",
    "[2001:4860:4860::8888]",
    "[::ffff:8.8.8.8]",
    "[64:ff9b::8.8.8.8]",
    "[2002:808:808::1]",
    "example.com",
];

/// One for all: it takes a while to build.
fn door() -> &'static Door {
    static DOOR: LazyLock<Door> = LazyLock::new(|| Door::new(Rules::default()).unwrap());
    &DOOR
}

fn may_be_called(host: &str) -> Result<(), Refused> {
    door().target(&format!("https://{host}/hook")).map(drop)
}

#[test]
fn no_address_of_an_inside_is_called_however_it_is_spelled() {
    for host in INSIDE {
        assert_eq!(may_be_called(host), Err(Refused::NotPublic), "{host}");
    }
    for host in PUBLIC {
        assert_eq!(may_be_called(host), Ok(()), "{host}");
    }
}

#[test]
fn an_address_has_a_shape() {
    let long = format!("https://example.com/{}", "x".repeat(2048));
    // It is short as it was given, and longer as it is sent.
    let grows = format!("https://example.com/{}", "ä".repeat(500));
    for (url, refused) in [
        ("", Refused::NoUrl),
        ("example.com/hook", Refused::NoUrl),
        ("https://", Refused::NoUrl),
        ("https://exa mple.com", Refused::NoUrl),
        ("https://[::1", Refused::NoUrl),
        ("https://example.com:99999/", Refused::NoUrl),
        ("http://example.com/hook", Refused::NotEncrypted),
        ("ftp://example.com/", Refused::Scheme),
        ("file:///etc/passwd", Refused::Scheme),
        ("gopher://example.com/", Refused::Scheme),
        ("unix:/run/redis.sock", Refused::Scheme),
        ("https://user@example.com/", Refused::Login),
        ("https://:secret@example.com/", Refused::Login),
        ("https://example.com@127.0.0.1/", Refused::Login),
        ("https://example.com/#there", Refused::Fragment),
        ("https://example.com:22/", Refused::Port),
        ("https://example.com:25/", Refused::Port),
        ("https://example.com:0/", Refused::Port),
        ("https://example.com:1023/", Refused::Port),
        (long.as_str(), Refused::TooLong),
        (grows.as_str(), Refused::TooLong),
    ] {
        assert_eq!(door().target(url).map(drop), Err(refused), "{url}");
    }
    for url in
        ["https://example.com", "https://example.com:80/", "https://example.com:8443/a?b=c", "HTTPS://EXAMPLE.COM/"]
    {
        assert_eq!(door().target(url).map(drop), Ok(()), "{url}");
    }
    let plain = Door::new(Rules { allow_http: true, ..Rules::default() }).unwrap();
    assert_eq!(plain.target("http://example.com/").map(drop), Ok(()));
    assert_eq!(plain.target("http://127.0.0.1/").map(drop), Err(Refused::NotPublic));
}

#[test]
fn networks_that_are_allowed_are_called_and_their_neighbours_are_not() {
    let rules = Rules { allow_http: true, allow_nets: nets(&["127.0.0.1/32", "10.20.0.0/16", "fd00::/8"]) };
    let door = Door::new(rules).unwrap();
    let may = |host: &str| door.target(&format!("http://{host}/")).is_ok();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "10.20.1.2", "[fd12::1]"] {
        assert!(may(host), "{host}");
    }
    for host in ["127.0.0.2", "10.21.0.1", "[fc00::1]", "[::1]", "[64:ff9b::10.20.1.2]"] {
        assert!(!may(host), "{host}");
    }
    for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "fd00::1/8", "::/129", "/8", "all", "10.0.0.0/-1"] {
        assert_eq!(text.parse::<Net>(), Err(NetError), "{text}");
    }
    let all: Net = "0.0.0.0/0".parse().unwrap();
    assert!(all.contains("1.2.3.4".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    assert!("::/0".parse::<Net>().unwrap().contains("::1".parse().unwrap()));
}

proptest! {
    /// However an address of IPv4 is wrapped, it is called only where it is public itself.
    #[test]
    fn what_carries_an_address_is_as_public_as_it(bits: u32) {
        let four = std::net::Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = four.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let alone = may_be_called(&four.to_string());
        for wrapped in [
            format!("{bits}"),
            format!("{bits:#x}"),
            format!("[::ffff:{four}]"),
            format!("[64:ff9b::{four}]"),
            format!("[2002:{high:x}:{low:x}::1]"),
            format!("[2001:0:{high:x}:{low:x}::f7f7:f7f7]"),
            format!("[2001:0:808:808::{:x}:{:x}]", !high, !low),
            format!("[2606:4700::5efe:{four}]"),
        ] {
            prop_assert_eq!(may_be_called(&wrapped), alone.clone(), "{}", wrapped);
        }
    }
}

fn nets(texts: &[&str]) -> Vec<Net> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A name whose answers follow one another; the last one stays.
struct Rebinding {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Resolve for Rebinding {
    fn resolve(&self, _: Name) -> Resolving {
        let place = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let answer: Vec<SocketAddr> =
            self.answers[place].iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        Box::pin(async move { Ok(Box::new(answer.into_iter()) as Addrs) })
    }
}

/// Answers each request with `head`; how many connections it got.
async fn listener(head: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(head.as_bytes()).await;
            });
        }
    });
    (port, count)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

async fn asked(door: &Door, url: &str) -> Result<Answer, OutsideError> {
    let target = door.target(url).unwrap();
    door.send(door.request(Method::POST, &target)).await
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_dialled_whatever_it_answered_before() {
    let (port, connections) = listener(OK).await;
    let url = format!("http://rebinding.example:{port}/");
    for answers in [
        vec![vec!["127.0.0.1"]],
        vec![vec![]],
        vec![vec!["::1", "::ffff:127.0.0.1", "10.0.0.1", "0.0.0.0"]],
        // A check that looks the name up by itself would have seen the first answers.
        vec![vec!["192.0.0.1"], vec!["127.0.0.1"]],
    ] {
        let tried = answers.len();
        let names = Arc::new(Rebinding { answers, asked: AtomicUsize::new(0) });
        let door = Door::resolving_by(Rules { allow_http: true, ..Rules::default() }, names).unwrap();
        for _ in 0..=tried {
            let refused = asked(&door, &url).await;
            assert!(matches!(refused, Err(OutsideError::NotAllowed)), "{refused:?}");
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn of_a_mixed_answer_only_what_is_allowed_is_dialled() {
    let (port, connections) = listener(OK).await;
    let answers = vec![vec!["127.0.0.2", "127.0.0.1", "10.0.0.1"]];
    let names = Arc::new(Rebinding { answers, asked: AtomicUsize::new(0) });
    let rules = Rules { allow_http: true, allow_nets: nets(&["127.0.0.1/32"]) };
    let door = Door::resolving_by(rules, names).unwrap();
    let answer = asked(&door, &format!("http://mixed.example:{port}/")).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, b"ok".as_slice()));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_systems_names_of_this_machine_are_not_dialled() {
    let (port, connections) = listener(OK).await;
    let door = Door::new(Rules { allow_http: true, ..Rules::default() }).unwrap();
    let refused = asked(&door, &format!("http://localhost:{port}/")).await;
    assert!(matches!(refused, Err(OutsideError::NotAllowed)), "{refused:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (inside, reached) = listener(OK).await;
    let head = format!(
        "HTTP/1.1 307 Away\r\nlocation: http://127.0.0.1:{inside}/secrets\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (port, _) = listener(head.leak()).await;
    let rules = Rules { allow_http: true, allow_nets: nets(&["127.0.0.1/32"]) };
    let answer = asked(&Door::new(rules).unwrap(), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(answer.status.as_u16(), 307);
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_long_answer_is_read_to_a_bound_and_a_throttled_one_says_for_how_long() {
    let head = format!("HTTP/1.1 429 Slow\r\nretry-after: 7\r\nconnection: close\r\n\r\n{}", "x".repeat(100_000));
    let (port, _) = listener(head.leak()).await;
    let rules = Rules { allow_http: true, allow_nets: nets(&["127.0.0.0/8"]) };
    let answer = asked(&Door::new(rules).unwrap(), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (429, 4096));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn an_error_holds_no_address() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let rules = Rules { allow_http: true, allow_nets: nets(&["127.0.0.0/8"]) };
    let refused =
        asked(&Door::new(rules).unwrap(), &format!("http://127.0.0.1:{closed}/secret-path")).await.unwrap_err();
    assert!(matches!(refused, OutsideError::NotConnected(_)), "{refused:?}");
    assert!(!refused.to_string().contains("secret-path") && !refused.to_string().contains("127.0.0.1"), "{refused}");
}
