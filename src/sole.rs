//! One process at a time works with a queue in its own memory: two would each believe to have the whole of GHL's limit.
//!
//! The system lets go of the lock when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sync_workers::records::make_folder;

const NAME: &str = "working.lock";

/// The right to work, as far as processes over one data folder go.
#[derive(Debug)]
pub(crate) struct Sole(#[expect(dead_code, reason = "held for its lock")] File);

impl Sole {
    /// Takes it; none where another process has it.
    ///
    /// # Errors
    /// When the folder can't be written to.
    pub(crate) fn take(folder: &Path) -> io::Result<Option<Self>> {
        make_folder(folder)?;
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(folder.join(NAME))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
