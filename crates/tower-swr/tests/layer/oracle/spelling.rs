//! What is printed in another spelling is read as the same: order, case, spaces, lines, quotes, forms of dates.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower::Layer as _;

use super::rfc::Kind;
use super::{dates, layer, settings};
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

fn of_lines(name: &'static str, lines: Vec<String>) -> Vec<(&'static str, String)> {
    lines.into_iter().map(|line| (name, line)).collect()
}

/// What clients of a layer before an origin that says `fields` are told, as time goes by.
async fn told(kind: Kind, fields: &[(&str, String)]) -> Vec<(String, String, String)> {
    let house = House::new();
    let said = fields
        .iter()
        .fold(reply(200), |reply, (name, value)| reply.with(name, value));
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
            let [plain, odd] = [plainly(&directives), oddly(&directives)].map(|lines| of_lines("cache-control", lines));
            let (first, second) = runtime.block_on(async { (told(kind, &plain).await, told(kind, &odd).await) });
            prop_assert_eq!(first, second, "{:?}: {:?} and {:?}", kind, plain, odd);
        }
    }

    #[test]
    fn a_date_says_the_same_in_each_of_its_forms(made in -100..100_i64, spare in -5..100_i64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for kind in [Kind::Plain, Kind::Proxy, Kind::Windows] {
            let fields = |form: usize| {
                let [date, expires] = [made, made + spare].map(|about| dates::print(dates::START + about, form));
                vec![("date", date), ("expires", expires)]
            };
            let first = runtime.block_on(told(kind, &fields(0)));
            for form in [1, 2] {
                prop_assert_eq!(&first, &runtime.block_on(told(kind, &fields(form))), "{:?}: {:?}", kind, fields(form));
            }
        }
    }

    #[test]
    fn a_targeted_field_says_the_same_in_its_own_way(max_age in 0..70_u64, window in 0..70_u64, order in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let plain = format!("max-age={max_age}, stale-while-revalidate={window}");
        let odd = match order {
            true => format!("  stale-while-revalidate={window};a;b=\"c\" ,\tmax-age=7, x=(1 2), max-age={max_age}"),
            false => format!("max-age={max_age:03};a=?0,stale-while-revalidate={window}, public=?1"),
        };
        let first = runtime.block_on(told(Kind::Proxy, &[("cache-control", plain)]));
        let fields = [("cache-control", "no-store".to_owned()), ("cdn-cache-control", odd)];
        let second = runtime.block_on(told(Kind::Proxy, &fields));
        prop_assert_eq!(first, second, "{:?}", fields);
    }
}
