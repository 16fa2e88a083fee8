//! What `v3` says in other words.

use reqwest::Method;
use serde_json::json;

use super::Bench;

#[tokio::test]
async fn v3_has_its_own_errors_and_its_own_names_of_channels() {
    let mut bench = Bench::plain().await;
    let path = format!("/contacts/{}", bench.contact());
    bench.edit(Method::PUT, &format!("contacts/{}", bench.contact()), json!({ "dndSettings": null })).await;
    bench.version = Some("v3");
    let settings = json!({ "whatsApp": { "status": "active" } });
    let (_, body) = bench.send(Method::PUT, &path, json!({ "dndSettings": settings })).await;
    assert_eq!((&body["contact"]["dndSettings"], &body["succeded"]), (&settings, &json!(null)));
    let (status, body) = bench.send(Method::PUT, &path, json!({ "gender": "f" })).await;
    assert_eq!((status, &body["error"]["code"]), (422, &json!("UNPROCESSABLE_ENTITY")));
    assert_eq!(body["error"]["details"], json!(["property gender should not exist"]));

    bench.version = None;
    let (_, body) = bench.get(&path).await;
    assert_eq!(body["contact"]["dndSettings"], json!({ "WhatsApp": { "status": "active" } }));
    let (status, _) = bench.delete(&format!("{path}/campaigns/remove-all")).await;
    assert_eq!(status, 404, "a name of v3's");
}
