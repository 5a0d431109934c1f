//! The same directives in another spelling are the same directives: order, case, spaces, lines, quotes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower::Layer as _;

use super::rfc::Kind;
use super::{layer, settings};
use crate::house::{House, Origin, ask, get, reply, secs, settle};

/// A directive, and how it is to be spelt: upper case, quoted, in a line of its own, with commas and spaces around it.
type Spelt = ((&'static str, Option<u64>), (bool, bool, bool, usize));

fn spelt() -> impl Strategy<Value = Vec<Spelt>> {
    let names = select(&[
        "max-age",
        "s-maxage",
        "stale-while-revalidate",
        "stale-if-error",
    ]);
    let numbers = select(&[0_u64, 1, 10, 60, 1 << 31, u64::MAX]);
    let words = select(&[
        "public",
        "private",
        "no-store",
        "no-cache",
        "must-revalidate",
        "proxy-revalidate",
        "must-understand",
        "immutable",
        "x-unknown",
    ]);
    let directive = prop_oneof![
        3 => (names, numbers).prop_map(|(name, number)| (name, Some(number))),
        1 => words.prop_map(|name| (name, None)),
    ];
    let style = (any::<bool>(), any::<bool>(), any::<bool>(), 0..4_usize);
    vec((directive, style), 1..5).prop_map(|mut all| {
        // Of two numbers for one name it matters which is the first.
        all.sort_by_key(|((name, _), _)| *name);
        all.dedup_by_key(|((name, _), _)| *name);
        all
    })
}

fn plainly(all: &[Spelt]) -> Vec<String> {
    let members = all.iter().map(|((name, number), _)| match number {
        None => (*name).to_owned(),
        Some(number) => format!("{name}={number}"),
    });
    vec![members.collect::<Vec<_>>().join(", ")]
}

fn oddly(all: &[Spelt]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for ((name, number), (upper, quoted, apart, space)) in all.iter().rev() {
        let name = if *upper {
            name.to_ascii_uppercase()
        } else {
            (*name).to_owned()
        };
        let member = match (number, quoted) {
            (None, _) => name,
            (Some(number), true) => format!("{name}=\"{number}\""),
            (Some(number), false) => format!("{name}={number}"),
        };
        if *apart {
            lines.push(String::new());
        }
        let around = ["", " ", ", ,", "\t,"][*space];
        let line = lines.last_mut().expect("there is one");
        *line += &format!("{around}{member} ,");
    }
    lines
}

/// What clients of a layer before an origin that says `lines` are told, as time goes by.
async fn told(kind: Kind, lines: &[String]) -> Vec<(String, String, String)> {
    let house = House::new();
    let said = lines
        .iter()
        .fold(reply(200), |reply, line| reply.with("cache-control", line));
    let service = layer(&house, kind).layer(Origin::always(said));
    let mut told = Vec::new();
    for wait in [0, 0, 1, 9, 1, 19, 31, 60, 1000] {
        house.pass(secs(wait)).await;
        let answer = ask(&service, get("/")).await;
        settle().await;
        let [verb, age, status] =
            ["x-cache", "age", "cache-status"].map(|name| answer.field(name).to_owned());
        told.push((verb, age, status));
    }
    told
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn another_spelling_says_the_same(directives in spelt()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for kind in [Kind::Plain, Kind::Proxy, Kind::Windows] {
            let (plain, odd) = (plainly(&directives), oddly(&directives));
            let (first, second) = runtime.block_on(async { (told(kind, &plain).await, told(kind, &odd).await) });
            prop_assert_eq!(first, second, "{:?}: {:?} and {:?}", kind, plain, odd);
        }
    }
}
