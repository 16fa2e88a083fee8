//! The ids of messages.

/// The id of the message with the changes of a hook up to `sequence`. It holds no dot, which separates what is signed.
#[must_use]
pub fn message_id(hook_id: &str, sequence: i64) -> String {
    format!("msg_{hook_id}_{sequence}")
}

/// The hook and the sequence in the id of a message.
#[must_use]
pub fn read_message_id(id: &str) -> Option<(&str, i64)> {
    let (hook_id, sequence) = id.strip_prefix("msg_")?.rsplit_once('_')?;
    Some((hook_id, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_messages_are_read_as_they_are_made() {
        let id = message_id("hk_0123", 77);
        assert_eq!(read_message_id(&id), Some(("hk_0123", 77)));
        assert!(!id.contains('.'));
        for wrong in ["", "msg_", "msg_7", "hk_0123_7", "msg_hk_x"] {
            assert_eq!(read_message_id(wrong), None, "{wrong}");
        }
    }
}
