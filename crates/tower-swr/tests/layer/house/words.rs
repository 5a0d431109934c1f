use tower::{Layer as _, ServiceExt as _};

use super::{
    Answer, House, Origin, Reply, With as _, answers, ask, get, head, reply, secs, settle,
    start_all,
};

/// Every word of `X-Cache`, each with the request that brought it.
pub(crate) async fn every_word(house: &House, theirs: Option<&str>) -> Vec<Answer> {
    let theirs = theirs.map(ToOwned::to_owned);
    let origin = Origin::new(move |call| {
        let plain: Reply = match call.parts.uri.path() {
            "/panic" => panic!("as it should"),
            "/error" => return Err("as it should".into()),
            "/private" => reply(200).with("cache-control", "private"),
            _ => reply(200),
        };
        let said = theirs
            .iter()
            .fold(plain, |reply, line| reply.with("cache-status", line));
        Ok(said.to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let asking = start_all(&service, [get("/"), get("/")]).await;
    origin.release();
    let mut all = answers(asking).await;
    all.push(ask(&service, get("/")).await);
    house.pass(secs(61)).await;
    all.push(ask(&service, get("/")).await);
    settle().await;
    for request in [
        get("/private"),
        get("/").with("cookie", "a=1"),
        get("/panic"),
        head("/new"),
    ] {
        all.push(ask(&service, request).await);
    }
    assert!(service.oneshot(get("/error")).await.is_err());
    all
}
