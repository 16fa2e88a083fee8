//! Two processes over one data folder.

use crate::support::installation::Installation;

#[tokio::test]
async fn a_second_up_over_the_same_folder_refuses_to_start_and_says_what_to_do() {
    let installation = Installation::new(&[]).await;
    let (first, api) = installation.serve("up");
    let second = installation.run(&["up"]);
    let reported = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{reported}");
    for part in [&format!("process {}", first.id()), "CLIENTY_DATA_DIR", "REDIS_URL"] {
        assert!(reported.contains(part), "no {part}: {reported}");
    }
    assert_eq!(api.request("GET", "/readyz", |request| request).await.status, 200);
    drop(first);
    let (_third, api) = installation.serve("up");
    assert_eq!(api.request("GET", "/readyz", |request| request).await.status, 200);
}
