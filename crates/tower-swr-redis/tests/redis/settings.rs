//! What `connect` refuses, and that it says why without saying what.

use std::time::Duration;

use tower_swr_redis::{ConnectError, Redis};

fn refused(result: Result<Redis, ConnectError>) -> String {
    result.expect_err("it is wrong").to_string()
}

#[test]
fn a_url_that_is_none_is_refused() {
    for url in [
        "",
        "localhost",
        "http://user:secret@localhost",
        "redis://",
        "redis://user:secret@localhost:port",
        "redis://:secret@localhost/database",
    ] {
        let text = refused(Redis::connect(url));
        assert!(text.starts_with("url: must be redis://"), "{url}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let text = refused(Redis::connect("rediss://localhost"));
    assert_eq!(text, "url: TLS is not part of this build");
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    let builder = || Redis::builder("redis://localhost");
    let millis = Duration::from_millis;
    let wrong = [
        ("namespace", builder().namespace("a{b}")),
        ("generation", builder().generation("")),
        ("generation", builder().generation("a:b")),
        ("lease", builder().lease(millis(99))),
        ("max_lease", builder().max_lease(millis(4999))),
        ("rescue_after", builder().rescue_after(millis(99))),
        ("keep_at_most", builder().keep_at_most(Duration::ZERO)),
    ];
    for (setting, builder) in wrong {
        let error = builder.connect().expect_err("it is wrong");
        assert_eq!(error.setting(), setting, "{error}");
    }
}

#[test]
fn neither_builder_nor_handle_shows_the_password() {
    let builder = Redis::builder("redis://user:secret@localhost");
    assert!(!format!("{builder:?}").contains("secret"));
    let redis = builder.connect().expect("it is sound");
    assert!(!format!("{redis:?}").contains("secret"));
}
