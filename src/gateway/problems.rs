//! The stable code of each problem, and `GET /problems/{code}`, which explains it.
//!
//! A code never changes, though its title may be worded better. A new title gets a line in [`CODES`] and a section in docs/PROBLEMS.md, the page
//! that is served here; a test names what is missing.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Problem;
use super::page::{accepts, html_of, wants_page};
use super::path::Ids;

/// The page: a section `## code` for each.
const PAGE: &str = include_str!("../../docs/PROBLEMS.md");

const MARKDOWN: &str = "text/markdown";

/// Titles whose code is not made of their own words.
const CODES: [(&str, &str); 21] = [
    ("Something failed here", "internal-error"),
    ("A parameter is wrong", "invalid-parameters"),
    ("Parameters are wrong", "invalid-parameters"),
    ("An event is wrong", "invalid-event"),
    ("No event", "invalid-event"),
    ("No valid API key", "unauthorized"),
    ("The hook is wrong", "invalid-hook"),
    ("The key is wrong", "invalid-key"),
    ("Hooks need a master key", "no-master-key"),
    ("Erasure still running", "not-wiped-yet"),
    ("The flow is wrong", "invalid-flow"),
    ("The flow has changed", "flow-changed"),
    ("The flow is a file", "flow-is-a-file"),
    ("The name is taken", "flow-name-taken"),
    ("The flow is disabled", "flow-disabled"),
    ("The mapping is wrong", "invalid-mapping"),
    ("The mapping has changed", "mapping-changed"),
    ("The run is wrong", "invalid-flow-run"),
    ("The run is over", "flow-run-over"),
    ("No dead step", "flow-run-not-dead"),
    ("No such contact here", "unknown-contact"),
];

/// The code of a title: as the table says, else its words.
pub(super) fn code_of(title: &'static str) -> Cow<'static, str> {
    if let Some((_, code)) = CODES.iter().find(|(known, _)| *known == title) {
        return Cow::Borrowed(code);
    }
    let letters = title.chars().filter(|letter| *letter != '\'' && *letter != '’');
    let plain: String =
        letters.map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect();
    Cow::Owned(plain.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-"))
}

/// What the page says of a code.
fn section(code: &str) -> Option<&'static str> {
    PAGE.split("\n## ").skip(1).find(|section| section.lines().next() == Some(code))
}

/// `GET /problems`: the whole page.
pub(super) async fn page(headers: HeaderMap) -> Response {
    answer("Problems", PAGE, &headers)
}

/// `GET /problems/{code}`: one section of it. `.md` behind the code asks for Markdown, whatever `Accept` says.
pub(super) async fn show(Ids(code): Ids<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let plain = code.strip_suffix(".md");
    let code = plain.unwrap_or(&code);
    let section =
        section(code).ok_or_else(|| Problem::not_found("there is no problem with this code; /problems lists all"))?;
    let section = format!("## {}\n", section.trim_end());
    Ok(if plain.is_some() { markdown(section) } else { answer(code, &section, &headers) })
}

/// Markdown, or a page for those who ask for one and not for Markdown.
fn answer(title: &str, text: &str, headers: &HeaderMap) -> Response {
    let is_page = wants_page(headers) && !accepts(headers, MARKDOWN);
    let mut response =
        if is_page { super::page::page(StatusCode::OK, title, &html_of(text)) } else { markdown(text.to_owned()) };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

fn markdown(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    /// The first string literal after each call that makes a problem: the title.
    fn titles(text: &'static str) -> Vec<&'static str> {
        let calls = ["Problem::new(", "Problem::busy(", "Problem::too_many(", "Self::new(StatusCode"];
        calls
            .into_iter()
            .flat_map(|call| text.split(call).skip(1))
            .filter_map(|call| {
                let rest = call.split_once('"')?.1;
                rest.split_once('"').map(|(title, _)| title)
            })
            .filter(|title| title.starts_with(char::is_uppercase))
            .collect()
    }

    #[test]
    fn each_problem_that_the_gateway_answers_with_has_a_section_of_the_page() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateway");
        let mut seen = 0;
        for path in sources(&folder) {
            if path.ends_with("problems.rs") {
                continue;
            }
            let text: &'static str = std::fs::read_to_string(&path).unwrap().leak();
            for title in titles(text) {
                let code = code_of(title);
                assert!(
                    section(&code).is_some(),
                    "{}: docs/PROBLEMS.md has no section {code} for {title:?}",
                    path.display()
                );
                seen += 1;
            }
        }
        assert!(seen > 10, "only {seen} problems were found");
    }

    #[test]
    fn a_code_is_plain_words() {
        assert_eq!(code_of("It can't be undone"), "it-cant-be-undone");
        assert_eq!(code_of("Temporarily unavailable"), "temporarily-unavailable");
        assert_eq!(code_of("Erasure still running"), "not-wiped-yet");
    }
}
