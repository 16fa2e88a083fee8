//! Pages for people, who come with a browser; a program that does not ask for a page gets the same as data.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// Nothing of a page is run or fetched: it is text in a style.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether a request asks for a page, as browsers do.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    accepts(headers, "text/html")
}

/// Whether a request names the media type among those that it takes.
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains(media_type))
}

/// A page of that title. `body` is HTML; what comes from outside has to be [`escaped`] in it.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escaped(title);
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui;max-width:36rem;margin:15vh auto;padding:0 1rem}}</style>{body}</html>\n"
    );
    let mut response = (status, Html(page)).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Markdown as HTML, as far as pages here use it: headings, paragraphs and code. A heading of the second rank is the code of a problem, and leads to
/// its page. Links are left out, for the files that they name are not served.
pub(super) fn html_of(markdown: &str) -> String {
    let mut html = String::new();
    let mut paragraph: Vec<&str> = Vec::new();
    // A blank line at the end closes the last paragraph.
    for line in markdown.lines().chain([""]) {
        let is_heading = line.starts_with('#');
        if (is_heading || line.trim().is_empty()) && !paragraph.is_empty() {
            html.push_str(&format!("<p>{}</p>\n", inline(&paragraph.join(" "))));
            paragraph.clear();
        }
        if let Some(code) = line.strip_prefix("## ") {
            let code = escaped(code);
            html.push_str(&format!("<h2><a href=\"/problems/{code}\">{code}</a></h2>\n"));
        } else if let Some(title) = line.strip_prefix("# ") {
            html.push_str(&format!("<h1>{}</h1>\n", inline(title)));
        } else if !line.trim().is_empty() {
            paragraph.push(line);
        }
    }
    html
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The text of a line: what stands between backticks is code.
fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let html = parts.map(|(place, part)| match place % 2 {
        1 => format!("<code>{}</code>", escaped(part)),
        _ => escaped(&without_links(part)),
    });
    html.collect()
}

/// `[words](address)` as its words.
fn without_links(text: &str) -> String {
    let mut parts = text.split('[');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("](").and_then(|(words, rest)| Some((words, rest.split_once(')')?.1))) {
            Some((words, rest)) => plain.extend([words, rest]),
            None => plain.extend(["[", part]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html_and_no_text_becomes_markup() {
        let markdown = "# Problems\n\nFor those of the [HTTP API](HTTP-API.md).\nSend `<key>` & wait [1].\n\n## not-found\n404. \"Gone\".\n";
        let html = "<h1>Problems</h1>\n<p>For those of the HTTP API. Send <code>&lt;key&gt;</code> &amp; wait [1].</p>\n\
                    <h2><a href=\"/problems/not-found\">not-found</a></h2>\n<p>404. &quot;Gone&quot;.</p>\n";
        assert_eq!(html_of(markdown), html);
    }
}
