//! What a worker is told, and what is not left to one since it would have to be told more.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::header::{ACCEPT, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, RANGE, SET_COOKIE};
use tower_swr::RouteConfig;

use super::*;

/// What a process that has nothing to do with the others says of the refresh of `path`.
pub(super) async fn job_for(path: &str) -> RemoteJob {
    job_in("s", path).await
}

pub(super) async fn job_in(scope: &'static str, path: &str) -> RemoteJob {
    let apart = World::new();
    let layer = apart.house().cache.layer(scope).max_age(secs(1));
    let layer = layer.stale_while_revalidate(secs(1200));
    let web = layer.layer(Origin::always(reply(200)));
    let offered = offered(&apart, &web, || get(path)).await;
    offered.expect("it is told")
}

/// What becomes of the refresh of what `request` asks for: the job that is offered, if one is.
#[allow(clippy::disallowed_methods, reason = "a worker is a task of its own")]
async fn offered(
    world: &World,
    web: &CacheService<Origin>,
    request: impl Fn() -> Request<Body>,
) -> Option<RemoteJob> {
    ask(web, request()).await;
    settle().await;
    world.pass(secs(60)).await;
    let node = world.server.node();
    node.attend().await.expect("it is said");
    assert_eq!(ask(web, request()).await.x_cache(), "STALE");
    settle().await;
    let taking = tokio::spawn(async move { node.take(1).await.expect("an answer") });
    settle().await;
    world.pass(secs(1)).await;
    let job = taking.await.expect("no panic").pop()?;
    Some(RemoteJob {
        key: job.key,
        payload: job.payload,
    })
}

async fn offered_by(
    layer: impl FnOnce(CacheLayer) -> CacheLayer,
    reply: Reply,
    request: impl Fn() -> Request<Body>,
) -> Option<RemoteJob> {
    let world = World::new();
    let web = layer(minute(&world.house())).layer(Origin::always(reply));
    offered(&world, &web, request).await
}

fn says(job: &RemoteJob, text: &str) -> bool {
    job.payload
        .windows(text.len())
        .any(|it| it == text.as_bytes())
}

#[tokio::test]
async fn a_worker_is_told_what_is_on_the_list_and_nothing_else() {
    let request = || {
        get("/a?q=1")
            .with("accept", "text/listed")
            .with("x-forwarded-host", "front.example")
            .with("user-agent", "unlisted agent")
            .with("cookie", "session=secret-1")
            .with("authorization", "Bearer secret-2")
            .with("proxy-authorization", "Basic secret-3")
            .with("x-api-key", "secret-4")
            .with("x-forwarded-for", "192.0.2.1")
    };
    let layer = |layer: CacheLayer| layer.ignore_cookies().ignore_authorization();
    let job = offered_by(layer, reply(200), request).await.expect("a job");
    for told in ["/a?q=1", "example.com", "text/listed", "front.example"] {
        assert!(says(&job, told), "{told}");
    }
    for untold in ["secret", "session", "agent", "192.0.2.1", "x-api-key"] {
        assert!(!says(&job, untold), "{untold}");
    }
}

#[tokio::test]
async fn of_a_uri_a_worker_is_told_what_counts() {
    let request = || get("/a?page=2&session=secret");
    let layer = |layer: CacheLayer| layer.query_parameters(["page"]);
    let job = offered_by(layer, reply(200), request).await.expect("a job");
    assert!(says(&job, "/a?page=2") && !says(&job, "secret"));
    let plain = |layer: CacheLayer| layer;
    let with_password = || {
        let mut request = get("http://me:secret@example.com/a");
        request.headers_mut().remove("host");
        request
    };
    assert_eq!(offered_by(plain, reply(200), with_password).await, None);
}

#[tokio::test]
async fn what_depends_on_more_is_refreshed_here() {
    let currency = || HeaderName::from_static("x-currency");
    let request = || get("/a").with("x-currency", "EUR");
    let keyed = |layer: CacheLayer| layer.vary([currency()]);
    assert_eq!(offered_by(keyed, reply(200), request).await, None);
    let varying = || reply(200).with("vary", "x-currency");
    let plain = |layer: CacheLayer| layer;
    assert_eq!(offered_by(plain, varying(), request).await, None);
    // On the list, or not sent, it may be told.
    let listed = |layer: CacheLayer| layer.refresh_fields([currency()]);
    let job = offered_by(|layer| listed(keyed(layer)), reply(200), request).await;
    assert!(says(&job.expect("it is told"), "EUR"));
    let job = offered_by(listed, varying(), request).await;
    assert!(says(&job.expect("it is told"), "EUR"));
    assert!(offered_by(keyed, reply(200), || get("/a")).await.is_some());
}

#[tokio::test]
async fn what_depends_on_a_secret_is_refreshed_here() {
    let with_cookie = || get("/a").with("cookie", "currency=EUR");
    let keyed = |layer: CacheLayer| layer.key_cookies(["currency"]);
    assert_eq!(offered_by(keyed, reply(200), with_cookie).await, None);
    assert!(offered_by(keyed, reply(200), || get("/a")).await.is_some());
    let public = || {
        reply(200).with(
            "cache-control",
            "public, max-age=60, stale-while-revalidate=60",
        )
    };
    let forwarded = |layer: CacheLayer| layer.forward_cookies();
    assert_eq!(offered_by(forwarded, public(), with_cookie).await, None);
    let with_credential = || get("/a").with("authorization", "Bearer me");
    let keyed = |layer: CacheLayer| layer.key_authorization();
    assert_eq!(offered_by(keyed, reply(200), with_credential).await, None);
    let sensitive = || {
        let mut request = get("/a").with("accept", "a secret kind");
        if let Some(value) = request.headers_mut().get_mut(ACCEPT) {
            value.set_sensitive(true);
        }
        request
    };
    let by_kind = |layer: CacheLayer| layer.vary([ACCEPT]);
    assert_eq!(offered_by(by_kind, reply(200), sensitive).await, None);
}

#[test]
fn no_secret_can_be_put_on_the_list() {
    let layer = || HttpCache::in_memory(1 << 20).layer("shop");
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE] {
        let set = AssertUnwindSafe(|| layer().refresh_fields([ACCEPT, name.clone()]));
        let panic = catch_unwind(set).expect_err("it is refused");
        let text = panic.downcast_ref::<String>().expect("a message");
        assert!(text.contains(&format!("{name} carries secrets")), "{text}");
        let mut config = RouteConfig::default();
        config.refresh_fields = Some(vec![name.as_str().to_uppercase()]);
        let refused = layer().configured(&config).expect_err("it is refused");
        let text = refused.to_string();
        assert!(
            text.starts_with("refresh_fields = ") && text.contains("carries secrets"),
            "{text}"
        );
    }
    let set = AssertUnwindSafe(|| layer().refresh_fields([RANGE]));
    let panic = catch_unwind(set).expect_err("it is refused");
    let text = panic.downcast_ref::<String>().expect("a message");
    assert!(text.contains("does not see range"), "{text}");
}
