//! A real PostgreSQL server for tests: started once a test binary, on a free port, in a folder of its own.
//!
//! A shell holds the server and reads our pipe. The pipe ends with this process, however it ends, and the shell then
//! stops the server and removes the folder.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// PostgreSQL refuses to run as root, so root hands it to this user (`nobody` on every Linux).
const NOBODY: u32 = 65534;

const SCRIPT: &str = r#"
    initdb --pgdata "$1/data" --username clienty --auth trust --encoding UTF8 --locale C --no-sync >"$1/initdb.log" 2>&1 \
        || { cat "$1/initdb.log" >&2; rm -rf "$1"; exit 1; }
    postgres -D "$1/data" -p "$2" -k "$1" -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200 &
    server=$!
    cat >/dev/null
    kill -INT "$server"
    wait "$server"
    rm -rf "$1"
"#;

struct Server {
    port: u16,
    _lives_as_long_as: ChildStdin,
}

/// The URL of the server's first database, which belongs to the user `clienty`.
pub(crate) fn url() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let port = SERVER.get_or_init(start).port;
    format!("postgres://clienty@127.0.0.1:{port}/postgres")
}

fn start() -> Server {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let folder = std::env::temp_dir().join(format!("clienty-postgres-{}-{port}", std::process::id()));
    std::fs::create_dir(&folder).expect("a folder for PostgreSQL");
    let mut command = shell(&folder);
    let mut shell = command
        .args(["-c", SCRIPT, "postgres-for-tests"])
        .arg(&folder)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell, and setpriv where the tests run as root");
    let mut lines = BufReader::new(shell.stderr.take().expect("stderr is piped")).lines().map_while(Result::ok);
    let mut reported = Vec::new();
    let ready = lines.by_ref().any(|line| {
        reported.push(line);
        reported.last().is_some_and(|line| line.contains("ready to accept connections"))
    });
    let reported = reported.join("\n");
    assert!(ready, "PostgreSQL did not start; these tests need `initdb` and `postgres` on the PATH:\n{reported}");
    let lives_as_long_as = shell.stdin.take().expect("stdin is piped");
    // What the server says later is not needed, but it must be read, or the pipe fills up.
    std::thread::spawn(move || {
        lines.for_each(drop);
        shell.wait()
    });
    Server { port, _lives_as_long_as: lives_as_long_as }
}

fn shell(folder: &Path) -> Command {
    if std::fs::metadata(folder).expect("the folder is there").uid() != 0 {
        return Command::new("sh");
    }
    chown(folder, Some(NOBODY), Some(NOBODY)).expect("root may give a folder away");
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups", "sh"]);
    command.current_dir(folder);
    command
}
