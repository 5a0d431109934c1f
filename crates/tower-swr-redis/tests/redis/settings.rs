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
}

#[test]
fn what_a_build_lacks_is_named_with_its_feature() {
    for (url, feature, is_there) in [
        ("rediss://localhost", "`tls`", cfg!(feature = "tls")),
        ("valkeys://localhost", "`tls`", cfg!(feature = "tls")),
        (
            "redis-cluster://a:1,b:2",
            "`cluster`",
            cfg!(feature = "cluster"),
        ),
        (
            "redis-sentinel://a:1,b:2/shop",
            "`sentinel`",
            cfg!(feature = "sentinel"),
        ),
    ] {
        match Redis::connect(url) {
            Ok(_) => assert!(is_there, "{url}"),
            Err(error) => {
                assert!(!is_there, "{url}: {error}");
                assert!(error.to_string().contains(feature), "{url}: {error}");
            }
        }
    }
}

#[test]
fn an_encrypted_url_cannot_turn_the_check_of_certificates_off() {
    let url = "rediss://user:secret@localhost/#insecure";
    let text = refused(Redis::connect(url));
    assert!(text.starts_with("url: "), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[cfg(all(feature = "cluster", feature = "sentinel"))]
#[test]
fn several_servers_are_named_in_one_url() {
    for url in [
        "redis-cluster://a:7000",
        "redis-cluster://app:secret@a:7000,b:7001,[::1]:7002/",
        "redis-sentinel://:secret@a:1,b:2/shop/3",
    ] {
        assert!(Redis::connect(url).is_ok(), "{url}");
    }
    for url in [
        "redis-cluster://",
        "redis-cluster://a:7000,,b:7001",
        "redis-cluster://a:7000/3",
        "redis-sentinel://a:1,b:2",
        "redis-sentinel://a:1/",
        "redis-sentinel://a:1/shop/secret",
        "redis-other://secret:1",
    ] {
        let text = refused(Redis::connect(url));
        assert!(text.starts_with("url: must be redis"), "{url}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
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
        ("get_budget", builder().get_budget(Duration::ZERO)),
        ("step_budget", builder().step_budget(Duration::ZERO)),
        ("step_budget", builder().step_budget(millis(1667))),
        ("step_budget", builder().lease(millis(299))),
        ("dial_budget", builder().dial_budget(Duration::ZERO)),
    ];
    for (setting, builder) in wrong {
        let error = builder.connect().expect_err("it is wrong");
        assert_eq!(error.setting(), setting, "{error}");
        let rule = error.to_string();
        assert!(rule.starts_with(&format!("{setting}: ")), "{rule}");
    }
}

#[test]
fn neither_builder_nor_handle_shows_the_password() {
    let builder = Redis::builder("redis://user:secret@localhost");
    assert!(!format!("{builder:?}").contains("secret"));
    let redis = builder.connect().expect("it is sound");
    assert!(!format!("{redis:?}").contains("secret"));
}
