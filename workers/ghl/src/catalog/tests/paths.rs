//! No parameter, whatever its bytes, turns a call into the call of another path.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Url;
use serde_json::Map;
use sync_model::ids;

use super::super::{Form, Operation, Place, catalog};
use crate::{ApiVersion, Endpoint, endpoints};

/// Characters that mean something to a path, to a URL parser or to a server, and some that mean nothing.
const SOUP: [char; 30] = [
    '.', '.', '\t', '\r', '\n', '/', '\\', '%', '2', 'e', 'E', 'f', 'F', '?', '#', ';', ':', '@', '&', '=', '+', ' ',
    '\0', '\u{1f}', '\u{7f}', '\u{85}', '\u{2028}', 'é', 'a', '~',
];

/// Texts of up to 256 bytes: short ones of the awkward characters, any bytes, and steps with something inside.
fn soup() -> impl Strategy<Value = String> {
    let awkward = vec(prop::sample::select(&SOUP[..]), 0..8).prop_map(String::from_iter);
    let long = vec(prop::sample::select(&SOUP[..]), 0..128).prop_map(String::from_iter);
    let bytes = vec(any::<u8>(), 0..=256).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let steps = prop::sample::select(
        &[".\t.", "\t..", ".\n", "%2e%2e", ".%2E", "..\r", "../x", "..\\x", "x/..", "a\tb", "%"][..],
    );
    prop_oneof![4 => awkward, 1 => long, 1 => bytes, 2 => steps.prop_map(str::to_owned)].prop_map(cut)
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(256));
    text
}

/// Every call that the program can make: each operation in each of its versions, and the typed endpoints in both generations.
fn all_endpoints() -> Vec<(Endpoint, ApiVersion)> {
    let of_catalog = catalog()
        .operations()
        .iter()
        .flat_map(|operation| operation.versions.iter().map(|form| (form.endpoint(operation), ApiVersion::Dated)));
    let generations = [ApiVersion::Dated, ApiVersion::V3];
    let typed = endpoints::ALL.iter().flat_map(|endpoint| generations.map(|api| ((*endpoint).clone(), api)));
    of_catalog.chain(typed.filter(|(endpoint, api)| endpoint.path_in(*api).is_some())).collect()
}

fn is_place(segment: &&str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

/// The address is that of the template: as many segments, the fixed ones equal, and in each place the id and nothing else.
fn assert_addresses(url: &Url, base: &str, template: &str, ids: &[&str]) {
    let path = url.as_str().strip_prefix(base).unwrap_or_else(|| panic!("{template} {ids:?} left {base}: {url}"));
    let (sent, wanted): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    assert_eq!(sent.len(), wanted.len(), "{template} {ids:?} became {path}");
    let mut ids = ids.iter();
    for (sent, wanted) in sent.iter().zip(&wanted) {
        match is_place(wanted) {
            false => assert_eq!(sent, wanted, "{template} became {path}"),
            true => assert_eq!(decoded(sent), ids.next().unwrap().as_bytes(), "{template} became {path}"),
        }
    }
}

/// What a server reads; a character that is left as it is must mean nothing in a path.
fn decoded(segment: &str) -> Vec<u8> {
    let mut bytes = segment.bytes();
    let mut read = Vec::new();
    while let Some(byte) = bytes.next() {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match byte {
            b'%' => read.push(bytes.next().and_then(hex).unwrap() * 16 + bytes.next().and_then(hex).unwrap()),
            plain => {
                assert!(plain.is_ascii_alphanumeric() || b"-_~.".contains(&plain), "{segment}");
                read.push(plain);
            }
        }
    }
    read
}

#[test]
fn no_soup_of_bytes_reaches_another_path() {
    let all = all_endpoints();
    assert!(all.len() > 597 + endpoints::ALL.len(), "{}", all.len());
    let base = "https://proxy.test/ghl";
    let url: Url = base.parse().unwrap();
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let soups = vec(soup(), 8);
    runner
        .run(&soups, |soups| {
            for (at, (endpoint, api)) in all.iter().enumerate() {
                let template = endpoint.path_in(*api).unwrap();
                let places = template.split('/').filter(is_place).count();
                let ids: Vec<_> = (0..places).map(|place| soups[(at + place) % soups.len()].as_str()).collect();
                match endpoint.url(&url, *api, &ids) {
                    Ok(built) => assert_addresses(&built, base, template, &ids),
                    Err(refused) => assert!(ids.iter().any(|id| !ids::is_id(id)), "{template} {ids:?}: {refused}"),
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_the_catalogue_takes_as_a_parameter_can_be_addressed() {
    let url: Url = "https://ghl.test".parse().unwrap();
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    runner
        .run(&soup(), |soup| {
            for operation in catalog().operations() {
                for form in &operation.versions {
                    takes_or_names(operation, form, &url, &soup);
                }
            }
            Ok(())
        })
        .unwrap();
}

/// A parameter of the path is either addressed, or refused by its name.
fn takes_or_names(operation: &Operation, form: &'static Form, url: &Url, soup: &str) {
    let names = form
        .parameters
        .iter()
        .filter(|parameter| parameter.place == Place::Path && parameter.field.name != "locationId");
    let given: Map<_, _> = names.map(|parameter| (parameter.field.name.clone(), soup.into())).collect();
    let mut mistakes = Vec::new();
    let (ids, _) = form.check_parameters("L", given.clone(), &mut mistakes);
    let at = |name: &String| format!("parameters.{name}");
    let named = |name: &String| mistakes.iter().any(|mistake| mistake.field == at(name));
    if !ids::is_id(soup) {
        assert!(given.keys().all(named), "{}: {soup:?} was taken: {mistakes:?}", operation.name);
    } else if !given.keys().any(named) {
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let built = form.endpoint(operation).url(url, ApiVersion::Dated, &ids).unwrap();
        assert_addresses(&built, "https://ghl.test", form.path, &ids);
    }
}
