//! Several processes: what is kept for several URIs is shared once each knows of the path, and purged by whoever changes it.

use http::{Method, Uri};
use tower::Layer as _;
use tower_swr::{CacheService, HttpCache, MemorySettings};
use tower_swr_core::testing::{FarServer, ManualClock, RecordingObserver};

use super::{UTM, layer, plain, word};
use crate::house::{House, Origin, ask, get, secs, settle};

fn house(server: &FarServer, clock: &ManualClock) -> House {
    let heard = RecordingObserver::default();
    let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(server.node());
    let cache = builder.clock(clock.clone()).observer(heard.clone()).build();
    House {
        cache,
        clock: clock.clone(),
        heard,
    }
}

struct Process {
    house: House,
    service: CacheService<Origin>,
    origin: Origin,
}

fn processes() -> [Process; 2] {
    let clock = ManualClock::default();
    let server = FarServer::new(clock.clone());
    [(); 2].map(|()| {
        let house = house(&server, &clock);
        let origin = Origin::always(plain().with("no-vary-search", UTM));
        let service = layer(&house).layer(origin.clone());
        Process {
            house,
            service,
            origin,
        }
    })
}

async fn learned(processes: &[Process; 2]) {
    for (number, process) in processes.iter().enumerate() {
        ask(&process.service, get(&format!("/a?learn={number}"))).await;
        settle().await;
    }
}

#[tokio::test]
async fn what_one_process_keeps_for_several_uris_is_a_hit_in_the_other() {
    let both = processes();
    learned(&both).await;
    let [here, there] = &both;
    assert_eq!(word(&here.service, "/a?id=1&utm=1").await, "MISS");
    settle().await;
    assert_eq!(word(&here.service, "/a?id=1&utm=2").await, "HIT");
    assert_eq!(word(&there.service, "/a?id=1&utm=3").await, "HIT");
    assert_eq!((here.origin.calls(), there.origin.calls()), (2, 1));
}

#[tokio::test]
async fn the_first_answer_of_a_path_is_its_own_uris_and_tells_whoever_finds_it() {
    let [here, there] = processes();
    assert_eq!(word(&here.service, "/a?id=1&utm=1").await, "MISS");
    settle().await;
    assert_eq!(word(&there.service, "/a?id=1&utm=1").await, "HIT");
    assert_eq!(word(&here.service, "/a?id=1&utm=2").await, "MISS");
    settle().await;
    assert_eq!(word(&there.service, "/a?id=1&utm=3").await, "HIT");
    assert_eq!((here.origin.calls(), there.origin.calls()), (2, 0));
}

#[tokio::test]
async fn a_change_in_a_process_that_knows_nothing_of_the_path_drops_what_others_keep() {
    for by_change in [true, false] {
        let [here, there] = processes();
        for path in ["/a", "/a?id=1&utm=1"] {
            ask(&here.service, get(path)).await;
            settle().await;
        }
        assert_eq!(word(&here.service, "/a?id=1&utm=2").await, "HIT");
        let uri = "/a?id=1&utm=9";
        if by_change {
            let mut change = get(uri);
            *change.method_mut() = Method::POST;
            ask(&there.service, change).await;
        } else {
            there.house.cache.purge("s", &Uri::from_static(uri)).await;
        }
        settle().await;
        here.house.pass(secs(1)).await;
        assert_eq!(word(&here.service, "/a?id=1&utm=3").await, "MISS");
    }
}

#[tokio::test]
async fn a_process_without_the_layer_purges_it_too() {
    let clock = ManualClock::default();
    let server = FarServer::new(clock.clone());
    let (here, admin) = (house(&server, &clock), house(&server, &clock));
    let origin = Origin::always(plain().with("no-vary-search", UTM));
    let service = layer(&here).layer(origin);
    for path in ["/a", "/a?id=1&utm=1"] {
        ask(&service, get(path)).await;
        settle().await;
    }
    admin
        .cache
        .purge("s", &Uri::from_static("/a?id=1&utm=9"))
        .await;
    here.pass(secs(1)).await;
    assert_eq!(word(&service, "/a?id=1&utm=3").await, "MISS");
}

/// The lease is for the key that they have in common, so there is nowhere to keep it.
#[tokio::test]
async fn an_answer_that_says_nothing_is_not_kept_for_those_who_waited_for_another() {
    let clock = ManualClock::default();
    let server = FarServer::new(clock.clone());
    let (here, there) = (house(&server, &clock), house(&server, &clock));
    let said = || plain().with("no-vary-search", UTM);
    let origin = Origin::script([said(), plain(), said()]);
    let service = layer(&here).layer(origin.clone());
    let other = layer(&there).layer(origin.clone());
    for service in [&service, &other] {
        ask(service, get("/a")).await;
        settle().await;
    }
    let silent = ask(&service, get("/a?id=1&utm=1")).await;
    assert_eq!((silent.x_cache(), silent.text()), ("MISS", "call 1"));
    settle().await;
    // The path is known again.
    assert_eq!(word(&service, "/a?id=2&utm=1").await, "MISS");
    assert_eq!(
        ask(&service, get("/a?id=1&utm=2")).await.text(),
        "call 3",
        "not what was another's"
    );
    assert_eq!(ask(&other, get("/a?id=1&utm=3")).await.text(), "call 3");
}

/// It is kept for its own URI alone, and yet says that it is for others.
#[tokio::test]
async fn a_purge_elsewhere_reaches_what_the_first_answer_of_a_path_left() {
    let [here, there] = processes();
    assert_eq!(word(&here.service, "/a?id=1&utm=1").await, "MISS");
    settle().await;
    let uri = Uri::from_static("/a?id=1&utm=9");
    there.house.cache.purge("s", &uri).await;
    here.house.pass(secs(1)).await;
    assert_eq!(word(&here.service, "/a?id=1&utm=1").await, "MISS");
}
