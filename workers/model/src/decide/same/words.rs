//! Texts with HTML around them or not: what they say, and where they lead.

/// Whether two texts say the same, with HTML around them or not.
#[must_use]
pub fn same_text(sent: &str, kept: &str) -> bool {
    let (sent, kept) = (sent.trim(), kept.trim());
    if sent == kept {
        return true;
    }
    let (sent, kept) = (without_tags(sent), without_tags(kept));
    let mut words = sent.split_whitespace().peekable();
    words.peek().is_some() && words.eq(kept.split_whitespace())
}

/// Where the links and images of HTML lead, in their order.
pub(super) fn addresses(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = ["href=", "src="].iter().filter_map(|name| Some(rest.find(name)? + name.len())).min() {
        rest = &rest[at..];
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = quote.map_or(rest, |quote| &rest[quote.len_utf8()..]);
        let end = value.find(|c: char| quote.map_or(c.is_whitespace() || c == '>', |quote| c == quote));
        found.push(value[..end.unwrap_or(value.len())].replace("&amp;", "&"));
    }
    found
}

/// What a reader of HTML sees, roughly: enough to report that `<p>Hi</p>` was `Hi`.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let is_tag = rest[open + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match rest[open..].find('>').filter(|_| is_tag) {
            Some(close) => {
                text.push(' ');
                rest = &rest[open + close + 1..];
            }
            None => {
                text.push('<');
                rest = &rest[open + 1..];
            }
        }
    }
    text.push_str(rest);
    // `&amp;` last, or `&amp;lt;` would be unescaped twice.
    [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(text, |text, (escaped, plain)| text.replace(escaped, plain))
}
