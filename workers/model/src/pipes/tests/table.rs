//! What each pipe makes of what: right ones, empty ones, other letters, other kinds.

use super::*;

#[test]
fn each_pipe_gives_what_is_expected() {
    let table = [
        ("trim", json!("\u{a0} a b\n"), json!("a b")),
        ("trim", json!(12.0), json!("12")),
        ("lower", json!("ÄÖ İ"), json!("äö i̇")),
        ("upper", json!("éß"), json!("ÉSS")),
        ("title", json!("ÉMILE zola"), json!("Émile Zola")),
        ("title", json!("it's ßa o’neil (vip)"), json!("It's Ssa O’neil (Vip)")),
        ("title", json!(""), json!("")),
        ("text", json!(1e16), json!("10000000000000000")),
        ("text", json!(0.000_000_1), json!("0.0000001")),
        ("text", json!(-1.5e2), json!("-150")),
        ("text", json!(true), json!("true")),
        ("digits", json!("a١2"), json!("2")),
        ("digits", json!("none"), json!("")),
        ("digits", json!(49.5), json!("495")),
        ("url", json!(" http://X.de "), json!("http://x.de")),
        ("url", json!("//x.de/a b?c=d#e"), json!("https://x.de/a%20b?c=d#e")),
        ("url", json!("bücher.de/ü"), json!("https://xn--bcher-kva.de/%C3%BC")),
        ("url", json!("10.0.0.1:8080"), json!("https://10.0.0.1:8080")),
        ("domain", json!("https://WWW.x.co.uk:443/a@b"), json!("x.co.uk")),
        ("domain", json!("Ada <ada@x.de"), json!("x.de")),
        ("domain", json!("www.de"), json!("www.de")),
        ("date", json!("2026-03-01"), json!("2026-03-01")),
        ("date", json!("2026-03-01T23:30:00-05:00"), json!("2026-03-02")),
        ("date", json!(" 2026-03-01 09:00:00 "), json!("2026-03-01")),
        ("date", json!(1_772_355_600_000_i64), json!("2026-03-01")),
        ("date 'DD.MM.YY' 'Asia/Tokyo'", json!("2026-03-01"), json!("01.03.26")),
        ("date zone='Asia/Tokyo'", json!("2026-03-01T15:00:00Z"), json!("2026-03-02")),
        ("date 'YYYY-MM-DD[T]HH:mm:ss'", json!("2026-03-01T09:08:07.654Z"), json!("2026-03-01T09:08:07")),
        ("time", json!("2026-03-01T09:08:07Z"), json!("09:08")),
        ("time zone='Asia/Kolkata'", json!("2026-03-01T09:08:07Z"), json!("14:38")),
        ("time", json!("2026-03-01"), json!("00:00")),
        ("add_days 1", json!("2024-02-28"), json!("2024-02-29")),
        ("add_days -1", json!("2026-01-01"), json!("2025-12-31")),
        ("add_days 0", json!("2026-03-01T10:00:00.7+01:00"), json!("2026-03-01T09:00:00Z")),
        ("add_days 1", json!(0), json!("1970-01-02T00:00:00Z")),
        // 02:30 is not there on that day; the clocks show 03:30.
        ("add_days 1 'Europe/Berlin'", json!("2026-03-28T01:30:00Z"), json!("2026-03-29T01:30:00Z")),
        ("number", json!(" -1,234.50 "), json!(-1234.5)),
        ("number", json!("1 234 567"), json!(1_234_567)),
        ("number", json!("1'000"), json!(1000)),
        ("number", json!("−3"), json!(-3)),
        ("number", json!("+.5"), json!(0.5)),
        ("number", json!("007"), json!(7)),
        ("number", json!("18446744073709551615"), json!(u64::MAX)),
        ("number", json!("-0.0"), json!(0)),
        ("number", json!(1e300), json!(1e300)),
        ("number ','", json!("12,5"), json!(12.5)),
        ("number decimal=','", json!("1.000.000,25"), json!(1_000_000.25)),
        ("round", json!(2.5), json!(3)),
        ("round", json!(-2.5), json!(-3)),
        ("round", json!(-0.4), json!(0)),
        ("round 1", json!("0.05"), json!(0.1)),
        ("round 2", json!(0.1 + 0.2), json!(0.3)),
        ("round 2", json!(1.004_999), json!(1)),
        ("round 3", json!(7), json!(7)),
        ("money 'EUR'", json!(0.1 + 0.2), json!("0.30 EUR")),
        ("money 'EUR'", json!("2.675"), json!("2.68 EUR")),
        ("money 'EUR'", json!(-0.005), json!("-0.01 EUR")),
        ("money 'EUR'", json!(-0.004), json!("0.00 EUR")),
        ("money 'JPY' group=','", json!(1_234_567.5), json!("1,234,568 JPY")),
        ("money 'KWD'", json!(1), json!("1.000 KWD")),
        ("money 'USD' group=','", json!(999.999), json!("1,000.00 USD")),
        ("money 'USD' group=' '", json!(100), json!("100.00 USD")),
        ("bool", json!(" YES "), json!(true)),
        ("bool", json!(0), json!(false)),
        ("bool", json!(true), json!(true)),
        ("bool yes='si'", json!("SI"), json!(true)),
        ("bool no='nein'", json!("nein"), json!(false)),
        // The author's word is stronger.
        ("bool yes='on hold' no='on'", json!("on"), json!(false)),
        ("split", json!(""), json!([])),
        ("split ' und '", json!("a und b"), json!(["a", "b"])),
        ("split", json!(12), json!(["12"])),
        ("join", json!(["a", null, 1.0, true, {"b": 2}]), json!("a, 1, true, {\"b\":2}")),
        ("join ''", json!([]), json!("")),
        ("first", json!([]), Value::Null),
        ("first", json!([null, 1]), Value::Null),
        ("last", json!([1, [2]]), json!([2])),
        ("unique", json!([1, "1", 1, null, null]), json!([1, "1", null])),
        ("count", json!("äö😀"), json!(3)),
        ("count", json!({"a": 1}), json!(1)),
        ("count", json!([]), json!(0)),
        ("default 'x'", json!(" \n"), json!("x")),
        ("default 0", json!([]), json!(0)),
        ("default true", json!(false), json!(false)),
        ("default 'x'", json!(0), json!(0)),
        ("default 'x'", json!({}), json!({})),
        ("map lead='Lead' 2='two' 'hot lead'=3 true=false", json!(" LEAD"), json!("Lead")),
        ("map lead='Lead' 2='two' 'hot lead'=3 true=false", json!(2), json!("two")),
        ("map lead='Lead' 2='two' 'hot lead'=3 true=false", json!("Hot Lead"), json!(3)),
        ("map lead='Lead' 2='two' 'hot lead'=3 true=false", json!(true), json!(false)),
        ("map lead='Lead'", json!("other"), Value::Null),
        ("map a=1 | default 'Other'", json!("b"), json!("Other")),
        ("replace 'a' ''", json!("banana"), json!("bnn")),
        ("replace '.' '' | replace ',' '.'", json!("1.0,5"), json!("10.5")),
        ("hash", json!(""), json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
        ("trim | lower | hash", json!(" ABC "), through("hash", json!("abc"))),
        ("truncate 3", json!("äöüß"), json!("äöü")),
        ("truncate 4 '…'", json!("äöüß"), json!("äöüß")),
        // An accent and a joined picture are not torn apart.
        ("truncate 2", json!("ae\u{301}x"), json!("a")),
        ("truncate 2", json!("a👩\u{200d}👩b"), json!("a")),
        ("json", json!("a\"b"), json!("\"a\\\"b\"")),
        ("json", json!([1.5, null]), json!("[1.5,null]")),
    ];
    for (text, value, expected) in table {
        assert_eq!(through(text, value.clone()), expected, "{value} | {text}");
    }
}

#[test]
fn what_is_absent_stays_so_and_null_is_absent() {
    for each in EACH {
        let expected = match each {
            "count" => Some(json!(0)),
            "default 'x'" => Some(json!("x")),
            _ => None,
        };
        for nothing in [None, Some(Value::Null)] {
            assert_eq!(pipes(each).apply(nothing), Ok(expected.clone()), "{each}");
        }
        assert_eq!(pipes(each).take_absent(), expected.is_some(), "{each}");
    }
    assert_eq!(pipes("first | upper | default 'none' | lower").apply(Some(json!([]))), Ok(Some(json!("none"))));
    assert_eq!(Pipes::default().apply(Some(json!(1))), Ok(Some(json!(1))));
}

/// A value of each kind, and whether it is one; what the pipe says of those that are not.
#[test]
fn another_kind_is_a_mistake_that_names_pipe_and_kinds() {
    let kinds = [json!("s3cret"), json!(7_654_321), json!(true), json!(["s3cret"]), json!({"s3cret": 1})];
    for each in EACH {
        let row = pipes(each);
        for value in &kinds {
            let kind = Kind::of(value);
            let (reported, came) = (row.gives(kind), row.apply(Some(value.clone())));
            match (reported, came) {
                // Of its kind, though it may not say what is read.
                (Ok(gives), Ok(Some(came))) => {
                    let is = Kind::of(&came);
                    let is_text = matches!(gives, Kind::Text | Kind::Date | Kind::Time) && is == Kind::Text;
                    assert!(gives == Kind::Any || gives == is || is_text, "{each} of {value}: {gives:?}, {came}");
                }
                (Ok(_), Ok(None)) => {}
                (Ok(_), Err(mistake)) => assert!(!mistake.expected.contains("a list"), "{each} of {value}: {mistake}"),
                (Err(reported), Err(mistake)) => {
                    let name = each.split(' ').next().unwrap();
                    assert_eq!(reported.column, 1);
                    assert_eq!(reported.message, format!("{name} takes {}, not {}", mistake.expected, mistake.found));
                    assert_eq!((mistake.pipe, mistake.found), (name, kind.words()));
                }
                (reported, came) => panic!("{each} of {value}: {reported:?}, but {came:?}"),
            }
        }
    }
}

#[test]
fn what_does_not_say_what_is_read_is_a_mistake_that_does_not_report_it() {
    let table: &[(&str, &[&str])] = &[
        (
            "number",
            &[
                "",
                "-",
                ".",
                "1.",
                "1.2.3",
                "1,5",
                "1,23,456",
                "12,3456",
                ",123",
                "1e5",
                "0x10",
                "NaN",
                "１",
                "1 2",
                "--1",
                "s3cret",
                "18446744073709551616",
                "0.1234567890123456",
                "1,234 567",
            ],
        ),
        ("number ','", &["1.5", "1,5,5", "1,000.5"]),
        ("round 2", &["", "s3cret", "1e400"]),
        ("money 'EUR'", &["", "s3cret", "1.5 EUR", "123456789012345678901"]),
        ("bool", &["", "ja", "2", "s3cret"]),
        (
            "e164",
            &["", "s3cret", "0151 2345678", "+289999999999", "+1", "+4915123456789012345", "+49 151 2345678 ext 5"],
        ),
        ("e164 'DE'", &["", "110", "s3cret", "0", "000", "0151+2345678", "4930123456"]),
        (
            "url",
            &[
                "",
                "s3cret",
                "12345",
                "javascript:alert(1)",
                "ftp://x.de",
                "mailto:a@x.de",
                "https://",
                "https://u:p@x.de",
                "https://u@x.de",
                "x .de",
                "https://x.de\n/a",
                "data://x.de,y",
            ],
        ),
        ("domain", &["", "s3cret", "a@", "@", "a@s3cret", "a b"]),
        (
            "date",
            &[
                "",
                "s3cret",
                "2026",
                "20260301",
                "2026-13-01",
                "2026-02-30",
                "2026-03-01T25:00:00Z",
                "01.03.2026",
                "2026-03-01T",
                "٢٠٢٦-03-01",
            ],
        ),
        ("time", &["09:00", "soon"]),
        ("add_days 36500", &["9999-01-01", "9999-12-31T00:00:00Z", "s3cret"]),
        ("add_days -36500", &["0001-01-01", "0001-01-01T00:00:00Z"]),
    ];
    for (text, wrong) in table {
        for value in *wrong {
            let Err(mistake) = pipes(text).apply(Some(json!(value))) else { panic!("{value:?} | {text}") };
            assert_eq!(Some(mistake.pipe), text.split(' ').next());
            let reported = mistake.to_string();
            assert!(!reported.contains("s3cret"), "{reported}");
        }
    }
    for (text, value) in [("date", json!(1.5)), ("date", json!(i64::MAX)), ("round", json!(1e300)), ("bool", json!(2))]
    {
        assert!(pipes(text).apply(Some(value.clone())).is_err(), "{value} | {text}");
    }
}

#[test]
fn kinds_go_through_a_row() {
    let table = [
        ("first | date", Kind::List, Ok(Kind::Date)),
        ("date | add_days 1", Kind::Time, Ok(Kind::Date)),
        ("add_days 1", Kind::Time, Ok(Kind::Time)),
        ("date 'DD.MM.' | upper", Kind::Time, Ok(Kind::Text)),
        ("digits | default 'none'", Kind::Text, Ok(Kind::Text)),
        ("default 0", Kind::Text, Ok(Kind::Any)),
        ("default '2026-01-01'", Kind::Date, Ok(Kind::Text)),
        ("map a=1 b=2 | round", Kind::Text, Ok(Kind::Number)),
        ("map a=1 b='2'", Kind::Text, Ok(Kind::Any)),
        ("split | unique | count | money 'EUR'", Kind::Text, Ok(Kind::Text)),
        ("date", Kind::List, Err((1, "date takes a text, a number, a date or a time, not a list"))),
        ("trim | join", Kind::Any, Err((8, "join takes a list, not a text"))),
        (
            "  count  |  split  |  date",
            Kind::List,
            Err((23, "date takes a text, a number, a date or a time, not a list")),
        ),
        ("count", Kind::Bool, Err((1, "count takes a text, a date, a time, a list or an object, not true or false"))),
        ("e164", Kind::Time, Err((1, "e164 takes a text or a number, not a time"))),
    ];
    for (text, from, expected) in table {
        let found = pipes(text).gives(from);
        let expected = expected.map_err(|(column, message)| Misread { column, message: message.to_owned() });
        assert_eq!(found, expected, "{from:?} | {text}");
    }
}
