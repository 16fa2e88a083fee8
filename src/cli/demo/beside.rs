//! How other commands find a running `demo`: it leaves its address, folder and keys in the data folder, for its own user alone.
//!
//! A shell whose settings have records of their own never means the demo: only where there is no database does its file count.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sync_workers::records::make_folder;

use super::super::serve::reachable;
use crate::config::{Config, MasterKey};

const NAME: &str = "demo.json";

/// A demo that was killed leaves its file: then nobody listens.
const PATIENCE: Duration = Duration::from_millis(500);

/// What another command needs to know of a running demo.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Beside {
    pub(super) listen: SocketAddr,
    pub(super) data_dir: PathBuf,
    pub(super) api_key: String,
    /// `id:base64`, as a setting has it.
    pub(super) master_key: String,
    pub(super) ghl_api_url: String,
}

/// The file of a running demo, removed with the value.
pub(super) struct Left {
    file: PathBuf,
    content: String,
    /// The folder, where this demo made it.
    made: Option<PathBuf>,
}

impl Beside {
    /// The running demo that a command means that has neither records nor a gateway of its own.
    pub(in crate::cli) fn find(config: &Config) -> Option<Self> {
        let folder = &config.data.dir;
        if config.data.database_url.is_some() || folder.join("clienty.db").exists() {
            return None;
        }
        let file = folder.join(NAME);
        // What others can read, no demo wrote.
        if fs::metadata(&file).ok()?.permissions().mode() & 0o077 != 0 {
            return None;
        }
        let found: Self = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
        TcpStream::connect_timeout(&reachable(found.listen), PATIENCE).ok()?;
        Some(found)
    }

    pub(in crate::cli) fn url(&self) -> String {
        format!("http://{}", reachable(self.listen))
    }

    pub(in crate::cli) fn key(&self) -> SecretString {
        self.api_key.as_str().into()
    }

    /// Lets a command look at the demo's records.
    pub(in crate::cli) fn apply(&self, config: &mut Config) {
        let Self { listen, data_dir, api_key: _, master_key, ghl_api_url } = self;
        let Ok(master_key) = MasterKey::parse(master_key) else { return };
        stand_alone(config, data_dir, ghl_api_url, master_key);
        config.gateway.listen = *listen;
    }

    /// Leaves it in the data folder of the settings.
    pub(super) fn leave(&self, folder: &Path) -> io::Result<Left> {
        let made = (!folder.exists()).then(|| folder.to_owned());
        make_folder(folder)?;
        let (file, content) = (folder.join(NAME), serde_json::to_string_pretty(self)?);
        // An older one may be a link, or readable by others.
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?.write_all(content.as_bytes())?;
        Ok(Left { file, content, made })
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        // Another demo may have left its own there. What can't be removed counts no more, for nobody listens.
        if fs::read_to_string(&self.file).is_ok_and(|content| content == self.content) {
            let _ = fs::remove_file(&self.file);
        }
        if let Some(folder) = &self.made {
            // It stays where something is in it.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The demo stands on its own parts, whatever the settings say: it must not touch a real GHL or database.
pub(super) fn stand_alone(config: &mut Config, folder: &Path, ghl: &str, master_key: MasterKey) {
    config.data.dir = folder.to_owned();
    config.data.database_url = None;
    config.redis.url = None;
    config.ghl.api_url = ghl.to_owned();
    config.secrets.master_keys = vec![master_key];
    // In a demo the receiver of hooks is on the same machine.
    config.hooks.allow_http = true;
    config.outside.allow_nets = ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse().ok()).collect();
}
