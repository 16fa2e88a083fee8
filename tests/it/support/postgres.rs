//! A PostgreSQL of the tests' own.
//!
//! The trap: PostgreSQL refuses to run as root, which is who runs tests in a container. There the server runs as an
//! unprivileged user.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::folder::Folder;
use super::leash::Leashed;
use super::ports::free_port;
use super::wait_until;

/// A PostgreSQL on a free port with an empty cluster, ended with the value. It trusts everybody and writes no disk
/// through: for tests.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    port: u16,
    binaries: PathBuf,
    user: Unprivileged,
    /// Settings of its own.
    options: &'static [&'static str],
    // Declared before the folder, so it ends before its data goes.
    pub(crate) process: Leashed,
    folder: Folder,
}

impl PostgresServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&["fsync=off", "full_page_writes=off"])
    }

    /// With settings of its own, in the place of those that spare the disk.
    pub(crate) fn start_with(options: &'static [&'static str]) -> Self {
        let binaries = binaries();
        let folder = Folder::new("postgres");
        let data = folder.path().join("data");
        let user = Unprivileged::find();
        user.own(folder.path());

        let made = user
            .command(&binaries.join("initdb"))
            .args(["--auth", "trust", "--username", "postgres", "--encoding", "UTF8", "--no-locale", "--no-sync"])
            .arg("--pgdata")
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));

        let port = free_port();
        let process = launch(&user, &binaries, &folder, port, options);
        let mut server = Self { port, binaries, user, options, process, folder };
        server.wait_ready();
        server
    }

    /// Ends it at once, with every connection broken off, and starts it again on the same port and data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.process = launch(&self.user, &self.binaries, &self.folder, self.port, self.options);
        self.wait_ready();
    }

    /// Ends it at once; twice is once.
    pub(crate) fn stop(&mut self) {
        self.process.end(IMMEDIATELY);
    }

    fn wait_ready(&mut self) {
        let log = self.folder.path().join("log");
        let reported = || fs::read_to_string(&log).unwrap_or_default();
        let is_ready = || {
            let ended = self.process.has_ended();
            assert!(ended.is_none(), "postgres ended at once ({ended:?}):\n{}", reported());
            let mut asked = Command::new(self.binaries.join("pg_isready"));
            asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status().unwrap().success()
        };
        wait_until("PostgreSQL takes connections", is_ready, reported);
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The URL of the database that every cluster has.
    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database, for one test alone, and returns its URL.
    pub(crate) fn create_database(&self, name: &str) -> String {
        let made = Command::new(self.binaries.join("createdb"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", name])
            .output()
            .unwrap();
        assert!(made.status.success(), "createdb failed: {}", String::from_utf8_lossy(&made.stderr));
        self.url_of(name)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// QUIT is its immediate shutdown, which leaves no shared memory behind, as KILL would.
const IMMEDIATELY: &str = "QUIT";

fn launch(user: &Unprivileged, binaries: &Path, folder: &Folder, port: u16, options: &[&str]) -> Leashed {
    let log = File::create(folder.path().join("log")).unwrap();
    let mut command = user.command(&binaries.join("postgres"));
    command.arg("-D").arg(folder.path().join("data")).arg("-k").arg(folder.path()).args(["-p", &port.to_string()]);
    for option in ["listen_addresses=127.0.0.1", "max_connections=300"].iter().chain(options) {
        command.args(["-c", option]);
    }
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Leashed::start(command, IMMEDIATELY)
}

/// Where PostgreSQL's programs are. Debian keeps them off the PATH, in a folder for each version.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|version| version.unwrap().path().join("bin"))
        .collect();
    // "9" sorts behind "15", but no system that still builds this has a version below 10.
    places.sort();
    places.reverse();
    places.extend(std::env::split_paths(&path));
    places
        .into_iter()
        .find(|place| place.join("postgres").is_file() && place.join("initdb").is_file())
        .expect("PostgreSQL is not installed; `make test` installs what the tests need")
}

/// Who PostgreSQL runs as: `None` for whoever runs the tests, else a user and a group by number.
#[derive(Debug)]
struct Unprivileged(Option<(String, String)>);

impl Unprivileged {
    fn find() -> Self {
        if reported_by(&["-u"]).as_deref() != Some("0") {
            return Self(None);
        }
        let user = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some((reported_by(&["-u", name])?, reported_by(&["-g", name])?)));
        Self(Some(user.expect("root runs the tests, and there is neither a user `postgres` nor `nobody`")))
    }

    fn own(&self, folder: &Path) {
        if let Self(Some((user, group))) = self {
            let status = Command::new("chown").arg(format!("{user}:{group}")).arg(folder).status().unwrap();
            assert!(status.success(), "chown of {} failed", folder.display());
        }
    }

    /// setpriv becomes the program, where runuser would stay as its parent and take the signals meant for it.
    fn command(&self, program: &Path) -> Command {
        let Self(Some((user, group))) = self else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", group, "--clear-groups"]).arg(program);
        command
    }
}

fn reported_by(arguments: &[&str]) -> Option<String> {
    let reported = Command::new("id").args(arguments).output().expect("id is there");
    reported.status.success().then(|| String::from_utf8_lossy(&reported.stdout).trim().to_owned())
}
