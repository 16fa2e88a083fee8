//! The files of SQLite hold customers' data, so only the user that runs the program may read them,
//! whatever its umask.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const OF_OWNER: u32 = 0o600;

/// Makes a folder and those above it that are missing, for the user alone. One that is there is left as it is: it may be shared on purpose.
///
/// # Errors
/// When it can't be made.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the database's file, or takes others' rights from the one that is there. What SQLite makes beside it has the same rights.
pub(super) fn make_private(database: &Path) -> io::Result<()> {
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    File::options().create(true).truncate(false).append(true).mode(OF_OWNER).open(database)?;
    // A file of an earlier version, and what was made beside it.
    for suffix in ["", "-wal", "-shm"] {
        let mut file = database.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::metadata(&file) {
            Ok(known) if known.permissions().mode() & 0o077 != 0 => {
                // Another user may own it, and have given us the right to write: then that is its business.
                let _ = std::fs::set_permissions(&file, Permissions::from_mode(OF_OWNER));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Records};
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn nobody_else_reads_the_database_new_or_of_an_earlier_version() {
        let folder = std::env::temp_dir().join(format!("clienty-files-{}", uuid::Uuid::new_v4()));
        let file = folder.join("below").join("clienty.db");
        let open = || async {
            let records = Records::open(&format!("sqlite://{}", file.display()), Options::default()).await.unwrap();
            records.migrate().await.unwrap();
            records
        };
        let records = open().await;
        let all = || {
            let entries = std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| (mode(&path), path)).collect::<Vec<_>>()
        };
        assert_eq!((mode(&folder), mode(&folder.join("below"))), (0o700, 0o700));
        let files = all();
        assert!(files.len() >= 2 && files.iter().all(|(mode, _)| *mode == 0o600), "{files:?}");
        // As an earlier version left them, in the midst of its work.
        for (_, path) in files {
            std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        let again = open().await;
        let files = all();
        assert!(files.iter().all(|(mode, _)| *mode == 0o600), "{files:?}");
        records.close().await;
        again.close().await;
        let _ = std::fs::remove_dir_all(folder);
    }
}
