//! One process at a time works with a queue in its own memory: two would each believe to have the whole of GHL's limit.
//!
//! The system lets go of the lock when the process ends, however it ends.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sync_workers::records::make_folder;

const NAME: &str = "working.lock";

/// The right to work, as far as processes over one data folder or one SQLite file go. Over one PostgreSQL, see `Records::hold_alone`.
#[derive(Debug)]
pub(crate) struct InstanceLock(#[expect(dead_code, reason = "held for their locks")] Vec<File>);

/// What became of the attempt to take it.
#[derive(Debug)]
pub(crate) enum Taken {
    /// This process has it.
    Here(InstanceLock),
    /// Another process has it.
    Elsewhere(InUse),
}

/// Another process works over the data folder.
#[derive(Debug, thiserror::Error)]
#[error(
    "another process{} works over the data folder {}: stop it first, or give this one a folder and a database of its own (CLIENTY_DATA_DIR, DATABASE_URL). Several \
     processes over the same records need REDIS_URL and DATABASE_URL, for each would take the whole of GHL's limit for its own",
    .process.as_ref().map(|id| format!(" ({id})")).unwrap_or_default(),
    .folder.display()
)]
pub(crate) struct InUse {
    folder: PathBuf,
    /// Its id, where it wrote one.
    process: Option<String>,
}

impl InstanceLock {
    /// Takes it, unless another process has it.
    ///
    /// # Errors
    /// When a folder can't be written to.
    pub(crate) fn take(folders: &[PathBuf]) -> io::Result<Taken> {
        let (mut files, mut met) = (Vec::new(), HashSet::new());
        for folder in folders {
            make_folder(folder)?;
            // A second lock of the same file would wait for the first.
            if met.insert(fs::canonicalize(folder)?) {
                match lock(folder)? {
                    Ok(file) => files.push(file),
                    Err(in_use) => return Ok(Taken::Elsewhere(in_use)),
                }
            }
        }
        Ok(Taken::Here(Self(files)))
    }
}

/// The folder's lock, unless another process has it.
fn lock(folder: &Path) -> io::Result<Result<File, InUse>> {
    let path = folder.join(NAME);
    let mut file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
    match file.try_lock() {
        Ok(()) => {
            // For the message of the second process; without it, that one is refused all the same.
            let _ = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
            Ok(Ok(file))
        }
        Err(TryLockError::WouldBlock) => {
            let process = fs::read_to_string(&path).ok().map(|text| text.trim().to_owned());
            let process = process.filter(|text| !text.is_empty());
            Ok(Err(InUse { folder: folder.to_owned(), process }))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Taken {
    /// For who can do without.
    pub(crate) fn taken(self) -> Option<InstanceLock> {
        match self {
            Self::Here(instance_lock) => Some(instance_lock),
            Self::Elsewhere(_) => None,
        }
    }

    /// For who cannot.
    ///
    /// # Errors
    /// [`InUse`], which says what to do.
    pub(crate) fn or_refuse(self) -> Result<InstanceLock, InUse> {
        match self {
            Self::Here(instance_lock) => Ok(instance_lock),
            Self::Elsewhere(in_use) => Err(in_use),
        }
    }
}
