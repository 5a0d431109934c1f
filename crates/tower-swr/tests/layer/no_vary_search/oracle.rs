//! The comparison of draft-ietf-httpbis-no-vary-search-10 section 6, written a second time and straight from its steps,
//! beside what the layer really serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tokio::runtime::Builder;
use tower::Layer as _;

use super::{layer, plain};
use crate::house::{House, Origin, ask, get};

/// A URL variation config (section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Config {
    /// None is the wildcard.
    no_vary_params: Option<Vec<String>>,
    vary_params: Option<Vec<String>>,
    vary_on_key_order: bool,
}

impl Config {
    fn is_default(&self) -> bool {
        self.no_vary_params == Some(Vec::new())
            && self.vary_params.is_none()
            && self.vary_on_key_order
    }

    /// The field that says so.
    fn line(&self) -> String {
        let list = |names: &[String]| {
            let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            quoted.join(" ")
        };
        let order = if self.vary_on_key_order { "?0" } else { "?1" };
        match (&self.no_vary_params, &self.vary_params) {
            (Some(names), _) => format!("params=({}), key-order={order}", list(names)),
            (None, Some(names)) => format!("key-order={order}, except=({})", list(names)),
            (None, None) => unreachable!("one of them is a list"),
        }
    }
}

type Pair = (String, String);

/// Whether the queries are equivalent, step by step.
fn are_equivalent(a: Option<&str>, b: Option<&str>, config: &Config) -> bool {
    if config.is_default() {
        return a == b;
    }
    let (mut params_a, mut params_b) = (Vec::new(), Vec::new());
    if let Some(query) = a {
        params_a = urlencoded_parser(query);
    }
    if let Some(query) = b {
        params_b = urlencoded_parser(query);
    }
    if let Some(names) = &config.no_vary_params {
        params_a.retain(|pair| !contains(names, &pair.0));
        params_b.retain(|pair| !contains(names, &pair.0));
    } else if let Some(names) = &config.vary_params {
        params_a.retain(|pair| contains(names, &pair.0));
        params_b.retain(|pair| contains(names, &pair.0));
    }
    if !config.vary_on_key_order {
        sort(&mut params_a);
        sort(&mut params_b);
    }
    if params_a.len() != params_b.len() {
        return false;
    }
    for i in 0..params_a.len() {
        if params_a[i].0 != params_b[i].0 || params_a[i].1 != params_b[i].1 {
            return false;
        }
    }
    true
}

/// The names of a config are written as they stand in the field: here they are parsed (section 5.3).
fn contains(names: &[String], name: &str) -> bool {
    names
        .iter()
        .any(|written| decode(written.as_bytes()) == name)
}

/// Stable, and by code units of UTF-16.
fn sort(pairs: &mut [Pair]) {
    for end in (1..pairs.len()).rev() {
        for place in 0..end {
            let units = |pair: &Pair| pair.0.encode_utf16().collect::<Vec<u16>>();
            if units(&pairs[place]) > units(&pairs[place + 1]) {
                pairs.swap(place, place + 1);
            }
        }
    }
}

/// The application/x-www-form-urlencoded parser of the URL standard.
fn urlencoded_parser(query: &str) -> Vec<Pair> {
    let mut output = Vec::new();
    for sequence in query.as_bytes().split(|byte| *byte == b'&') {
        if sequence.is_empty() {
            continue;
        }
        let (name, value) = match sequence.iter().position(|byte| *byte == b'=') {
            Some(place) => (&sequence[..place], &sequence[place + 1..]),
            None => (sequence, &sequence[..0]),
        };
        output.push((decode(name), decode(value)));
    }
    output
}

fn decode(bytes: &[u8]) -> String {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut output, mut place) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(place) {
        match (byte, hex(bytes.get(place + 1)), hex(bytes.get(place + 2))) {
            (b'%', Some(high), Some(low)) => {
                output.push(u8::try_from(high * 16 + low).expect("two digits"));
                place += 2;
            }
            (b'+', ..) => output.push(b' '),
            _ => output.push(*byte),
        }
        place += 1;
    }
    String::from_utf8_lossy(&output).into_owned()
}

/// Names as they are written in queries and in fields: several spellings of few.
const SPELLINGS: &[&str] = &[
    "a",
    "%61",
    "b",
    "c",
    "a+b",
    "a%20b",
    "%C3%A9",
    "%ff",
    "%EF%BF%BD",
    "%f0%90%80%80",
    "%EF%BD%A1",
    "%",
];

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(SPELLINGS).prop_map(str::to_owned)
}

fn configs() -> impl Strategy<Value = Config> {
    let names = prop::collection::vec(names(), 0..3);
    (names, any::<bool>(), any::<bool>()).prop_map(|(names, is_except, vary_on_key_order)| {
        let (no_vary_params, vary_params) = match is_except {
            true => (None, Some(names)),
            false => (Some(names), None),
        };
        Config {
            no_vary_params,
            vary_params,
            vary_on_key_order,
        }
    })
}

fn queries() -> impl Strategy<Value = Option<String>> {
    let value = prop::sample::select(&["", "=", "=1", "=%31", "=2", "=+", "=%20", "=1=2"][..]);
    let pair = (names(), value).prop_map(|(name, value)| format!("{name}{value}"));
    let part = prop_oneof![8 => pair, 1 => Just(String::new()), 1 => Just("=1".to_owned())];
    let query = prop::collection::vec(part, 0..4).prop_map(|parts| parts.join("&"));
    prop::option::weighted(0.9, query)
}

fn path(query: Option<&str>) -> String {
    query.map_or("/a".to_owned(), |query| format!("/a?{query}"))
}

fn query(path: &str) -> Option<&str> {
    path.split_once('?').map(|(_, query)| query)
}

/// Asks for all of `asked`, one after the other, of an origin whose answers say the next of `configs`, the last for ever:
/// what each was answered with, the URI that it was made for, and what it says.
fn served(configs: &[Config], asked: &[Option<String>]) -> Vec<(String, String, Config)> {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let house = House::new();
        let number = Arc::new(AtomicUsize::default());
        let (said, counted) = (configs.to_vec(), Arc::clone(&number));
        let origin = Origin::new(move |call| {
            let number = counted.fetch_add(1, Ordering::SeqCst).min(said.len() - 1);
            let reply = plain()
                .text(call.parts.uri.to_string())
                .with("no-vary-search", said[number].line());
            Ok(reply
                .with("x-config", number.to_string())
                .to_response(call.number))
        });
        let service = layer(&house).layer(origin);
        let mut answers = Vec::new();
        for asked in asked {
            let answer = ask(&service, get(&path(asked.as_deref()))).await;
            let config: usize = answer.field("x-config").parse().expect("a number");
            answers.push((
                answer.x_cache().to_owned(),
                answer.text().to_owned(),
                configs[config].clone(),
            ));
        }
        answers
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Where all answers say the same, exactly those are served that may be.
    #[test]
    fn what_is_equivalent_is_served_and_nothing_else(
        config in configs(),
        asked in prop::collection::vec(queries(), 2..12),
    ) {
        let answers = served(std::slice::from_ref(&config), &asked);
        for (place, (word, made_for, _)) in answers.iter().enumerate() {
            let ours = asked[place].as_deref();
            let mut before = asked[..place].iter();
            let is_there = before.any(|before| are_equivalent(before.as_deref(), ours, &config));
            prop_assert_eq!(word, if is_there { "HIT" } else { "MISS" }, "{} of {:?}", place, asked);
            prop_assert!(are_equivalent(query(made_for), ours, &config), "{} for {:?}", made_for, ours);
        }
    }

    /// Where they do not, each is served only where it says itself that it may be.
    #[test]
    fn what_is_served_says_that_it_may_be(
        configs in prop::collection::vec(configs(), 1..24),
        asked in prop::collection::vec(queries(), 2..24),
    ) {
        let answers = served(&configs, &asked);
        for ((_, made_for, said), asked) in answers.iter().zip(&asked) {
            let ours = asked.as_deref();
            prop_assert!(
                query(made_for) == ours || are_equivalent(query(made_for), ours, said),
                "{} for {:?}: {:?}", made_for, ours, said
            );
        }
    }
}
