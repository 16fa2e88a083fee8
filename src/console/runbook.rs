//! The runbook of this very version, so that an alarm leads to its section without another site.

use std::sync::LazyLock;

use askama::Template;
use axum::response::Response;

use super::frame::{Frame, rendered};
use super::show::escaped;
use super::visitor::Visitor;
use crate::gateway::Reads;

const RUNBOOK: &str = include_str!("../../deploy/runbook.md");

#[derive(Template)]
#[template(path = "console/runbook.html")]
struct Page {
    frame: Frame,
    html: &'static str,
}

pub(super) async fn page(visitor: Visitor<Reads>) -> Response {
    static HTML: LazyLock<String> = LazyLock::new(|| html_of(RUNBOOK));
    rendered(&Page { frame: visitor.frame("", "Runbook"), html: &HTML })
}

/// The name of a section in the address.
pub(super) fn anchor(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let plain = letters.chars().filter_map(|letter| match letter {
        ' ' | '-' => Some('-'),
        letter if letter.is_alphanumeric() => Some(letter),
        _ => None,
    });
    plain.collect()
}

/// As much of Markdown as the runbook has: headings, paragraphs, lists, tables as they are written, and code.
fn html_of(markdown: &str) -> String {
    let mut html = String::new();
    let mut open = Open::Nothing;
    for line in markdown.lines() {
        if open == Open::Code {
            if line.trim_start().starts_with("```") {
                open = open.turn(Open::Nothing, &mut html)
            } else {
                html.push_str(&format!("{}\n", escaped(line)))
            }
            continue;
        }
        let text = line.trim();
        let level = text.bytes().take_while(|byte| *byte == b'#').count();
        if text.starts_with("```") {
            open = open.turn(Open::Code, &mut html);
        } else if (1..=4).contains(&level) {
            open = open.turn(Open::Nothing, &mut html);
            let title = text[level..].trim();
            html.push_str(&format!("<h{level} id=\"{}\">{}</h{level}>\n", anchor(title), inline(title)));
        } else if text.is_empty() {
            open = open.turn(Open::Nothing, &mut html);
        } else if line.starts_with("    ") && open == Open::Nothing {
            html.push_str(&format!("<pre>{}</pre>\n", escaped(text)));
        } else if let Some(cells) = text.strip_prefix('|') {
            open = open.turn(Open::Table, &mut html);
            let cells: Vec<_> = cells.trim_end_matches('|').split('|').map(str::trim).collect();
            if !cells.iter().all(|cell| cell.starts_with("---")) {
                let cells: String = cells.into_iter().map(|cell| format!("<td>{}</td>", inline(cell))).collect();
                html.push_str(&format!("<tr>{cells}</tr>\n"));
            }
        } else if let Some(item) = item_of(text) {
            open = open.turn(Open::List, &mut html);
            html.push_str(&format!("<li>{}\n", inline(item)));
        } else {
            // A line that begins bold says another thing.
            if text.starts_with("**") && open == Open::Paragraph {
                open = open.turn(Open::Nothing, &mut html);
            }
            if matches!(open, Open::Nothing | Open::Table) {
                open = open.turn(Open::Paragraph, &mut html);
            }
            html.push_str(&format!("{}\n", inline(text)));
        }
    }
    open.turn(Open::Nothing, &mut html);
    html
}

/// What is open while the lines are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Paragraph,
    List,
    Table,
    Code,
}

impl Open {
    /// Closes what is open and opens the next, if it is another.
    fn turn(self, next: Self, html: &mut String) -> Self {
        if self != next {
            html.push_str(match self {
                Self::Nothing => "",
                Self::Paragraph => "</p>\n",
                Self::List => "</ul>\n",
                Self::Table => "</tbody></table></div>\n",
                Self::Code => "</pre>\n",
            });
            html.push_str(match next {
                Self::Nothing => "",
                Self::Paragraph => "<p>",
                Self::List => "<ul>\n",
                Self::Table => "<div class=\"table\"><table><tbody>\n",
                Self::Code => "<pre>",
            });
        }
        next
    }
}

fn item_of(text: &str) -> Option<&str> {
    let numbered = || {
        text.split_once(". ")
            .filter(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|(_, item)| item)
    };
    text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")).or_else(numbered)
}

/// Code between backquotes; the words of links, since the files that they name are not served.
fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let html = parts.map(|(place, part)| match place % 2 {
        1 => format!("<code>{}</code>", escaped(part)),
        _ => escaped(&without_links(part)),
    });
    bold(&html.collect::<String>())
}

/// What stands between two pairs of stars.
fn bold(html: &str) -> String {
    let parts = html.split("**").enumerate();
    parts.map(|(place, part)| if place % 2 == 1 { format!("<b>{part}</b>") } else { part.to_owned() }).collect()
}

fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        match behind.split_once("](").and_then(|(words, link)| Some((words, link.split_once(')')?.1))) {
            Some((words, after)) => {
                plain.push_str(before);
                plain.push_str(words);
                rest = after;
            }
            None => {
                plain.push_str(before);
                plain.push('[');
                rest = behind;
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html_and_no_text_becomes_markup() {
        let markdown = "## A \"b\" & c\n\nSee [the page](x.md), `a <b>`.\n- one\n- two\n\n```\nrun <it>\n```\n**Means** x\n**Look** y\n| a | b |\n|---|---|\n";
        let html = "<h2 id=\"a-b--c\">A &quot;b&quot; &amp; c</h2>\n<p>See the page, <code>a &lt;b&gt;</code>.\n</p>\n<ul>\n<li>one\n<li>two\n</ul>\n<pre>run &lt;it&gt;\n</pre>\n\
             <p><b>Means</b> x\n</p>\n<p><b>Look</b> y\n</p>\n<div class=\"table\"><table><tbody>\n<tr><td>a</td><td>b</td></tr>\n</tbody></table></div>\n";
        assert_eq!(html_of(markdown), html);
    }
}
