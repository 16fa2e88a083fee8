//! Where the queue's Redis is, how its connections are secured, and what keeps one from being made.

use redis::{Client, ClientTlsConfig, ErrorKind, IntoConnectionInfo, RedisError, ServerErrorKind, TlsCertificates};

use crate::queue::QueueError;

/// A Redis server, or any node of a Redis Cluster: the other nodes are reached in the same way.
#[derive(Clone, Default)]
pub struct Endpoint {
    /// `redis://`, or `rediss://` for TLS; with the login.
    pub url: String,
    /// Of `rediss://` alone.
    pub tls: Tls,
}

/// What TLS needs beyond the URL. All of it is PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// The authorities that may sign the server's certificate; none for those that the system trusts.
    pub ca: Option<Vec<u8>>,
    /// The certificate by which the client shows who it is, with its chain, and the key of it.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why a connection can't be made, as far as a person can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Nothing answers at the address.
    Unreachable,
    /// The server's certificate is signed by nobody whom the client trusts.
    UnknownAuthority,
    /// The server's certificate is over, or not yet valid.
    Expired,
    /// The server's certificate is for other names.
    WrongHost,
    /// The server wants a certificate of the client, or does not take the one that it got.
    ClientCertificate,
    /// The server does not speak TLS at this port.
    NoTls,
    /// The server hung up on the first words, as one does that speaks TLS alone.
    HungUp,
    /// The server does not take the name or password.
    Login,
    /// The server's user may not run a command.
    Permission,
}

impl From<&str> for Endpoint {
    fn from(url: &str) -> Self {
        Self { url: url.to_owned(), tls: Tls::default() }
    }
}

impl From<&String> for Endpoint {
    fn from(url: &String) -> Self {
        Self::from(url.as_str())
    }
}

impl Endpoint {
    /// A client of that server. Connects to nothing.
    pub(super) fn client(&self) -> Result<Client, RedisError> {
        let url = self.url.as_str().into_connection_info()?;
        // A step is sent while the answer to another is on its way: it must not wait for that.
        let settings = url.tcp_settings().clone().set_nodelay(true);
        let url = url.set_tcp_settings(settings);
        let Tls { ca, client } = &self.tls;
        if ca.is_none() && client.is_none() {
            return Client::open(url);
        }
        let client_tls = client.clone().map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        Client::build_with_tls(url, TlsCertificates { client_tls, root_cert: ca.clone() })
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL holds a password, the rest a key.
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ca, client } = self;
        f.debug_struct("Tls").field("ca", &ca.is_some()).field("client", &client.is_some()).finish()
    }
}

impl QueueError {
    /// A server that gave no answer in time.
    #[must_use]
    pub fn silent(error: std::io::Error) -> Self {
        Self::Redis(error.into())
    }

    /// What keeps the connection from being made; none where it was made, or the reason is another one.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Redis(error) => trouble(error),
            Self::Reply(_) | Self::Envelope(_) | Self::Unfit(_) => None,
        }
    }

    /// Whether waiting may help: the server does not answer, or not yet.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        let Self::Redis(error) = self else { return false };
        let is_starting = [ServerErrorKind::BusyLoading, ServerErrorKind::ClusterDown, ServerErrorKind::MasterDown]
            .map(ErrorKind::Server)
            .contains(&error.kind());
        is_starting || matches!(trouble(error), Some(Trouble::Unreachable | Trouble::HungUp))
    }
}

/// rustls has types for these, which the client turns into texts on their way.
fn trouble(error: &RedisError) -> Option<Trouble> {
    let text = error.to_string();
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    match error.kind() {
        ErrorKind::AuthenticationFailed => return Some(Trouble::Login),
        ErrorKind::Server(ServerErrorKind::NoPerm) => return Some(Trouble::Permission),
        _ if says(&["NOAUTH", "WRONGPASS"]) => return Some(Trouble::Login),
        _ => {}
    }
    if says(&["received fatal alert"]) {
        Some(Trouble::ClientCertificate)
    } else if says(&["UnknownIssuer", "BadSignature", "CaUsedAsEndEntity"]) {
        Some(Trouble::UnknownAuthority)
    } else if says(&["certificate expired", "Expired", "certificate not valid yet", "NotValidYet"]) {
        Some(Trouble::Expired)
    } else if says(&["certificate not valid for name", "NotValidForName"]) {
        Some(Trouble::WrongHost)
    } else if says(&["InvalidContentType", "corrupt message"]) {
        Some(Trouble::NoTls)
    } else if error.is_connection_refusal() || error.is_timeout() {
        Some(Trouble::Unreachable)
    } else if error.is_connection_dropped() {
        Some(Trouble::HungUp)
    } else if error.is_io_error() {
        Some(Trouble::Unreachable)
    } else {
        None
    }
}
