//! The settings from all three sources, and what is said of bad ones.

use super::*;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let variables = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_sources(Some(ConfigFile::parse("clienty-sync.toml", file)), variables)
}

/// 32 bytes in base64.
const KEY: &str = "c2l4dGVlbiBieXRlcyB0d2ljZSBpcyAzMiBieXRlcyE=";

#[test]
fn the_defaults_are_what_users_were_promised() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.metrics.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.data.dir, Path::new("./data"));
    assert_eq!(config.database_url().expose_secret(), "sqlite://./data/clienty.db");
    assert!(!config.is_distributed());
    assert_eq!(config.redis.shards, 1);
    assert_eq!(config.worker.concurrency, 64);
    assert!(config.secrets.master_keys.is_empty());
    assert_eq!(config.ghl.api_url, "https://services.leadconnectorhq.com");
    assert_eq!(config.ghl.marketplace_url, "https://marketplace.gohighlevel.com");
    assert_eq!(config.ghl.scopes, ["contacts.readonly"]);
    assert_eq!((config.ghl.burst_limit, config.ghl.daily_limit), (100, 200_000));
    assert_eq!(config.ghl.burst_interval, Duration::from_secs(10));
    assert_eq!(config.ghl.timeout, Duration::from_secs(30));
}

#[test]
fn every_setting_stands_in_the_defaults_file_with_its_variable() {
    let sections = DEFAULTS.split("\n[").skip(1);
    let documented: Vec<String> = sections
        .flat_map(|section| {
            let (name, body) = section.split_once("]\n").unwrap();
            let keys = body.lines().filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
            keys.map(move |(key, _)| format!("{name}.{key}"))
        })
        .collect();
    // Rules are called as people like; the file shows one.
    let config = load("[rules]\nwelcome.on = 'contact.created'\nwelcome.title = 'Welcome'", &[]).unwrap();
    let known: Vec<&str> = config.shown().iter().map(|setting| setting.key.as_str()).collect();
    assert_eq!(documented, known);
    for setting in config.shown() {
        assert!(DEFAULTS.contains(&format!("[{}]", setting.variable)), "{} is not in default.toml", setting.variable);
    }
}

#[test]
fn the_examples_in_the_defaults_file_are_good_values() {
    let is_example = |line: &&str| line.starts_with("# ") && line.contains(" = ") && !line.contains("_file");
    let uncommented: Vec<&str> =
        DEFAULTS.lines().map(|line| if is_example(&line) { &line[2..] } else { line }).collect();
    let config = load(&uncommented.join("\n"), &[]).unwrap();
    assert!(config.is_distributed());
    assert!(!config.is_sqlite());
    assert_eq!(config.secrets.master_keys[0].id, "k1");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[worker]\nconcurrency = 8\n[redis]\nshards = 4\n";
    let config = load(file, &[("CLIENTY_WORKER_CONCURRENCY", "16"), ("REDIS_URL", "redis://cache:6379")]).unwrap();
    assert_eq!(config.worker.concurrency, 16);
    assert_eq!(config.redis.shards, 4);
    assert!(config.is_distributed());
    let origin = |key| config.shown().iter().find(|setting| setting.key == key).unwrap().origin;
    assert_eq!(origin("worker.concurrency"), Origin::Environment);
    assert_eq!(origin("redis.shards"), Origin::File);
    assert_eq!(origin("ghl.timeout_ms"), Origin::Default);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let file = "\
[worker]
concurrency = 0
[gateway]
listen = \"here\"
[ghl]
scopes = 3.5
burst_limit = [\"100\"]
";
    let errors = load(file, &[("GHL_TIMEOUT_MS", "soon"), ("REDIS_URL", "mysql://cache")]).unwrap_err();
    let reported: Vec<String> = errors.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        reported,
        [
            "clienty-sync.toml:4 gateway.listen: got \"here\", expected an address and a port, such as 127.0.0.1:8080",
            "environment REDIS_URL: expected a URL such as redis://localhost:6379/0",
            "clienty-sync.toml:2 worker.concurrency: got \"0\", expected a whole number from 1 to 10000",
            "clienty-sync.toml:6 ghl.scopes: got a number with a fraction, expected an array of strings",
            "clienty-sync.toml:7 ghl.burst_limit: got an array, expected one value",
            "environment GHL_TIMEOUT_MS: got \"soon\", expected a whole number from 1 to 600000 (milliseconds)",
        ]
    );
}

#[test]
fn every_wrong_value_of_a_list_is_reported_at_once() {
    let reported = load("[merge]\nfields = ['contact.city=us', 'contact.city=ghl', 'nothing']", &[]).unwrap_err();
    let reported: Vec<_> =
        reported.0.iter().map(|error| (error.place.as_str(), error.key.as_str(), &error.problem)).collect();
    let [(place, key, first), (_, _, second)] = reported.as_slice() else { panic!("{reported:?}") };
    assert_eq!((*place, *key), ("clienty-sync.toml:2", "merge.fields"));
    assert!(first.contains("contact.city=us") && second.contains("nothing"), "{reported:?}");
}

#[test]
fn unknown_keys_and_misspelt_variables_are_mistakes_and_a_persons_own_variable_is_not() {
    let file = "[worker]\nconcurency = 8\n[mail]\nhost = \"x\"\n";
    let errors = load(file, &[("CLIENTY_LISTENS", "x"), ("CLIENTY_API_KEY", "x"), ("GHL_PROXY", "x")]).unwrap_err();
    let reported: Vec<String> = errors.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        reported,
        [
            "clienty-sync.toml:4 mail.host: unknown key; `clienty-sync config show --defaults` lists all",
            "clienty-sync.toml:2 worker.concurency: unknown key; did you mean worker.concurrency?",
            "environment CLIENTY_LISTENS: unknown variable; did you mean CLIENTY_LISTEN?",
        ]
    );
}

#[test]
fn a_line_that_is_not_toml_hides_no_other_mistake() {
    let errors = load("[worker]\nconcurrency = = 8\n[redis]\nshards = 0\n", &[]).unwrap_err();
    let places: Vec<&str> = errors.0.iter().map(|error| error.place.as_str()).collect();
    assert_eq!(places, ["clienty-sync.toml:2", "clienty-sync.toml:4"]);
}

#[test]
fn a_named_file_that_is_missing_is_a_mistake() {
    let errors = Config::load(Some(Path::new("/nowhere/clienty.toml")), []).unwrap_err();
    assert!(errors.to_string().starts_with("/nowhere/clienty.toml: cannot be read: "), "{errors}");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let config = load("", &[("REDIS_URL", ""), ("CLIENTY_LISTEN", "")]).unwrap();
    assert!(!config.is_distributed());
}

#[test]
fn scopes_are_words_in_the_environment_and_an_array_in_the_file() {
    let spoken = load("", &[("GHL_SCOPES", "contacts.readonly contacts.write,calendars.readonly")]).unwrap();
    assert_eq!(spoken.ghl.scopes, ["contacts.readonly", "contacts.write", "calendars.readonly"]);
    let written = load("[ghl]\nscopes = [\"a\", \"b\"]\n", &[]).unwrap();
    assert_eq!(written.ghl.scopes, ["a", "b"]);
}

#[test]
fn master_keys_are_read_newest_first() {
    let config = load("", &[("CLIENTY_MASTER_KEYS", &format!("new:{KEY},old:{KEY}"))]).unwrap();
    let ids: Vec<&str> = config.secrets.master_keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["new", "old"]);
    assert_eq!(config.secrets.master_keys[0].key.expose_secret(), b"sixteen bytes twice is 32 bytes!");
}

#[test]
fn no_secret_is_ever_printed() {
    let secrets = [
        ("CLIENTY_MASTER_KEYS", format!("k1:{KEY}")),
        ("GHL_CLIENT_SECRET", "hunter2".to_owned()),
        ("DATABASE_URL", "postgres://me:hunter2@db/clienty".to_owned()),
        ("REDIS_URL", "redis://:hunter2@cache:6379".to_owned()),
    ];
    let good: Vec<(&str, &str)> = secrets.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let config = load("", &good).unwrap();
    let printed = format!("{config:?} {} {}", config.show(), config.show_toml());
    assert!(!printed.contains("hunter2") && !printed.contains(KEY), "{printed}");
    assert!(printed.contains("postgres://***@db/clienty"), "{printed}");

    let bad =
        load("", &[("CLIENTY_MASTER_KEYS", "hunter2"), ("REDIS_URL", "hunter2"), ("GHL_CLIENT_SECRET", "a hunter2")]);
    let errors = bad.unwrap_err();
    assert_eq!(errors.0.len(), 3);
    assert!(!format!("{errors} {errors:?}").contains("hunter2"));

    let unquoted = load("[ghl]\nclient_secret = hunter2\n[redis]\nurl = \"hunter2\n", &[]).unwrap_err();
    assert_eq!(unquoted.0.len(), 2, "{unquoted}");
    assert!(!unquoted.to_string().contains("hunter2"), "{unquoted}");
}

#[test]
fn a_url_loses_the_slash_at_its_end() {
    let config = load("", &[("GHL_API_URL", "http://127.0.0.1:4010/")]).unwrap();
    assert_eq!(config.ghl.api_url, "http://127.0.0.1:4010");
}

#[test]
fn the_settings_are_shown_as_a_file_with_the_origin_of_each() {
    let config = load("[worker]\nconcurrency = 8\n", &[("GHL_CLIENT_ID", "app")]).unwrap();
    let text = config.show_toml();
    assert!(text.contains("[worker]\nconcurrency = 8  # file\n"), "{text}");
    assert!(text.contains("client_id = \"app\"  # environment GHL_CLIENT_ID\n"), "{text}");
    assert!(text.contains("[redis]\n# url is not set\n"), "{text}");
}

#[test]
fn a_rule_has_a_name_of_its_own_in_the_file_or_the_environment() {
    assert_eq!(load("", &[]).unwrap().rules, []);
    let file = "[rules]\nwelcome.on = 'contact.created'\nwelcome.title = 'Welcome {name}'\n[rules.vip]\non = 'contact.tagged=VIP'\ntitle = 'Call'\ndue_after = '4h'";
    let environment = [
        ("CLIENTY_RULE_WELCOME_TITLE", "Hello"),
        ("CLIENTY_RULE_THIRD_ON", "contact.created"),
        ("CLIENTY_RULE_THIRD_TITLE", "Third"),
    ];
    let rules = load(file, &environment).unwrap().rules;
    let reported: Vec<_> = rules.iter().map(|rule| (rule.name.as_str(), rule.due_after.as_hours())).collect();
    assert_eq!(reported, [("third", 24), ("vip", 4), ("welcome", 24)]);
    assert_eq!(rules[2].title, "Hello".parse().unwrap());
    let shown = load(file, &environment).unwrap();
    assert!(shown.show().to_string().contains("rules.vip.due_after"), "{}", shown.show());
}

#[test]
fn every_mistake_in_a_rule_is_named() {
    let file = "[rules]\na.on = 'contact.deleted'\na.title = 'Call {nick}'\na.due_after = '2 days'\na.titel = 'x'\nb.title = 'y'\n'C d'.on = 'contact.created'";
    let errors = load(file, &[]).unwrap_err();
    let mut keys: Vec<&str> = errors.0.iter().map(|error| error.key.as_str()).collect();
    keys.sort_unstable();
    let expected = [
        "rules.C d",
        "rules.C d.title",
        "rules.a.due_after",
        "rules.a.on",
        "rules.a.titel",
        "rules.a.title",
        "rules.b.on",
    ];
    assert_eq!(keys, expected, "{errors}");
    let text = errors.to_string();
    for part in ["contact.tagged= and a tag", "{companyName}", "30m, 4h, 2d", "did you mean rules.a.title"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
