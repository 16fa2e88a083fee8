//! clienty-sync as somebody installs it: a data folder, a simulated GHL beside it, a connected location, an API key.

use std::process::Output;

use serde_json::Value;

use super::api::Api;
use super::folder::Folder;
use super::program::{Program, clienty_sync, run};
use super::wait_until;

/// Seals tokens in tests; 32 bytes in base64.
pub(crate) const MASTER_KEY: &str = "k1:c2l4dGVlbiBieXRlcyB0d2ljZSBpcyAzMiBieXRlcyE=";

/// Settings and the sandbox that they name.
#[derive(Debug)]
pub(crate) struct Installation {
    settings: Vec<(String, String)>,
    pub(crate) sandbox: Program,
    /// The sandbox's base URL.
    pub(crate) ghl: String,
    /// A location that is connected.
    pub(crate) location: String,
    /// A person's way into GHL there.
    pub(crate) token: String,
    /// The contacts of the location.
    pub(crate) contacts: Vec<String>,
    /// A key in force.
    key: String,
    folder: Folder,
}

impl Installation {
    pub(crate) async fn new(extra: &[(&str, &str)]) -> Self {
        Self::with_sandbox(&[], extra).await
    }

    /// [`Installation::new`] beside a sandbox that is started with more flags.
    pub(crate) async fn with_sandbox(flags: &[&str], extra: &[(&str, &str)]) -> Self {
        let folder = Folder::new("installation");
        let usual = ["sandbox", "--port", "0", "--contacts", "6", "--seed", "42"];
        let (sandbox, started) = started(&[usual.as_slice(), flags].concat(), &[], &folder);
        let ghl = started["url"].as_str().unwrap().to_owned();
        let place = &started["locations"][0];
        let (location, token) = (place["id"].as_str().unwrap().to_owned(), place["token"].as_str().unwrap().to_owned());

        let data = folder.path().join("data").display().to_string();
        let own = [
            ("CLIENTY_DATA_DIR", data.as_str()),
            ("CLIENTY_LISTEN", "127.0.0.1:0"),
            ("CLIENTY_METRICS_LISTEN", "127.0.0.1:0"),
            ("CLIENTY_MASTER_KEYS", MASTER_KEY),
            ("GHL_API_URL", ghl.as_str()),
        ];
        let settings = own.iter().chain(extra).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();

        let known = Api::new(&ghl, "").get("/_sandbox/locations").await.json();
        let contacts = known[0]["contacts"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
        let contacts = contacts.collect();
        let mut installation = Self { settings, sandbox, location, token, contacts, key: String::new(), ghl, folder };

        let file = installation.folder.path().join("token.txt");
        std::fs::write(&file, format!("{}\n", installation.token)).unwrap();
        installation.json(&["migrate"]);
        installation.json(&["connect", "--location", &installation.location, "--pit-file", file.to_str().unwrap()]);
        installation.key = installation.json(&["keys", "create", "--name", "test"])["key"].as_str().unwrap().to_owned();
        installation
    }

    pub(crate) fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Changes a setting, for what is started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Where the embedded database is.
    pub(crate) fn data_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// The embedded database, for what no program of ours does to it.
    pub(crate) fn database_url(&self) -> String {
        format!("sqlite://{}", self.data_folder().join("clienty.db").display())
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(clienty_sync(arguments, &self.settings()))
    }

    /// Runs a command with `--json` that must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
        document(&ended)
    }

    /// Starts a command that keeps running, and waits for what it prints first.
    pub(crate) fn start(&self, arguments: &[&str]) -> (Program, Value) {
        started(arguments, &self.settings(), &self.folder)
    }

    /// Starts `up` or `gateway`, with its API.
    pub(crate) fn serve(&self, command: &str) -> (Program, Api) {
        let (program, started) = self.start(&[command]);
        (program, Api::started(&started, &self.key))
    }

    /// [`Installation::serve`] for a process that may have so many files open.
    pub(crate) fn serve_with_files(&self, command: &str, files: usize) -> (Program, Api) {
        let (program, started) =
            started_after(&format!("ulimit -n {files};"), &[command], &self.settings(), &self.folder);
        (program, Api::started(&started, &self.key))
    }

    /// Starts a command that keeps running, with no rights taken from the files that it makes.
    pub(crate) fn start_without_umask(&self, arguments: &[&str]) -> (Program, Value) {
        started_after("umask 0;", arguments, &self.settings(), &self.folder)
    }

    /// What the programs started by such a command have logged.
    pub(crate) fn log(&self, command: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{command}.log"))).unwrap_or_default()
    }

    /// How many jobs the ledger has, of any state.
    pub(crate) fn job_count(&self) -> i64 {
        self.json(&["jobs", "stats"]).as_object().unwrap().values().filter_map(Value::as_i64).sum()
    }
}

/// Starts a command with `--json` that keeps running, and waits for its document. Only standard output is listened to: what else
/// stands there breaks the document. Standard error goes to a file, which is shown when there is none.
pub(crate) fn started(arguments: &[&str], settings: &[(&str, &str)], folder: &Folder) -> (Program, Value) {
    started_after("", arguments, settings, folder)
}

/// [`started`] by a shell that does something before.
fn started_after(first: &str, arguments: &[&str], settings: &[(&str, &str)], folder: &Folder) -> (Program, Value) {
    started_by(first, &clienty_sync(&[arguments, &["--json"]].concat(), settings), arguments[0], folder)
}

/// [`started_after`] for a whole command, whose log has that name.
pub(crate) fn started_by(first: &str, direct: &std::process::Command, name: &str, folder: &Folder) -> (Program, Value) {
    let log = folder.path().join(format!("{name}.log"));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("{first} log=$1; shift; exec \"$@\" 2>>\"$log\""), "sh"]).arg(&log);
    command.arg(direct.get_program()).args(direct.get_args()).env_clear().stdin(std::process::Stdio::null());
    command.envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(folder.path());

    let mut program = Program::start(command);
    let mut document = None;
    let log = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_until(
        "the program has printed one JSON document",
        || {
            assert!(program.is_running(), "it ended:\n{}", log());
            document = serde_json::from_str(&program.output()).ok();
            document.is_some()
        },
        log,
    );
    (program, document.expect("wait_until has seen it"))
}

/// The one JSON document that a command has printed.
pub(crate) fn document(ended: &Output) -> Value {
    let text = String::from_utf8(ended.stdout.clone()).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}; {ended:?}"))
}
