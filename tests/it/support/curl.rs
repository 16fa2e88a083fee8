//! A curl line, as the demo prints it or a page shows it, sent by the test.

use std::process::Command;

use super::api::{Answer, Api};
use super::program::run;

/// Runs a line as a shell would that has these variables, but with this test as curl. The line calls one of the APIs.
pub(crate) async fn curl(line: &str, variables: &[(&str, &str)], apis: &[&Api]) -> Answer {
    let output = run({
        let mut command = Command::new("sh");
        command.args(["-c", &format!("curl() {{ printf '%s\\0' \"$@\"; }}; {line}")]);
        command.envs(variables.iter().copied());
        command
    });
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_terminator('\0');
    let (mut target, mut method, mut headers, mut body) = (None, None, Vec::new(), None);
    while let Some(word) = words.next() {
        match word {
            "-s" => {}
            "-X" => method = words.next(),
            "-H" => headers.push(words.next().unwrap().split_once(": ").unwrap()),
            "-d" => body = words.next(),
            url => {
                let mut paths = apis.iter().filter_map(|api| Some((*api, url.strip_prefix(api.url.as_str())?)));
                target = paths.next();
            }
        }
    }
    let Some((api, path)) = target else { panic!("{line} calls none of {apis:?}") };
    let method = method.unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let shape = |request: reqwest::RequestBuilder| {
        let request = request.body(body.unwrap_or_default().to_owned());
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    api.request(method, path, shape).await
}
