//! A disk that fails when a test wants it to, for programs that are started under it.
//!
//! The faults are real for the program: a library that is preloaded before libc returns them from `write`, `fsync` and
//! `open`, for files of one folder. It needs a C compiler, as the build itself does, and no right that a user lacks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::folder::Folder;

const SOURCE: &str = include_str!("disk_faults.c");

/// The library, and the files by which a test talks to it.
#[derive(Debug)]
pub(crate) struct DiskFaults {
    folder: Folder,
}

impl DiskFaults {
    /// Compiles the library.
    pub(crate) fn new() -> Self {
        let folder = Folder::new("disk-faults");
        let source = folder.path().join("faults.c");
        fs::write(&source, SOURCE).unwrap();
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut compile = Command::new(compiler);
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("faults.so")).arg(&source).arg("-ldl");
        let compiled = compile.output().expect("a C compiler is there, as for the build");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        Self { folder }
    }

    /// What a program needs in its environment whose files below `files` shall fail.
    pub(crate) fn environment(&self, files: &Path) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.display().to_string();
        vec![
            ("LD_PRELOAD", text(self.folder.path().join("faults.so"))),
            ("DISK_FAULTS_DIR", text(files.to_owned())),
            ("DISK_FAULTS_CONTROL", text(self.folder.path().join("control"))),
            ("DISK_FAULTS_TRACE", text(self.folder.path().join("trace"))),
        ]
    }

    /// Orders what happens from now on.
    pub(crate) fn order(&self, what: &str) {
        order(&self.folder.path().join("control"), what);
    }

    /// The disk is as good as new.
    pub(crate) fn heal(&self) {
        fs::remove_file(self.folder.path().join("control")).unwrap();
    }

    /// What was done so far, in order.
    pub(crate) fn trace(&self) -> Vec<String> {
        traced(&self.folder.path().join("trace"))
    }
}

/// Writes an order so that it is read whole or not at all.
pub(crate) fn order(control: &Path, what: &str) {
    let draft = control.with_extension("draft");
    fs::write(&draft, what).unwrap();
    fs::rename(draft, control).unwrap();
}

/// The lines of a trace.
pub(crate) fn traced(trace: &Path) -> Vec<String> {
    fs::read_to_string(trace).unwrap_or_default().lines().map(str::to_owned).collect()
}
