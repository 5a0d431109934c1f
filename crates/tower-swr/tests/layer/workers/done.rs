//! What a worker does with what it is given.

use tower_swr::Mode;

use super::*;

#[tokio::test]
async fn a_stale_answer_is_renewed_by_the_worker_and_found_by_all() {
    let stale = Stale::new().await;
    let other = stale.world.house();
    let (second, there) = service(&other, reply(200).text("second"));
    let answer = stale.ask().await;
    assert_eq!((answer.x_cache(), answer.text()), ("STALE", "web"));
    let answer = stale.ask().await;
    assert_eq!((answer.x_cache(), answer.text()), ("HIT", "worker"));
    assert_eq!(answer.field("age"), "0");
    assert_eq!(ask(&second, get("/a")).await.text(), "worker");
    assert_eq!((stale.calls(), there.calls()), ((1, 1), 0));
    let stats = stale.working.stats();
    assert_eq!((stats.renewed, stats.failed), (1, 0));
}

#[tokio::test]
async fn a_miss_is_never_left_to_a_worker() {
    let stale = Stale::new().await;
    assert_eq!(ask(&stale.web, get("/b")).await.x_cache(), "MISS");
    assert_eq!(stale.calls(), (2, 0));
}

#[tokio::test]
async fn a_worker_serves_nothing_old_and_leaves_nothing_to_others() {
    let stale = Stale::new().await;
    for round in 0..3 {
        assert_eq!(stale.ask().await.x_cache(), "STALE");
        assert_eq!(stale.ask().await.x_cache(), "HIT");
        assert_eq!(stale.calls(), (1, round + 1));
        stale.world.pass(secs(60)).await;
    }
    let stats = stale.working.stats();
    assert_eq!((stats.renewed, stats.found), (3, 0), "one for each");
}

#[tokio::test]
async fn an_origin_that_is_to_be_left_alone_is_left_alone_by_workers_too() {
    let stale = Stale::new().await;
    stale.cache.mode(Mode::ServeStale);
    assert_eq!(stale.ask().await.x_cache(), "STALE");
    stale.world.pass(secs(10)).await;
    assert_eq!(stale.calls(), (1, 0));
    stale.cache.mode(Mode::Normal);
    stale.ask().await;
    assert_eq!(stale.calls(), (1, 1));
}

#[tokio::test]
async fn the_variant_of_the_request_is_renewed() {
    let world = World::new();
    let said = |call: Call| {
        let language = call.parts.headers["accept-language"].to_str()?.to_owned();
        let text = format!("{language} {}", call.number);
        let reply = reply(200).text(text).with("vary", "accept-language");
        Ok::<_, BoxError>(reply.to_response(call.number))
    };
    let (here, there) = (Origin::new(said), Origin::new(said));
    let web = minute(&world.house()).layer(here.clone());
    let in_language = |language| get("/a").with("accept-language", language);
    for language in ["de", "fr"] {
        ask(&web, in_language(language)).await;
    }
    let working = world
        .work(minute(&world.house()).layer(there.clone()))
        .await;
    world.pass(secs(60)).await;
    assert_eq!(ask(&web, in_language("fr")).await.x_cache(), "STALE");
    settle().await;
    let renewed = ask(&web, in_language("fr")).await;
    assert_eq!((renewed.x_cache(), renewed.text()), ("HIT", "fr 0"));
    let other = ask(&web, in_language("de")).await;
    assert_eq!((other.x_cache(), other.text()), ("STALE", "de 0"));
    assert_eq!((here.calls(), there.calls()), (2, 1));
    assert_eq!(working.stats().renewed, 1);
}

#[tokio::test]
async fn an_address_below_a_nested_router_is_the_client_s() {
    use axum::extract::Path;
    use axum::routing::get as on_get;
    let world = World::new();
    let app = |house: &House, who: &'static str| {
        let said = move |Path(id): Path<String>| async move { format!("{id} by {who}") };
        let inner = axum::Router::new().route("/x", on_get(said).layer(minute(house)));
        axum::Router::new().nest("/tenants/{id}", inner)
    };
    let web = app(&world.house(), "web");
    for tenant in ["1", "2"] {
        ask(&web, get(&format!("/tenants/{tenant}/x"))).await;
    }
    let node = world.server.node();
    let worker = RefreshWorker::new(node.clone(), app(&world.house(), "worker"));
    let worker = worker.with_body::<Body>().clock(world.clock.clone());
    let working = world.run(node, worker).await;
    world.pass(secs(60)).await;
    assert_eq!(ask(&web, get("/tenants/2/x")).await.text(), "2 by web");
    settle().await;
    assert_eq!(ask(&web, get("/tenants/2/x")).await.text(), "2 by worker");
    assert_eq!(working.stats().renewed, 1);
}

#[tokio::test]
async fn a_layer_further_in_gets_what_is_meant_for_it() {
    let world = World::new();
    let app = |house: &House, origin: &Origin| {
        let inner = minute(house).layer(origin.clone());
        let app = house.cache.layer("outer").layer(inner);
        house.cache.scope_mode("outer", Some(Mode::Off));
        app
    };
    let (here, there) = [(); 2].map(|()| Origin::always(reply(200))).into();
    let web = app(&world.house(), &here);
    assert_eq!(ask(&web, get("/a")).await.text(), "call 0");
    let node = world.server.node();
    let worker = RefreshWorker::new(node.clone(), app(&world.house(), &there));
    let worker = worker.with_body::<Body>().clock(world.clock.clone());
    let working = world.run(node, worker).await;
    world.pass(secs(60)).await;
    ask(&web, get("/a")).await;
    settle().await;
    assert_eq!((here.calls(), there.calls()), (1, 1));
    assert_eq!(working.stats().renewed, 1);
}

#[tokio::test]
async fn what_a_handler_of_the_worker_asks_of_other_layers_is_not_left_to_others() {
    let stale = Stale::new().await;
    let world = &stale.world;
    let house = world.house();
    // A page that is made of another answer, which is stale by now.
    let part = Origin::always(reply(200).text("part"));
    let (layer, brief) = (house.cache.layer("page"), house.cache.layer("part"));
    let part_of = brief.max_age(secs(1)).stale_while_revalidate(secs(600));
    let page = layer.max_age(secs(2)).layer(part_of.layer(part.clone()));
    ask(&page, get("/p")).await;
    world.pass(secs(70)).await;
    let job = told::job_in("page", "/p").await;
    let node = world.server.node();
    let worker = RefreshWorker::new(node.clone(), page).with_body::<Body>();
    let second = world.run(node, worker.clock(world.clock.clone())).await;
    drop(stale.working.stop);
    world.pass(secs(2)).await;
    assert_eq!(second.node.enqueue(job).await, Ok(Enqueued::Queued));
    world.pass(secs(2)).await;
    let stats = second.stats();
    assert_eq!(
        (stats.renewed, stats.found, stats.unmet),
        (1, 0, 0),
        "{stats:?}"
    );
    assert_eq!(part.calls(), 2, "renewed behind its back, here");
}

#[tokio::test]
async fn a_handler_that_fails_is_asked_again_and_given_up_in_the_end() {
    for failing in [
        Origin::always(reply(500)),
        Origin::new(|_| Err("the database is away".into())),
        Origin::new(|_| std::panic::resume_unwind(Box::new("a panic without a message"))),
    ] {
        let world = World::new();
        let (web, here) = service(&world.house(), reply(200).text("web"));
        ask(&web, get("/a")).await;
        let service = minute(&world.house()).layer(failing.clone());
        let working = world.work(service).await;
        world.pass(secs(60)).await;
        assert_eq!(ask(&web, get("/a")).await.x_cache(), "STALE");
        settle().await;
        assert_eq!(working.stats().failed, 1);
        // After five seconds whoever serves does it, and the worker finds that.
        world.pass(secs(40)).await;
        let stats = working.stats();
        assert_eq!((here.calls(), stats.renewed), (2, 0));
        assert!(stats.failed > 1 && stats.found == 1, "{stats:?}");
        assert!(world.server.dead_letters().is_empty());
    }
}

#[tokio::test]
async fn what_nobody_can_make_is_put_aside_after_five_attempts() {
    let world = World::new();
    let failing = Origin::always(reply(503));
    let working = world
        .work(minute(&world.house()).layer(failing.clone()))
        .await;
    let job = told::job_for("/a").await;
    working.node.attend().await.expect("it is said");
    assert_eq!(
        working.node.enqueue(job.clone()).await,
        Ok(Enqueued::Queued)
    );
    world.pass(secs(60)).await;
    assert_eq!((failing.calls(), working.stats().failed), (5, 5));
    assert_eq!(world.server.dead_letters(), [job]);
}

#[tokio::test]
async fn what_is_no_job_here_is_done_with() {
    let stale = Stale::new().await;
    let node = &stale.working.node;
    let real = told::job_for("/b").await;
    let mut damaged = real.payload.to_vec();
    damaged[0] += 1;
    let damaged = RemoteJob {
        payload: damaged.into(),
        ..real.clone()
    };
    assert_eq!(node.enqueue(damaged).await, Ok(Enqueued::Queued));
    settle().await;
    let stats = stale.working.stats();
    assert_eq!((stats.unreadable, stats.failed), (1, 0));
    assert_eq!(stale.there.calls(), 0);

    let elsewhere = told::job_in("elsewhere", "/c").await;
    assert_eq!(node.enqueue(elsewhere).await, Ok(Enqueued::Queued));
    settle().await;
    assert_eq!(stale.working.stats().unmet, 1, "no such layer is here");
}

#[tokio::test]
async fn a_job_of_another_key_changes_nothing_but_its_own() {
    let stale = Stale::new().await;
    let (node, world) = (&stale.working.node, &stale.world);
    assert_eq!(ask(&stale.web, get("/b")).await.x_cache(), "MISS");
    let b = told::job_for("/b").await;
    // It says that it is for another key, which it may say: it is of /b all the same.
    let key = FarKey::new(KeyText::new("s").key()).primary();
    let renamed = RemoteJob { key, ..b };
    let before = stale.there.calls();
    assert_eq!(node.enqueue(renamed).await, Ok(Enqueued::Queued));
    settle().await;
    assert_eq!(stale.there.calls(), before, "somebody has it");
    assert_eq!(stale.working.stats().found, 1);
    assert_eq!(stale.ask().await.text(), "web");

    // A process with other settings has another key for the same request.
    let other = world.house();
    let layer = minute(&other).vary([http::header::ACCEPT]);
    let origin = Origin::always(reply(200));
    let second = world.work(layer.layer(origin.clone())).await;
    drop(stale.working.stop);
    let c = told::job_for("/c").await;
    world.pass(secs(2)).await;
    assert_eq!(second.node.enqueue(c).await, Ok(Enqueued::Queued));
    settle().await;
    assert_eq!((second.stats().refused, origin.calls()), (1, 0));
}

#[tokio::test]
async fn no_client_can_say_that_it_is_a_worker() {
    let stale = Stale::new().await;
    // All that a client can send are fields, and none of them is an order: that is a type of the crate's own.
    let forged = get("/a").with("via", "1.1 worker").with("x-refresh", "1");
    let forged = forged.with("cache-control", "no-cache");
    let answer = ask(&stale.web, forged).await;
    assert_eq!((answer.x_cache(), answer.text()), ("STALE", "web"));
    let mut forged = get("/b");
    forged
        .extensions_mut()
        .insert(Bytes::from_static(b"an order"));
    forged
        .extensions_mut()
        .insert(HeaderName::from_static("order"));
    assert_eq!(ask(&stale.web, forged).await.x_cache(), "MISS");
}
