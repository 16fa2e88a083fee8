//! How pipes are written, and what is wrong with those that are written otherwise.

use super::*;

#[test]
fn mistakes_report_their_column_and_what_would_be_right() {
    let table = [
        ("", 1, "the name of a pipe is missing; known are trim"),
        ("trim |", 7, "the name of a pipe is missing"),
        ("trim || lower", 7, "the name of a pipe is missing"),
        ("  uper", 3, "there is no pipe uper; did you mean upper?"),
        ("trim | capitalize", 8, "there is no pipe capitalize; known are trim"),
        ("Trim", 1, "did you mean trim?"),
        ("trim 1", 6, "trim: takes no arguments"),
        ("trim by=1", 6, "trim: there is no by; it takes no arguments"),
        ("default none", 9, "none is no number; a text stands in quotes: \"none\""),
        ("default", 1, "default needs more: default \"none\""),
        ("default 'none", 9, "the quote ' is never closed"),
        ("default \"a\\", 9, "the quote \" is never closed"),
        ("default 'a' 'b'", 13, "default: takes no more than value"),
        ("map a=", 7, "a value is missing after a="),
        ("map", 1, "map needs more"),
        ("map 'a'", 1, "map needs more"),
        ("map a='1' A='2'", 11, "map: maps the same word twice"),
        ("map a='1' 'b'", 11, "map: takes no arguments"),
        ("date 'DD.MM.YYY'", 6, "format knows YYYY, YY, MM, DD, HH, mm, ss"),
        ("date 'MMM'", 6, "format knows"),
        ("date 'D.M.YYYY'", 6, "format knows"),
        ("date ''", 6, "format must not be empty"),
        ("date 'HH [Uhr'", 6, "a [ that nothing closes"),
        ("date 'DD' 'Europe/Berlni'", 11, "zone must be a time zone"),
        ("date fromat='DD'", 6, "date: there is no fromat; did you mean format?"),
        ("date format='DD' format='MM'", 18, "date: format is said twice"),
        ("date 5", 6, "date: format must be a text in quotes"),
        ("add_days", 1, "add_days needs more"),
        ("add_days '7'", 10, "days must be a whole number from -36500 to 36500"),
        ("add_days 1.5", 10, "days must be a whole number"),
        ("add_days 36501", 10, "days must be a whole number"),
        ("round 13", 7, "places must be a whole number from 0 to 12"),
        ("e164 'Germany'", 6, "country must be one of two letters"),
        ("money", 1, "money needs more: money \"EUR\""),
        ("money 'eur'", 7, "currency must be three capitals"),
        ("money 'EUR' ';'", 13, "decimal must be"),
        ("money 'EUR' group='.'", 13, "group must be"),
        ("money 'EUR' group='x'", 13, "group must be"),
        ("number '.,'", 8, "decimal must be"),
        ("split ''", 7, "by must not be empty"),
        ("replace '' 'a'", 9, "from must not be empty"),
        ("replace 'a'", 1, "replace needs more"),
        ("truncate 0", 10, "most must be a whole number from 1 to 65536"),
        ("truncate 2 'abc'", 12, "end is longer"),
        ("trim (", 6, "( is not expected here"),
        ("trim ='a'", 6, "= is not expected here"),
        ("trim \u{1f600}", 6, "is not expected here"),
        ("default 1.", 9, "1. is no number"),
        ("default 1,5", 10, ", is not expected here"),
        ("default 12345678901234567890123", 9, "is no number"),
        ("trim|trim|trim|trim|trim|trim|trim|trim|lower", 41, "at most 8 pipes stand in a row"),
    ];
    for (text, column, hint) in table {
        let wrong = Pipes::parse(text, 1).expect_err(text);
        assert!(wrong.column == column && wrong.message.contains(hint), "{text}: {wrong}");
        assert_eq!(Pipes::parse(text, 20).unwrap_err().column, column + 19, "{text}");
    }
}

#[test]
fn both_quotes_escapes_names_and_space_are_read() {
    let table = [
        (r#"default "a\"b\\c\n\t'""#, "a\"b\\c\n\t'"),
        (r"default 'a\'b|}{'", "a'b|}{"),
        ("default value = 'x'", "x"),
        ("\n default\t'x' ", "x"),
        ("default'x'", "x"),
        ("default '😀 é'", "😀 é"),
        ("default ''", ""),
    ];
    for (text, expected) in table {
        assert_eq!(pipes(text).apply(None), Ok(Some(json!(expected))), "{text}");
    }
    for (text, expected) in [("default -1.50", json!(-1.5)), ("default +3", json!(3)), ("default false", json!(false))]
    {
        assert_eq!(pipes(text).apply(None), Ok(Some(expected)), "{text}");
    }
    assert_eq!(pipes("trim|trim|trim|trim|trim|trim|trim|trim").apply(Some(json!(" a"))), Ok(Some(json!("a"))));
    assert_eq!(pipes("date 'DD' zone='UTC'"), pipes("date zone='utc' format='DD'"));
}
