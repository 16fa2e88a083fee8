//! What an error of the database means, by the database's own codes.
//!
//! SQLite and PostgreSQL report a full disk, a lost connection and a bad value in the same way: as an error of one
//! statement. This table is the one place that distinguishes them. It also decides which errors leave a connection in
//! doubt: SQLite rolls back by itself when the disk fails, which sqlx does not see, and a connection that was opened on
//! a read-only disk stays read-only. So after such an error every connection that was open before it is replaced.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What an error means for whoever called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The database, its disk or the way to it failed; the same call can succeed later.
    Outage,
    /// Another transaction got in between; the same one, begun again, sees what that one wrote.
    Race,
    /// The database refuses a value; the same value is refused again.
    Value,
    /// The statement or the setup is wrong, and stays wrong until somebody changes it.
    Setup,
}

/// What `error` means.
pub(super) fn meaning(error: &sqlx::Error) -> Meaning {
    use sqlx::Error as E;
    match error {
        E::Database(refusal) => match refusal.code().as_deref() {
            Some(code) if code.len() == 5 => of_postgres(code),
            Some(code) => code.parse().map_or(Meaning::Setup, |code| of_sqlite(code, refusal.message())),
            None => Meaning::Setup,
        },
        E::Io(_)
        | E::Tls(_)
        | E::Protocol(_)
        | E::PoolTimedOut
        | E::PoolClosed
        | E::WorkerCrashed
        | E::BeginFailed
        | E::InvalidSavePointStatement => Meaning::Outage,
        E::Encode(_) => Meaning::Value,
        _ => Meaning::Setup,
    }
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(code: &str) -> Meaning {
    match (&code[..2], code) {
        // Serialization failure, deadlock, and a unique index that another transaction filled first.
        (_, "40001" | "40P01" | "23505") => Meaning::Race,
        // A standby after a failover, or a disk that went read-only; a transaction that was ended for standing idle or
        // after an error.
        (_, "25006" | "25P02" | "25P03") => Meaning::Outage,
        // Connection, rollback, resources, locks, intervention, system.
        ("08" | "40" | "53" | "55" | "57" | "58", _) => Meaning::Outage,
        // Data exception, constraint, limit of the program.
        ("22" | "23" | "54", _) => Meaning::Value,
        _ => Meaning::Setup,
    }
}

/// By extended result code, of which the lowest byte is the primary one: <https://sqlite.org/rescode.html>.
fn of_sqlite(code: u32, message: &str) -> Meaning {
    match (code & 0xff, code) {
        // Primary key, row id, unique index.
        (_, 1555 | 2067 | 2579) => Meaning::Race,
        // Busy, locked, no memory, read-only, interrupted, I/O, full, can't open, locking protocol.
        (5..=10 | 13..=15, _) => Meaning::Outage,
        // Too big, constraint, mismatch, out of range.
        (18..=20 | 25, _) => Meaning::Value,
        // SQLite ended the transaction by itself, and a later statement of it found none.
        (1, _) if message.contains("transaction") || message.contains("savepoint") => Meaning::Outage,
        _ => Meaning::Setup,
    }
}

/// Whether `error` leaves it open in which state its connection, and others like it, are.
fn leaves_doubt(error: &sqlx::Error) -> bool {
    use sqlx::Error as E;
    match error {
        E::Database(refusal) => match refusal.code().as_deref() {
            Some(code) if code.len() == 5 => {
                matches!(&code[..2], "08" | "58" | "XX") || matches!(code, "25006" | "57P01" | "57P02")
            }
            Some(code) => match code.parse::<u32>().map(|code| code & 0xff) {
                // No memory, read-only, I/O, corrupt, full, can't open, locking protocol, not a database.
                Ok(7 | 8 | 10 | 11 | 13..=15 | 26) => true,
                Ok(1) => meaning(error) == Meaning::Outage,
                _ => false,
            },
            None => false,
        },
        E::Io(_) | E::Tls(_) | E::Protocol(_) | E::WorkerCrashed | E::BeginFailed | E::InvalidSavePointStatement => {
            true
        }
        _ => false,
    }
}

/// The last error that left a connection in doubt. Of the process, since the errors do not name their pool: a needless
/// replacement costs one connection, a missing one costs every statement on it.
static LAST: Mutex<Option<Instant>> = Mutex::new(None);

/// Remembers `error`, where it leaves connections in doubt.
pub(super) fn note(error: &sqlx::Error) {
    if leaves_doubt(error) {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Whether a connection that is `age` old was open when the last error came that leaves connections in doubt.
pub(super) fn is_doubtful(age: Duration) -> bool {
    let last = *LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.is_some_and(|last| last.elapsed() <= age)
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Outage, Race, Setup, Value};
    use super::*;

    #[test]
    fn postgres_codes_are_distinguished() {
        let outages =
            ["08006", "25006", "25P03", "40003", "53100", "53200", "53300", "55P03", "57014", "57P01", "58030"];
        for (codes, expected) in [
            (&outages[..], Outage),
            (&["40001", "40P01", "23505"], Race),
            (&["22021", "22003", "22P05", "23502", "23514", "54000"], Value),
            (&["42P01", "42703", "42501", "3D000", "28P01", "XX000"], Setup),
        ] {
            for code in codes {
                assert_eq!(of_postgres(code), expected, "{code}");
            }
        }
    }

    #[test]
    fn sqlite_codes_are_distinguished() {
        // Extended codes carry their cause above the primary one: 266 and 778 are reads and writes of a failing disk.
        for (codes, expected) in [
            (&[5, 261, 517, 6, 7, 8, 264, 1032, 10, 266, 778, 1034, 1546, 4874, 13, 14, 15][..], Outage),
            (&[1555, 2067, 2579], Race),
            (&[18, 19, 275, 787, 1299, 20, 25], Value),
            (&[1, 11, 12, 16, 21, 26], Setup),
        ] {
            for code in codes {
                assert_eq!(of_sqlite(*code, "no such table: jobs"), expected, "{code}");
            }
        }
        for message in ["cannot rollback - no transaction is active", "no such savepoint: batch"] {
            assert_eq!(of_sqlite(1, message), Outage, "{message}");
        }
    }

    #[test]
    fn what_is_no_answer_of_the_database_is_an_outage() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        for error in [
            sqlx::Error::Io(broken),
            sqlx::Error::Protocol("unexpected message".to_owned()),
            sqlx::Error::PoolTimedOut,
            sqlx::Error::WorkerCrashed,
            sqlx::Error::BeginFailed,
            sqlx::Error::InvalidSavePointStatement,
        ] {
            assert_eq!(meaning(&error), Outage, "{error}");
            assert_eq!(leaves_doubt(&error), !matches!(error, sqlx::Error::PoolTimedOut), "{error}");
        }
    }

    #[test]
    fn connections_older_than_the_last_fault_are_doubtful_and_newer_ones_are_not() {
        note(&sqlx::Error::WorkerCrashed);
        assert!(is_doubtful(Duration::from_secs(3600)));
        std::thread::sleep(Duration::from_millis(2));
        assert!(!is_doubtful(Duration::ZERO));
    }
}
