//! The binary: all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything uses TLS: with two providers in one program rustls would not choose by itself. Another one can't have been installed yet.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    clienty_sync::cli::main()
}
