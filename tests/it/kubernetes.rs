//! `deploy/kubernetes` says what is so: settings that there are, ports and paths that are served, an image that can be built.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::installation::{Installation, document};
use crate::support::program::{clienty_sync, run};

/// Each process with the setting of the address that it serves at.
const PROCESSES: [(&str, &str); 2] = [("gateway", "CLIENTY_LISTEN"), ("worker", "CLIENTY_METRICS_LISTEN")];
/// Where each of them serves its metrics.
const METRICS: &str = "CLIENTY_METRICS_LISTEN";
/// What the shutdown takes after its patience has ended, and a moment.
const GIVING_BACK: Duration = Duration::from_secs(10);

fn text(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn documents(file: &str) -> Vec<Value> {
    let text = text(&format!("deploy/kubernetes/{file}"));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All that is applied, and what the kustomization only names in a comment.
fn manifests() -> Vec<Value> {
    let kustomization = documents("kustomization.yaml").remove(0);
    let listed = kustomization["resources"].as_array().unwrap().iter().map(|file| file.as_str().unwrap());
    let listed: BTreeSet<_> = listed.chain(["autoscaler.yaml"]).collect();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes");
    let there = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<_> = there.filter(|name| name != "kustomization.yaml").collect();
    assert_eq!(listed, there.iter().map(String::as_str).collect::<BTreeSet<_>>());
    listed.into_iter().flat_map(documents).collect()
}

fn one<'a>(manifests: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = manifests.iter().find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn pod<'a>(manifests: &'a [Value], name: &str) -> &'a Value {
    &one(manifests, "Deployment", name)["spec"]["template"]
}

fn container<'a>(manifests: &'a [Value], name: &str) -> &'a Value {
    let containers = pod(manifests, name)["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    &containers[0]
}

/// The port that the image serves at by this setting.
fn port(setting: &str) -> u64 {
    let dockerfile = text("deploy/Dockerfile");
    let at = dockerfile.lines().find_map(|line| line.trim_start_matches("ENV").trim().strip_prefix(setting));
    let port: u64 = at.unwrap().trim_end_matches(" \\").rsplit_once(':').unwrap().1.parse().unwrap();
    let exposed = dockerfile.lines().find_map(|line| line.strip_prefix("EXPOSE ")).unwrap();
    assert!(exposed.split(' ').any(|exposed| exposed == port.to_string()), "{exposed}");
    port
}

#[test]
fn every_variable_is_a_setting_and_no_secret_has_a_value() {
    let manifests = manifests();
    let shown = document(&run(clienty_sync(&["config", "show", "--json"], &[])));
    let settings = shown["settings"].as_array().unwrap().iter().map(|setting| setting["variable"].as_str().unwrap());
    let settings: BTreeSet<_> = settings.collect();
    let plain = one(&manifests, "ConfigMap", "clienty-sync")["data"].as_object().unwrap();
    let set: Vec<_> = plain.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let checked = run(clienty_sync(&["config", "check"], &set));
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    for (name, _) in PROCESSES {
        let container = container(&manifests, name);
        assert_eq!(container["envFrom"][0]["configMapRef"]["name"], "clienty-sync");
        let secret = container["env"].as_array().unwrap();
        for variable in secret {
            let from = &variable["valueFrom"]["secretKeyRef"];
            assert_eq!((&from["name"], &from["key"]), (&json!("clienty-sync"), &variable["name"]), "{variable}");
        }
        let secret = secret.iter().map(|variable| variable["name"].as_str().unwrap());
        for variable in secret.chain(plain.keys().map(String::as_str)) {
            assert!(settings.contains(variable), "{variable} is no setting");
        }
    }
    assert!(manifests.iter().all(|manifest| manifest["kind"] != "Secret"));
}

#[tokio::test]
async fn the_probes_ask_what_is_served_where_it_is_served() {
    let manifests = manifests();
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    for (name, setting) in PROCESSES {
        let (container, port) = (container(&manifests, name), port(setting));
        assert_eq!(container["ports"][0]["containerPort"], port);
        let metrics = self::port(METRICS);
        let ports = container["ports"].as_array().unwrap();
        assert!(ports.contains(&json!({"name": "metrics", "containerPort": metrics})), "{ports:?}");
        for (probe, path) in
            [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
        {
            let asked = &container[probe]["httpGet"];
            assert_eq!((&asked["path"], &asked["port"]), (&json!(path), &container["ports"][0]["name"]));
        }
        let notes = &pod(&manifests, name)["metadata"]["annotations"];
        assert_eq!(notes["prometheus.io/port"], metrics.to_string());
        assert_eq!(notes["prometheus.io/path"], "/metrics");
        // Who asks for metrics can't send requests, and the other way round.
        let let_in = one(&manifests, "NetworkPolicy", name)["spec"]["ingress"].as_array().unwrap();
        let let_in: Vec<_> = let_in.iter().map(|rule| rule["ports"].clone()).collect();
        let expected: BTreeSet<_> = [port, metrics].into();
        assert_eq!(let_in, expected.into_iter().map(|port| json!([{"port": port}])).collect::<Vec<_>>());
        let kept = &one(&manifests, "PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"];
        assert_eq!(kept, &pod(&manifests, name)["metadata"]["labels"]);
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(api.monitoring(path).await.status, 200, "{path}");
    }
    let scraped = text("deploy/prometheus/prometheus.yml");
    let scraped: Vec<_> = scraped.lines().filter_map(|line| line.trim().strip_prefix("port: ")).collect();
    assert_eq!(scraped, vec![port(METRICS).to_string(); PROCESSES.len()]);
    assert_eq!(one(&manifests, "HorizontalPodAutoscaler", "worker")["spec"]["scaleTargetRef"]["name"], "worker");
}

#[test]
fn pods_run_the_image_as_its_person_with_time_and_memory_enough() {
    let manifests = manifests();
    let dockerfile = text("deploy/Dockerfile");
    // What docs/PERFORMANCE.md measured, in MB.
    let page = text("docs/PERFORMANCE.md");
    let measured = page.split(" MB at most").next().unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    for (name, _) in PROCESSES {
        let container = container(&manifests, name);
        let image = container["image"].as_str().unwrap();
        assert!(dockerfile.contains(&format!(" -t {image} ")), "nobody builds {image}");
        assert_eq!(documents("kustomization.yaml")[0]["images"][0]["name"], image);
        assert!(dockerfile.contains("ENTRYPOINT [\"clienty-sync\"]"));
        let mut arguments: Vec<_> =
            container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        assert_eq!(arguments, [name]);
        arguments.push("--help");
        assert_eq!(run(clienty_sync(&arguments, &[])).status.code(), Some(0));

        let spec = &pod(&manifests, name)["spec"];
        assert!(dockerfile.contains(&format!("--uid {} ", spec["securityContext"]["runAsUser"])));
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        let grace = Duration::from_secs(spec["terminationGracePeriodSeconds"].as_u64().unwrap());
        let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or_default();
        assert!(grace >= clienty_sync::app::PATIENCE + GIVING_BACK + Duration::from_secs(pause), "{grace:?}");
        let memory = container["resources"]["limits"]["memory"].as_str().unwrap();
        let memory = memory.strip_suffix("Mi").unwrap().parse::<u64>().unwrap();
        assert!(memory >= measured * 2, "{memory} Mi for {measured} MB");
    }
}
