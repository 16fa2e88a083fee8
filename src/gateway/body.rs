//! A request's body, whole.

use axum::body::Body;
use futures_util::StreamExt;

/// How much of a body that is too large is read on, in bodies that are not.
const DRAIN: usize = 16;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    BrokenOff,
}

/// Reads a body of at most `limit` bytes. One that is too large is read on to its end and forgotten, within reason: a client that is still
/// sending when the connection closes sees a broken pipe and never the answer.
pub(super) async fn whole(body: Body, limit: usize) -> Result<Vec<u8>, Unread> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Unread::BrokenOff)?;
        length += chunk.len();
        if length <= limit {
            bytes.extend_from_slice(&chunk);
        } else if length > DRAIN * limit {
            break;
        }
    }
    if length > limit { Err(Unread::TooLarge) } else { Ok(bytes) }
}
