//! What every long-running command does: serve until a signal, then shut down in order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::app::{App, PATIENCE, Workers};
use crate::config::Config;
use crate::gateway::{ListenError, Server, ServerLimits, listen};

/// How long requeuing may take before the process ends without it: leases end by themselves.
const GRACE: Duration = Duration::from_secs(5);

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen; from here on a signal no longer kills the process.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("can't listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("can't listen for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    /// The next of either.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The addresses of a process that serves requests.
pub(super) struct Listeners {
    public: TcpListener,
    /// None if metrics share the public address.
    monitoring: Option<TcpListener>,
}

impl Listeners {
    pub(super) async fn open(config: &Config) -> Result<Self, ListenError> {
        let (public, monitoring) = (config.gateway.listen, config.metrics.listen);
        let is_shared = public == monitoring && public.port() != 0;
        let public = listen(public, "CLIENTY_LISTEN").await?;
        let monitoring = if is_shared { None } else { Some(monitoring_listener(config).await?) };
        Ok(Self { public, monitoring })
    }

    /// Serves requests at the one, and health and metrics at the other.
    pub(super) fn serve(self, app: &App) -> std::io::Result<Servers> {
        let (gateway, limits) = (app.gateway(), ServerLimits::of(&app.config.gateway));
        if limits.connections < app.config.gateway.max_connections {
            tracing::warn!(
                http.connections = limits.connections,
                "the limit of open files leaves room for fewer connections than CLIENTY_MAX_CONNECTIONS; raise it with `ulimit -n`"
            );
        }
        let Some(monitoring) = self.monitoring else {
            let public = Server::start(self.public, gateway.routes_with_metrics(), limits)?;
            let metrics = public.address;
            return Ok(Servers { address: public.address, metrics, all: vec![public], _sampler: sampler(app) });
        };
        let monitoring = Server::start(monitoring, gateway.clone().monitoring_routes(), limits.for_monitoring())?;
        let public = Server::start(self.public, gateway.routes(), limits)?;
        let (address, metrics) = (public.address, monitoring.address);
        Ok(Servers { address, metrics, all: vec![public, monitoring], _sampler: sampler(app) })
    }
}

/// What a process serves.
pub(super) struct Servers {
    /// Where requests are answered.
    pub(super) address: SocketAddr,
    /// Where metrics are.
    pub(super) metrics: SocketAddr,
    all: Vec<Server>,
    /// Ends with the value.
    _sampler: JoinSet<()>,
}

impl Servers {
    /// Health and metrics alone.
    pub(super) fn monitoring(listener: TcpListener, app: &App) -> std::io::Result<Self> {
        let limits = ServerLimits::of(&app.config.gateway).for_monitoring();
        let server = Server::start(listener, app.gateway().monitoring_routes(), limits)?;
        Ok(Self { address: server.address, metrics: server.address, all: vec![server], _sampler: sampler(app) })
    }

    /// Takes no new request and waits for those in progress; see [`Server::stop`].
    pub(super) async fn stop(self) {
        let mut stopping: JoinSet<()> = self.all.into_iter().map(Server::stop).collect();
        while stopping.join_next().await.is_some() {}
    }
}

fn sampler(app: &App) -> JoinSet<()> {
    JoinSet::from_iter([app.sampler()])
}

/// Several processes on one machine need no settings: if the default address is taken, any free port will do.
pub(super) async fn monitoring_listener(config: &Config) -> Result<TcpListener, ListenError> {
    const SETTING: &str = "CLIENTY_METRICS_LISTEN";
    let wanted = config.metrics.listen;
    match listen(wanted, SETTING).await {
        Err(error) if error.is_taken() && config.is_default("metrics.listen") => {
            tracing::info!(metrics.wanted = %wanted, "another process has the default address for metrics; taking a free port");
            listen(SocketAddr::new(wanted.ip(), 0), SETTING).await
        }
        listener => listener,
    }
}

/// Serves until the first signal, then takes nothing new and finishes what runs; a second signal requeues it at once.
pub(super) async fn until_stopped(mut signals: Signals, servers: Servers, workers: Option<Workers>) {
    signals.next().await;
    stop(signals, servers, workers).await;
}

/// Takes nothing new and finishes what runs; a signal requeues it at once.
pub(super) async fn stop(mut signals: Signals, servers: Servers, workers: Option<Workers>) {
    tracing::info!("stopping: finishing running jobs; a second signal requeues them at once");
    let force_stop = workers.as_ref().map(Workers::force_stop);
    let working = async {
        if let Some(workers) = workers {
            workers.stop().await;
        }
    };
    // At once: a server that goes on while jobs end would take requests until the last of them.
    let stopping = async { tokio::join!(working, servers.stop()) };
    let impatient = async {
        tokio::select! {
            () = signals.next() => tracing::warn!("second signal: requeuing running jobs"),
            () = tokio::time::sleep(PATIENCE) => tracing::warn!("jobs still run after {PATIENCE:?}: requeuing them"),
        }
        if let Some(force_stop) = force_stop {
            force_stop.now();
        }
        // What is left is a job that does not react.
        tokio::time::sleep(GRACE).await;
        tracing::warn!("ending while jobs still run; they run again when their leases end");
    };
    tokio::select! {
        ((), ()) = stopping => {}
        () = impatient => {}
    }
}

/// The address at which this machine reaches a server that listens at `address`, which may be unspecified.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}
