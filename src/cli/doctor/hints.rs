//! Maps the text of a failure to a remedy: PostgreSQL, Redis and GHL use the same words.

/// The remedy for a connection that failed with this text; `setting` holds its address.
pub(super) fn remedy(words: &str, setting: &str) -> String {
    let words = words.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&["password", "wrongpass", "noauth", "authentication", "28p01", "28000", "noperm"]) {
        format!("the server rejects the login: correct user and password in {setting}")
    } else if says(&["certificate", "tls", "ssl", "handshake"]) {
        format!(
            "the encrypted connection fails: check the scheme or sslmode in {setting}, and the certificate authority"
        )
    } else if says(&["lookup", "name or service not known", "resolve", "dns"]) {
        format!("the host name can't be resolved: correct it in {setting} or in DNS")
    } else if says(&["refused"]) {
        format!("nothing listens at that address: start the server, or correct host and port in {setting}")
    } else if says(&["does not exist", "3d000"]) {
        format!("the server has no such database: create it, or correct its name in {setting}")
    } else if says(&["timed out", "timeout", "unreachable", "no answer"]) {
        format!("the server does not answer: check the firewall, and host and port in {setting}")
    } else {
        format!("check {setting}, and that the server runs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_the_remedy_of_its_own_cause() {
        let table = [
            ("Connection refused (os error 111)", "nothing listens"),
            ("failed to lookup address information: Name or service not known", "host name"),
            ("password authentication failed for user \"x\"", "user and password"),
            ("WRONGPASS invalid username-password pair", "user and password"),
            ("NOAUTH Authentication required.", "user and password"),
            ("invalid peer certificate: UnknownIssuer", "certificate authority"),
            ("database \"none\" does not exist", "no such database"),
            ("no answer within 3 s", "firewall"),
            ("something else", "that the server runs"),
        ];
        for (words, reported) in table {
            let remedy = remedy(words, "SETTING");
            assert!(remedy.contains(reported) && remedy.contains("SETTING"), "{words}: {remedy}");
        }
    }
}
